// Kernels of trees: as loops and as native code of every target, bit by bit what the trees say.
#include <bit>

#include "../llvm/harness.h"
#include "synthetic.h"
#include "tenon/tree_code.h"

namespace tenon {
namespace {

struct Blocks {
  size_t blocks;
  std::vector<float> x, margins, wanted;
};

Blocks blocks_of(const Booster& booster, Synthetic& make, size_t features, size_t blocks) {
  Blocks b{blocks, std::vector<float>(blocks * features * kTreeBlock), {}, {}};
  for (size_t k = 0; k < blocks * kTreeBlock; ++k) {
    const std::vector<float> row = make.row();
    for (size_t f = 0; f < features; ++f) b.x[(k / kTreeBlock * features + f) * kTreeBlock + k % kTreeBlock] = row[f];
    b.margins.push_back(make.number());
    b.wanted.push_back(booster.predict(row, b.margins.back()));
  }
  return b;
}

void expect_bits(const std::vector<float>& found, const std::vector<float>& wanted) {
  ASSERT_EQ(found.size(), wanted.size());
  for (size_t k = 0; k < found.size(); ++k) ASSERT_EQ(std::bit_cast<uint32_t>(found[k]), std::bit_cast<uint32_t>(wanted[k])) << k << ": " << found[k] << ", not " << wanted[k];
}

class TreeCodes : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(On, TreeCodes, testing::ValuesIn(all_targets()), target_label);

TEST_P(TreeCodes, NativeCodeAddsTheSameLeaves) {
  uint32_t seed = 0;
  for (const TreeShape& shape : {TreeShape{25, 6, 30, false}, {3, 8, 7, false}, {3, 4, 3, true}, {3, 0, 1, true}}) {
    Synthetic make(shape, ++seed);
    const Booster booster = make.booster();
    Blocks b = blocks_of(booster, make, shape.features, 5);
    for (const int64_t lanes : {4, 8, 16}) {
      TestTarget on = target(GetParam());
      on.vector_bytes = static_cast<int>(lanes) * 4;
      const Module module = tree_module("t", booster, shape.features, lanes);
      ASSERT_TRUE(verify(module));
      const Native native(module, on);
      std::vector<float> out(b.wanted.size());
      const int64_t count = static_cast<int64_t>(b.blocks);
      const void* inputs[] = {b.x.data(), b.margins.data()};
      void* outputs[] = {out.data()};
      ASSERT_EQ(native.run({inputs, outputs, nullptr, nullptr, &count, nullptr, nullptr}), 0);
      expect_bits(out, b.wanted);
      EXPECT_EQ(native.assembly.find("fmadd"), std::string::npos);
    }
  }
}

TEST(TreeLoops, EvaluateToTheSameSums) {
  const TreeShape shape{25, 6, 12, false};
  Synthetic make(shape, 5);
  const Booster booster = make.booster();
  const Blocks b = blocks_of(booster, make, shape.features, 3);
  for (const int64_t lanes : {4, 16}) {
    const Module module = tree_module("t", booster, shape.features, lanes);
    EXPECT_GT(module.kernels.size(), 1U);
    auto tensor = [](const std::vector<float>& values) {
      Tensor t{.type = DType::F32, .dims = {static_cast<int64_t>(values.size())}};
      t.f.assign(values.begin(), values.end());
      return t;
    };
    const std::vector<Tensor> inputs = {tensor(b.x), tensor(b.margins)};
    const auto outputs = evaluate_host(module, inputs, std::array{static_cast<int64_t>(b.blocks)}, {});
    ASSERT_TRUE(outputs) << outputs.error()[0].message;
    expect_bits(std::vector<float>(outputs->at(0).f.begin(), outputs->at(0).f.end()), b.wanted);
  }
}

TEST(TreeLoops, HaveBounds) {
  EXPECT_TRUE(fits_code(Synthetic({200, 6, 142, true}, 1).booster()));
  EXPECT_FALSE(fits_code(Synthetic({1, 11, 142, true}, 1).booster()));
  EXPECT_FALSE(fits_code(Synthetic({300, 6, 142, true}, 1).booster()));
}

}  // namespace
}  // namespace tenon
