// What was decided against what comes next, measured: `tenon why --verify`. docs/learning.md.
#pragma once

#include "tenon/tune.h"

namespace tenon {

// A decision that has a runner-up with a prediction, and both as they were measured.
struct Counterfactual {
  std::string model;                        // its name
  Decision decision;
  bool measured = false;
  std::string failure;                      // why it is not
  std::string disturbed;                    // what changed on the machine meanwhile; empty: nothing
  double seconds = 0, runner_up_seconds = 0;  // of one of the regions; of a question, of all that change
  double ratio = 0, low = 0, high = 0;      // time with the runner-up / with what was chosen: the median over turns, and its 95 % interval

  double predicted() const { return decision.runner_up_seconds / decision.seconds; }
  bool agrees() const { return measured && (ratio > 1) == (predicted() > 1); }
  bool clear() const { return measured && (low > 1 || high < 1); }  // the interval tells which is faster
};

struct CounterfactualsOptions {
  std::vector<CompileOptions> models;       // with one target each, the same
  TuneOptions how;                          // to measure: runner, processor, threads, time-out, seed of the inputs; its model, budget and store do not count
  std::function<bool(const Decision&)> meant = {};  // which decisions; empty: all
  size_t draw = 0;                          // so many of those whose predicted margin is over max(5 %, 2 sigma), of all models; 0: all that are meant
  uint64_t seed = 0;                        // of the draw
  std::function<void(const std::string& model, int done, int all)> progress;
};

struct CounterfactualsReport {
  std::string target, cost_model;           // hash of its text; empty: none was asked
  size_t decisions = 0, over = 0;           // that were meant; with a predicted margin over max(5 %, 2 sigma)
  std::vector<Counterfactual> all;          // in the order of the models and of their decisions
  int measured = 0, signs = 0, disturbed = 0;  // signs: that agree
  int clear = 0, clear_signs = 0;           // whose interval tells which is faster; of these, that agree
  int times = 0, covered = 0;               // measured times that have a predicted 90 % interval; that lie in it
};

// The plan that the options' policy chooses is measured in turns with plans that have other answers: those that touch different regions together.
// A schedule is changed in all regions that compute the same. A question's answer is compared within the plan that rules make, as its prediction is.
// E0403, E0405, E0601: as compile. E0501: what was chosen does not run there. E0506, E0601: as tune.
Result<CounterfactualsReport> verify_counterfactuals(const CounterfactualsOptions& options);

// Of a ratio over turns: the median, and an interval that holds the true one with 95 %, by ranks. At least one.
struct MedianInterval {
  double median = 0, low = 0, high = 0;
};
MedianInterval median_interval(std::vector<double> values);

// `count` of `size`, each set as likely as another: the same for the same seed, whatever the library. In rising order.
std::vector<size_t> draw_of(size_t size, size_t count, uint64_t seed);

}  // namespace tenon
