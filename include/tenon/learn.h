// Growing a cost model from timings: docs/learning.md.
#pragma once

#include "tenon/trees.h"

namespace tenon {

// A schedule that was timed.
struct Timing {
  std::vector<float> features;
  double prior = 0, seconds = 0;  // by the roofline; measured: both positive
  double noise = 0;               // standard deviation of ln(seconds)
  int group = 0;                  // of timings that share workload, device and session
  bool rules = false;             // it is what rules choose
  int unit = -1;                  // of groups that are drawn together, never split between growing and judging; negative: each group by itself
  int source = -1;                // of units that are alike: the model's that they are of; negative: it is not known
};

struct GrowOptions {
  int boosters = 5, rounds = 400, depth = 8;
  double eta = 0.05, min_child_weight = 5, lambda = 2, sampled = 0.8;
  int patience = 40;    // rounds without a better error on the groups that were not drawn
  uint64_t seed = 0;
  int threads = 1;      // no bytes depend on it
  // Take from each group's times what all of them have in common, beyond what the boosters that did not see it say, and grow anew.
  bool group_offsets = false;
};

// Boosters that learn ln(seconds / prior), each from a draw of units with replacement, as long as the error on the units that were not drawn
// falls; and how far off they are there. Weights: fast schedules of a group count more, noisy timings less. As many `order` boosters from the groups
// that have what rules choose, where they are four and of two units. E0703: a timing that can be none, too
// few groups, or one unit only.
Result<CostModel> grow(const std::string& features_hash, const std::vector<std::string>& names, std::span<const Timing> timings, const GrowOptions& options = {});

// A schedule that was tried; `failed`: it was refused, crashed, took too long or was wrong.
struct Trial {
  std::vector<float> features;
  bool failed = false;
  int unit = 0;
};
// Gives the model boosters that say how probable a failure is. False: there are too few failures, or of too few units, and it stays as it is.
Result<bool> learn_failures(CostModel& model, std::span<const Trial> trials, const GrowOptions& options = {});

// E0703: the library that grows trees is not there. What takes long begins by asking.
Result<void> can_learn();

// The pooled model with a delta for a device of which it knows nothing else: a factor and small trees, the fewer the probes the weaker.
// E0703: fewer than kFewestProbes, or what grow refuses.
constexpr size_t kFewestProbes = 8;
Result<CostModel> adapt(const CostModel& pooled, std::span<const Timing> probes, const std::string& device, const GrowOptions& options = {});

// Which of the candidates to measure on a new device: spread evenly over operator classes, and in each over predicted times. In rising order.
struct ProbeCandidate {
  std::string op_class;
  double predicted = 0;  // anything that grows with the time
};
std::vector<size_t> choose_probes(std::span<const ProbeCandidate> candidates, size_t count);

// Which telemetry to learn from. A device or a compiler is named by the beginning of its id, or "all"; left out: there may be only one.
struct TrainOptions {
  std::vector<std::string> stores;
  std::string device, compiler;
  std::string without;  // a family of models (cost_model/families.toml) whose records, and those without a model's name, are left out; empty: none
  std::string epoch;  // of the device whose hardware begins with `device`: a number, "latest" or "all"; empty: there may be only one
  GrowOptions grow;
};
struct TrainReport {
  CostModel model;
  int64_t timings = 0, groups = 0;
  int64_t other_epochs = 0, other_features = 0;         // left out: records of the device's other epochs, and those of another extractor
  int64_t other_models = 0;                             // left out by TrainOptions::without
  int64_t failures = 0;                                 // trials that failed; model.failures is empty where they are too few
  std::vector<double> growth;                           // trees per booster
};
// E0701: a store cannot be used. E0703: none or several devices or compilers where one is meant; a family that is not known; too little to learn from.
Result<TrainReport> train(const TrainOptions& options);

}  // namespace tenon
