// The library's own predictions, bit by bit, by trees as data and as native code; and its contributions.
#include <xgboost/c_api.h>

#include <cmath>
#include <random>

#include "../../src/learn/import.h"
#include "../llvm/harness.h"
#include "tenon/contributions.h"
#include "tenon/tree_code.h"

namespace tenon {
namespace {

constexpr size_t kRows = 512, kColumns = 6;
constexpr int kRounds = 40;

// A booster that the library grew, and what it says of the rows that it grew from.
class Library : public testing::Test {
 protected:
  void SetUp() override {
    std::mt19937 dice(1);
    std::vector<float> labels;
    for (size_t r = 0; r < kRows; ++r) {
      for (size_t c = 0; c < kColumns; ++c) cells_.push_back(dice() % 11 == 0 ? NAN : static_cast<float>(dice() % 1000) / 100);
      labels.push_back(std::sin(std::isnan(cells_[r * kColumns]) ? 1 : cells_[r * kColumns]) + (cells_[r * kColumns + 1] > 5 ? 1.0F : 0.0F));
      margins_.push_back(static_cast<float>(dice() % 100) / 10);
    }
    ASSERT_EQ(XGDMatrixCreateFromMat(cells_.data(), kRows, kColumns, NAN, &matrix_), 0);
    XGDMatrixSetFloatInfo(matrix_, "label", labels.data(), kRows);
    XGDMatrixSetFloatInfo(matrix_, "base_margin", margins_.data(), kRows);
    ASSERT_EQ(XGBoosterCreate(&matrix_, 1, &handle_), 0);
    for (const auto& [name, value] : {std::pair("tree_method", "hist"), {"base_score", "0"}, {"max_depth", "6"}, {"nthread", "1"}, {"verbosity", "0"}}) XGBoosterSetParam(handle_, name, value);
    for (int round = 0; round < kRounds; ++round) ASSERT_EQ(XGBoosterUpdateOneIter(handle_, round, matrix_), 0);
    bst_ulong length = 0;
    const char* text = nullptr;
    XGBoosterSaveModelToBuffer(handle_, R"({"format": "json"})", &length, &text);
    booster_ = booster_of_json({text, length}, kRounds);
  }
  void TearDown() override {
    if (handle_) XGBoosterFree(handle_);
    if (matrix_) XGDMatrixFree(matrix_);
  }

  std::vector<float> says(int what) {
    bst_ulong length = 0;
    const float* numbers = nullptr;
    EXPECT_EQ(XGBoosterPredict(handle_, matrix_, what, 0, 0, &length, &numbers), 0);
    return {numbers, numbers + length};
  }
  std::vector<float> margins() { return says(1); }
  std::vector<float> contributions_of_rows() { return says(4); }
  std::span<const float> row(size_t r) const { return std::span(cells_).subspan(r * kColumns, kColumns); }

  DMatrixHandle matrix_ = nullptr;
  BoosterHandle handle_ = nullptr;
  std::vector<float> cells_, margins_;
  Booster booster_;
};

TEST_F(Library, PredictsAsTheTreesDo) {
  const std::vector<float> predicted = margins();
  ASSERT_EQ(predicted.size(), kRows);
  for (size_t r = 0; r < kRows; ++r) EXPECT_EQ(booster_.predict(row(r), margins_[r]), predicted[r]) << r;
}

TEST_F(Library, PredictsAsNativeCodeDoes) {
  const std::vector<float> predicted = margins();
  std::vector<float> x(cells_.size());
  for (size_t r = 0; r < kRows; ++r)
    for (size_t c = 0; c < kColumns; ++c) x[(r / kTreeBlock * kColumns + c) * kTreeBlock + r % kTreeBlock] = row(r)[c];
  for (const std::string& level : host_targets()) {
    const TestTarget on = target(level);
    const Native native(tree_module("t", booster_, kColumns, std::min<int64_t>(on.vector_bytes / 4, kTreeBlock)), on, {});
    std::vector<float> out(kRows);
    const int64_t blocks = kRows / kTreeBlock;
    const void* inputs[] = {x.data(), margins_.data()};
    void* outputs[] = {out.data()};
    ASSERT_EQ(native.run({inputs, outputs, nullptr, nullptr, &blocks, nullptr, nullptr}), 0);
    EXPECT_EQ(out, predicted) << level;
  }
}

// The library works in float. The weights of a path of D steps are rounded some 3 D times, and an error grows to at most 2^D times its size where
// a feature leaves the path: 7e-5 of a tree's largest leaf for D = 6 if all errors had one sign. Errors of either sign grow by the root of
// that factor, 9e-6. T trees that are added in float round by no more than T 2^-24 of their sum, 3e-6, and mostly by the root of T times 2^-24.
TEST_F(Library, ExplainsAsTheTreesDo) {
  const std::vector<float> said = contributions_of_rows();
  ASSERT_EQ(said.size(), kRows * (kColumns + 1));
  double leaves = 0;
  for (size_t t = 0; t < booster_.roots.size(); ++t) {
    const size_t end = t + 1 < booster_.roots.size() ? static_cast<size_t>(booster_.roots[t + 1]) : booster_.nodes.size();
    double most = 0;
    for (size_t k = static_cast<size_t>(booster_.roots[t]); k < end; ++k)
      if (booster_.nodes[k].feature < 0) most = std::max(most, std::abs(static_cast<double>(booster_.nodes[k].value)));
    leaves += most;
  }
  double worst = 0;
  for (size_t r = 0; r < kRows; ++r) {
    const std::vector<double> found = contributions(booster_, kColumns, row(r));
    for (size_t c = 0; c <= kColumns; ++c) {
      const double margin = c == kColumns ? static_cast<double>(margins_[r]) : 0.0, wanted = said[r * (kColumns + 1) + c];
      worst = std::max(worst, std::abs(found[c] + margin - wanted));
      EXPECT_NEAR(found[c] + margin, wanted, 1e-5 * (leaves + margin)) << r << ", " << c;
    }
  }
  RecordProperty("worst_of_leaves", std::to_string(worst / leaves));
}

TEST_F(Library, CoversAreThoseOfTheLibrary) {
  for (const int32_t root : booster_.roots) EXPECT_EQ(booster_.nodes[static_cast<size_t>(root)].cover, static_cast<float>(kRows));
  CostModel model{.features = "h", .names = std::vector<std::string>(kColumns, "f"), .provenance = {}, .boosters = {booster_}};
  EXPECT_TRUE(parse_cost_model(print(model)));  // a node's is its children's
}

}  // namespace
}  // namespace tenon
