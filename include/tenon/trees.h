// Boosted regression trees as plain data, and the cost model that is made of them. Grown by src/learn; nothing here needs a library.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tenon/result.h"

namespace tenon {

struct TreeNode {
  int32_t feature = -1;     // -1: a leaf
  float value = 0;          // of a leaf; else x[feature] < value goes left
  int32_t left = 0, right = 0;  // indices into Booster::nodes
  bool missing_left = false;    // where NaN goes
  float cover = 1;              // weight of the timings that came here while growing: of a node, what its children have
  bool operator==(const TreeNode&) const = default;
};

struct Booster {
  std::vector<TreeNode> nodes;  // of all trees, each from its root on
  std::vector<int32_t> roots;   // in the order in which leaves are added
  bool operator==(const Booster&) const = default;

  // margin + the leaves of all trees, added in float in their order, as XGBoost does.
  float predict(std::span<const float> x, float margin) const;
};

// ln(seconds) of a region's schedule: the roofline prior's logarithm and what trees add to it.
struct CostModel {
  std::string features;            // hash of the extractor (features_hash())
  std::vector<std::string> names;  // of the features
  std::vector<std::string> provenance;  // a line each: hash of the telemetry, rows, parameters
  std::vector<Booster> boosters;   // grown from different draws of the same telemetry
  bool operator==(const CostModel&) const = default;
};

// Of the boosters' predictions: mean and standard deviation, of ln(seconds).
struct Prediction {
  double mean = 0, sigma = 0;
};
Prediction predict(const CostModel& model, std::span<const float> x, double prior_seconds);

// Text, the same bytes for the same model; floats as their bits.
std::string print(const CostModel& model);
// E0703: no such text, or trees that point outside.
Result<CostModel> parse_cost_model(std::string_view text);

}  // namespace tenon
