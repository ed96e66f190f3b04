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

// How far measured times lie from predicted ones where the boosters saw nothing of a workload: |ln t - mean| <= scale * hypot(sigma, floor)
// holds for kCoverage of the schedules of an unseen workload. src/learn/calibrate.cpp derives it.
constexpr double kCoverage = 0.9;
struct Calibration {
  double floor = 0;     // standard deviation of ln(seconds) that the boosters' spread does not show
  double scale = 0;     // 0: not known
  int64_t units = 0;    // workloads that it was taken from
  bool operator==(const Calibration&) const = default;
};

// What a device adds to the pooled model: learnt from few probes of it.
struct Delta {
  std::string device;              // its fingerprint
  int64_t probes = 0;
  double offset = 0;               // of ln(seconds)
  std::vector<Booster> boosters;   // that start from the pooled mean + offset
  Calibration calibration;
  bool operator==(const Delta&) const = default;
};

// ln(seconds) of a region's schedule: the roofline prior's logarithm and what trees add to it.
struct CostModel {
  std::string features;            // hash of the extractor (features_hash())
  std::vector<std::string> names;  // of the features
  std::vector<std::string> provenance;  // a line each: hash of the telemetry, rows, parameters
  std::vector<Booster> boosters;   // grown from different draws of the same telemetry
  std::vector<Booster> order;      // of ln(seconds / what rules choose takes), see order_row; as many, or none: `boosters` say that, too
  // Which features say what a device can do, and what they were of the devices that it learnt from; none: it does not say.
  std::vector<int32_t> device_features;
  std::vector<std::vector<float>> devices;
  Calibration calibration;
  double failure_margin = 0;       // ln odds of a failure that `failures` start from
  std::vector<Booster> failures;   // of ln odds that a schedule is refused, crashes, takes too long or is wrong; none: too few did
  std::vector<Delta> deltas;       // by device, in the order of fingerprints
  bool operator==(const CostModel&) const = default;
};

// Of the boosters' predictions: mean and standard deviation, of ln(seconds).
struct Prediction {
  double mean = 0, sigma = 0;
};
// `device`: a fingerprint, whose delta counts where the model has one.
Prediction predict(const CostModel& model, std::span<const float> x, double prior_seconds, std::string_view device = {});

// A schedule of a region: of the same region the one that others are compared with, what rules choose.
struct Scheduled {
  std::span<const float> features;
  double prior = 0;                // seconds
};
// What order boosters see: features, their differences from rules', ln(prior / rules'); and half of that, which they start from
// (docs/decisions/0029).
constexpr size_t order_width(size_t features) { return 2 * features + 1; }
void order_row(std::span<const float> x, double prior, const Scheduled& rules, std::span<float> row);
float order_margin(double prior, const Scheduled& rules);
// ln(seconds / rules'), by the order boosters, else the others: 0 of rules' itself.
Prediction relative(const CostModel& model, std::span<const float> x, double prior, const Scheduled& rules);
// Whether one that is predicted to take exp(-gain) of another's time is to be believed: the boosters agree, and take nothing back of what the prior says that
// it gains, ln(the other's prior / its own): where they do, the prior is wrong about one of both, and nobody knows by how much.
bool is_sure(const Prediction& gain, double prior_gain);
// Whether so many boosters can be sure where one of them says this.
bool may_be_sure(double gain_of_one, size_t boosters);

// Whether it learnt from a device like the one of these features: none of them lies further from one device's than 0.15, a tenth where they are log2.
// A model that does not say what it learnt from is taken to know all.
bool knows_device(const CostModel& model, std::span<const float> x);
// Adds the device of these features, unless it is known by the same numbers.
void add_device(CostModel& model, std::span<const float> x);

// Of the order boosters, or, where there are none, the others: the first, where it has no more nodes than 200 trees of depth 6; else its first 200 trees, cut at depth 6: where a tree is cut, a leaf has
// the mean of those below, by their covers. Ranks many candidates where all boosters would take too long. None: the model has none.
Booster draft_booster(const CostModel& model);

// Between which seconds a schedule's time lies with probability kCoverage. Where the model is not calibrated: anywhere.
struct Interval {
  double low = 0, high = 0;
};
Interval interval(const CostModel& model, const Prediction& prediction, std::string_view device = {});

// Probability that the schedule cannot be used; 0 where the model knows nothing of that.
double failure_probability(const CostModel& model, std::span<const float> x);

// Text, the same bytes for the same model; floats as their bits.
std::string print(const CostModel& model);
// E0703: no such text, or trees that point outside.
Result<CostModel> parse_cost_model(std::string_view text);

}  // namespace tenon
