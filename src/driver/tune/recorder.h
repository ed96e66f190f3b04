// Timings of a search in the telemetry store, and those of earlier searches out of it.
#pragma once

#include "tenon/judge.h"
#include "canaries.h"
#include "measure.h"
#include "tenon/telemetry.h"

namespace tenon {

// One schedule of a group, as it was measured.
struct Entry {
  const RegionGroup* group = nullptr;
  const Plan* plan = nullptr;       // of which the group's regions are
  Tiles tiles;
  Outcome outcome = Outcome::Ok;
  bool rules = false;               // it is what rules choose
  bool unclear = false;             // its time is not known, which is no fault of the schedule
  std::string message;
  std::vector<double> seconds;      // of one call of one region, per run
  double ratio = NAN;               // paired_ratio
  double before = 0, after = 0;     // of the base's run, in the first half of the runs and in the second
  double canary_before = NAN, canary_after = NAN;  // of a job, seconds: Measured
  int64_t switches = -1;
  std::string disturbed;            // what changed on the machine meanwhile; empty: nothing, as far as was seen
  double compile_ms = 0;
  std::vector<float> features;
  double prior = 0;
};

// Of the regions, their sums: those that both artifacts have by that name, or all of the candidate's where `also_new`.
RegionTime total(const Plan& plan, const std::vector<size_t>& regions, const Measured& m, bool also_new = false);
// Their time / the base's in the regions of those names: the median over turns. NaN: one has none.
double paired_ratio(const Plan& plan, const std::vector<size_t>& regions, const Measured& m);
// What the store gets of a schedule that ran in these regions of the group: seconds of one call of one region; where it ran in some only, as it would
// take in the mean of all, by the base's times. `new_cut`: the base has no such regions.
Entry entry_of(const RegionGroup& group, const Plan& plan, const Judge& judge, const Tiles& tiles, const std::vector<size_t>& regions, const Measured& m, bool new_cut = false);

// What candidates ran on: this machine, or what a job's device says of itself beside what the target file does.
telemetry::Device device_of_session(const Target& target, const std::optional<DeviceSaid>& said);
// The last of a region's operators that is not elementwise, or its first where all are: what timings are classed by.
std::string heaviest_op(const Graph& graph, const RegionPlan& region);

// A schedule that the store knows, with its time as a share of that of rules in the same session.
struct Known {
  Tiles tiles;
  double ratio = 1;                 // infinite: it could not be measured
};

class Recorder {
 public:
  // `decided_by`: who chose the schedules that are not those of rules. E0701: the store cannot be used.
  Result<void> open(const TuneOptions& options, const Lowered& model, telemetry::Source source = telemetry::Source::Tune, const std::string& decided_by = "search");
  // What comes now, and what is known, is of that device and not of this one. Before the first of either. What an emulator measured is without
  // features: nothing learns from it.
  void measured_on(const DeviceSaid& device, const std::string& runner);
  bool is_open() const { return store_.has_value(); }

  // One transaction: what it returns for is on the disk.
  Result<void> add(std::span<const Entry> entries);
  Result<void> add(const CanarySet& set, std::span<const std::string> names);
  // Of this device and this build of the compiler, in the order in which they were measured.
  Result<std::vector<Known>> known(const RegionGroup& group, const Tiles& rules);

 private:
  std::string workload_json(const RegionGroup& group, const Plan& plan) const;

  std::optional<telemetry::Store> store_;
  const Lowered* model_ = nullptr;
  telemetry::Origins origins_;
  std::string device_;
  std::string name_;                // of the model, where it is asked for
  bool emulated_ = false;
};

}  // namespace tenon
