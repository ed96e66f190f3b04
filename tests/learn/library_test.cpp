// The library's own predictions, bit by bit.
#include <gtest/gtest.h>
#include <xgboost/c_api.h>

#include <cmath>
#include <random>

#include "../../src/learn/import.h"

namespace tenon {
namespace {

TEST(Trees, PredictAsTheLibraryDoes) {
  constexpr size_t kRows = 500, kColumns = 6;
  std::mt19937 dice(1);
  std::vector<float> cells, labels, margins;
  for (size_t r = 0; r < kRows; ++r) {
    for (size_t c = 0; c < kColumns; ++c) cells.push_back(dice() % 11 == 0 ? NAN : static_cast<float>(dice() % 1000) / 100);
    labels.push_back(std::sin(std::isnan(cells[r * kColumns]) ? 1 : cells[r * kColumns]));
    margins.push_back(static_cast<float>(dice() % 100) / 10);
  }
  DMatrixHandle matrix = nullptr;
  ASSERT_EQ(XGDMatrixCreateFromMat(cells.data(), kRows, kColumns, NAN, &matrix), 0);
  XGDMatrixSetFloatInfo(matrix, "label", labels.data(), kRows);
  XGDMatrixSetFloatInfo(matrix, "base_margin", margins.data(), kRows);
  BoosterHandle handle = nullptr;
  ASSERT_EQ(XGBoosterCreate(&matrix, 1, &handle), 0);
  for (const auto& [name, value] : {std::pair("tree_method", "hist"), {"base_score", "0"}, {"max_depth", "6"}, {"nthread", "1"}, {"verbosity", "0"}}) XGBoosterSetParam(handle, name, value);
  for (int round = 0; round < 40; ++round) ASSERT_EQ(XGBoosterUpdateOneIter(handle, round, matrix), 0);
  bst_ulong length = 0;
  const char* text = nullptr;
  XGBoosterSaveModelToBuffer(handle, R"({"format": "json"})", &length, &text);
  const Booster booster = booster_of_json({text, length}, 40);
  const float* predicted = nullptr;
  ASSERT_EQ(XGBoosterPredict(handle, matrix, 1, 0, 0, &length, &predicted), 0);
  ASSERT_EQ(length, kRows);
  for (size_t r = 0; r < kRows; ++r) EXPECT_EQ(booster.predict(std::span(cells).subspan(r * kColumns, kColumns), margins[r]), predicted[r]) << r;
  XGBoosterFree(handle);
  XGDMatrixFree(matrix);
}

}  // namespace
}  // namespace tenon
