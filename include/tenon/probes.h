// A few schedules of some models' regions, timed on a device: what a cost model adapts to it by. docs/learning.md.
#pragma once

#include <memory>

#include "tenon/trees.h"
#include "tenon/tune.h"

namespace tenon {

// A schedule that could be timed.
struct Probe {
  std::string model, region, workload;  // names; hash of what the region computes
  std::string op_class;                 // its heaviest operator
  std::string schedule;                 // "rows=14 vectors=2 |"
  std::vector<float> features;
  double prior = 0;                     // seconds by the roofline
};

struct ProbeTime {
  double seconds = 0;                   // of one call, the median; 0: it could not be measured
  double noise = 0;                     // standard deviation of ln(seconds)
  std::string failure;                  // why it could not
};

struct ProbesOptions {
  std::vector<CompileOptions> models;   // with one target each, the same
  TuneOptions how;                      // to measure: runner, processor, threads, time-out, store; its model and its budget do not count
  int draws = 16;                       // schedules of each kind of region, beside the one that rules choose
  std::function<void(int done, int all)> progress;
};

class ProbeSet {
 public:
  // What rules choose for each kind of region of the models, and draws from its space. A kind that several models have counts once.
  // E0403, E0405, E0601: as compile.
  static Result<ProbeSet> of(const ProbesOptions& options);
  ProbeSet(ProbeSet&&) noexcept;
  ~ProbeSet();

  const std::string& target() const;  // its name
  const std::vector<Probe>& all() const;
  // Times those, of a model as many together as are of different kinds of regions, in turns with what rules choose. E0501: what rules choose does not
  // run there. E0506, E0601: as tune.
  Result<std::vector<ProbeTime>> measure(std::span<const size_t> chosen);
  // Fingerprint of the device that they ran on; known once something was measured.
  const std::string& device() const;

 private:
  struct State;
  explicit ProbeSet(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace tenon
