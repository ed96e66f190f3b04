// Growing a cost model from timings: docs/learning.md.
#pragma once

#include "tenon/trees.h"

namespace tenon {

// A schedule that was timed.
struct Timing {
  std::vector<float> features;
  double prior = 0, seconds = 0;  // by the roofline; measured: both positive
  double noise = 0;               // standard deviation of ln(seconds)
  int group = 0;                  // of timings that share workload, device and session: drawn together, never split between growing and judging
};

struct GrowOptions {
  int boosters = 5, rounds = 400, depth = 8;
  double eta = 0.05, min_child_weight = 5, lambda = 2, sampled = 0.8;
  int patience = 40;    // rounds without a better error on the groups that were not drawn
  uint64_t seed = 0;
  int threads = 1;      // no bytes depend on it
};

// Boosters that learn ln(seconds / prior), each from a draw of groups with replacement, as long as the error on the groups that were not drawn
// falls. Weights: fast schedules of a group count more, noisy timings less. E0703: a timing that can be none, or too few groups.
Result<CostModel> grow(const std::string& features_hash, const std::vector<std::string>& names, std::span<const Timing> timings, const GrowOptions& options = {});

// Which telemetry to learn from. A device or a compiler is named by the beginning of its id, or "all"; left out: there may be only one.
struct TrainOptions {
  std::vector<std::string> stores;
  std::string device, compiler;
  std::string epoch;  // of the device whose hardware begins with `device`: a number, "latest" or "all"; empty: there may be only one
  GrowOptions grow;
};
struct TrainReport {
  CostModel model;
  int64_t timings = 0, groups = 0;
  int64_t other_epochs = 0, other_features = 0;         // left out: records of the device's other epochs, and those of another extractor
  std::vector<double> growth;                           // trees per booster
};
// E0701: a store cannot be used. E0703: none or several devices or compilers where one is meant; too little to learn from.
Result<TrainReport> train(const TrainOptions& options);

}  // namespace tenon
