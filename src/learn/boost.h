// One booster of XGBoost: rows in, plain trees out.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tenon/learn.h"

namespace tenon {

// Rows to grow from or to judge by.
struct Table {
  std::vector<float> cells;                     // of all rows, one after the other; NaN: missing
  std::vector<float> labels, margins, weights;  // of each row; `margins`: what the trees start from

  size_t size() const { return labels.size(); }
  void add(std::span<const float> row, double label, double margin, double weight) {
    cells.insert(cells.end(), row.begin(), row.end());
    labels.push_back(static_cast<float>(label)), margins.push_back(static_cast<float>(margin)), weights.push_back(static_cast<float>(weight));
  }
};

enum class Objective : uint8_t { Squares, Logistic };  // labels: any number; 0 or 1, margins in ln odds

// As many rounds as make the error on `judging` least, and no more than `options.patience` in vain. E0703.
Result<Booster> boost(const Table& growing, const Table& judging, Objective objective, const GrowOptions& options, uint64_t seed);

}  // namespace tenon
