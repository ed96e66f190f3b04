// What several boosters say, as one prediction.
#pragma once

#include <algorithm>
#include <cmath>
#include <span>

#include "tenon/trees.h"

namespace tenon {

// Mean and standard deviation of say(booster). No boosters: `none`, of which nothing is unsure.
template <class Say>
Prediction spread(std::span<const Booster> boosters, double none, Say say) {
  if (boosters.empty()) return {.mean = none};
  double sum = 0, squares = 0;
  const auto n = static_cast<double>(boosters.size());
  for (const Booster& booster : boosters) {
    const double y = say(booster);
    sum += y, squares += y * y;
  }
  const double mean = sum / n;
  return {.mean = mean, .sigma = std::sqrt(std::max(0.0, squares / n - mean * mean))};
}

}  // namespace tenon
