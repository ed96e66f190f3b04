// The packer against physical_offset, element by element.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <random>

#include "../../src/driver/pack.h"
#include "tenon/narrow_float.h"

namespace tenon {
namespace {

uint64_t element(const std::byte* bytes, int64_t index, int width) {
  uint64_t value = 0;
  if (width >= 8) std::memcpy(&value, bytes + index * width / 8, std::min<size_t>(8, static_cast<size_t>(width / 8)));
  else value = static_cast<uint64_t>(bytes[index * width / 8] >> (index * width % 8)) & ((1u << width) - 1);
  return value;
}

struct Case {
  const char* layout;
  std::vector<int64_t> dims;
  DType type = DType::F32;
  bool splat = false;
};

class Pack : public testing::TestWithParam<Case> {};

TEST_P(Pack, MatchesPhysicalOffset) {
  const Case& c = GetParam();
  ExprPool pool;
  std::vector<Expr> dims;
  for (int64_t d : c.dims) dims.push_back(pool.index(d));
  PackedConstant packed{.name = "w", .source = {}, .dims = c.dims, .layout = *parse_layout(c.layout)};
  const int64_t physical = *pool.as_int(physical_size(pool, packed.layout, dims));
  packed.bytes = byte_size(c.type, physical);

  std::vector<std::byte> source(static_cast<size_t>(byte_size(c.type, c.splat ? 1 : count(c.dims))));
  std::mt19937 random(7);
  for (std::byte& b : source) b = static_cast<std::byte>(random());
  Constant constant{.type = c.type, .dims = c.dims, .bytes = Bytes::copy_of(source), .splat = c.splat};
  std::vector<std::byte> out(static_cast<size_t>(packed.bytes));
  pack_constant(packed, constant, out);

  const int width = bits(c.type);
  std::vector<uint64_t> want(static_cast<size_t>(physical), 0);
  std::vector<int64_t> index(c.dims.size(), 0);
  for (int64_t flat = 0; flat < count(c.dims); ++flat) {
    std::vector<Expr> at;
    for (int64_t i : index) at.push_back(pool.index(i));
    int64_t offset = *pool.as_int(physical_offset(pool, packed.layout, dims, at));
    want[static_cast<size_t>(offset)] = element(source.data(), c.splat ? 0 : flat, width);
    for (size_t d = index.size(); d-- > 0 && ++index[d] == c.dims[d];) index[d] = 0;
  }
  for (int64_t k = 0; k < physical; ++k) ASSERT_EQ(element(out.data(), k, width), want[static_cast<size_t>(k)]) << k;
}

INSTANTIATE_TEST_SUITE_P(
    Layouts, Pack,
    testing::Values(Case{"", {3, 4, 5}}, Case{"", {}}, Case{"1.0", {37, 53}}, Case{"0.2.3.1", {3, 5, 7, 6}},
                    Case{"0/16.2.3.1.0%16", {37, 5, 3, 3}}, Case{"1/8.0.1%8", {19, 21}}, Case{"0/4.1/2.0%4.1%2", {9, 7}},
                    Case{"0/32.1.0/8%4.0%8", {45, 11}}, Case{"0%4.1.0/4", {10, 33}}, Case{"+h1:2,3", {4, 6}},
                    Case{"0/4.1.0%4+h0:3,2", {7, 5}}, Case{"1.0", {33, 70}, DType::I8}, Case{"1.0", {9, 20}, DType::F64},
                    Case{"1.0", {9, 20}, DType::F16}, Case{"1/8.0.1%8", {5, 19}, DType::I4},
                    Case{"", {5, 3}, DType::U2}, Case{"0/4.1.0%4", {6, 5}, DType::F32, true},
                    Case{"1.0", {0, 5}}));

// Every exponent, ties, and what lies beside the ends of either type.
TEST(PackRounded, IsNearest) {
  std::mt19937 random(5);
  std::vector<float> x = {0.0F, -0.0F, 65504.0F, 65519.0F, 65519.996F, 65520.0F, -65520.0F, 0x1p-14F, 0x1.ffep-15F, 0x1.fffp-15F, 0x1p-24F, 0x1p-25F, 0x1.000002p-25F,
                          0x1.8p-24F, 0x1p-126F, 0x1p-149F, 0x1.fep127F, 0x1.ffp127F, INFINITY, -INFINITY, NAN};
  for (int k = 0; k < 200000; ++k) x.push_back(std::bit_cast<float>(static_cast<uint32_t>(random())));
  for (int k = 0; k < 200000; ++k) x.push_back(std::ldexp(1 + static_cast<float>(random() % 4096) / 4096, static_cast<int>(random() % 44) - 27));
  const auto bytes = std::as_bytes(std::span(x));
  const Constant constant{.type = DType::F32, .dims = {static_cast<int64_t>(x.size())}, .bytes = Bytes::copy_of({bytes.begin(), bytes.end()})};
  for (DType type : {DType::F16, DType::BF16}) {
    PackedConstant packed{.name = "w", .source = {}, .dims = constant.dims, .layout = {}, .bytes = byte_size(type, constant.dims[0]), .rounded = type};
    std::vector<std::byte> out(static_cast<size_t>(packed.bytes));
    pack_constant(packed, constant, out);
    for (size_t k = 0; k < x.size(); ++k) {
      if (std::isnan(x[k])) continue;
      ASSERT_EQ(element(out.data(), static_cast<int64_t>(k), 16), float_bits(type, x[k])) << spelling(type) << " of " << x[k];
    }
    const uint64_t exponent = type == DType::F16 ? 0x7C00 : 0x7F80;
    EXPECT_GT(element(out.data(), 20, 16) & 0x7FFF, exponent);  // NaN
  }
}

// Transformed weights against the evaluator's packing, which transforms a whole tensor.
TEST(PackWinograd, MatchesTheEvaluators) {
  std::mt19937 random(3);
  std::uniform_real_distribution<float> weight(-1, 1);
  for (int64_t m : {2, 4})
    for (const char* layout : {"", "2.0/16.1.0%16", "2.1.0"})
      for (bool splat : {false, true}) {
        constexpr int64_t rows = 21, columns = 5;
        std::vector<float> w(splat ? 1 : rows * columns * 9);
        for (float& x : w) x = weight(random);
        const auto bytes = std::as_bytes(std::span(w));
        const Constant constant{.type = DType::F32, .dims = {rows, columns, 3, 3}, .bytes = Bytes::copy_of({bytes.begin(), bytes.end()}), .splat = splat};
        PackedConstant packed{.name = "w", .source = {}, .dims = {rows, columns, (m + 2) * (m + 2)}, .layout = *parse_layout(layout), .winograd = m};
        const Tensor want = pack(packed, tensor_of(constant));
        packed.bytes = byte_size(DType::F32, want.count());
        std::vector<std::byte> out(static_cast<size_t>(packed.bytes));
        pack_constant(packed, constant, out);
        const Tensor got = decode(DType::F32, {want.count()}, out.data(), out.size());
        ASSERT_EQ(got.f, want.f) << layout << " F(" << m << ",3)";
      }
}

}  // namespace
}  // namespace tenon
