// Telemetry as learning sees it.
#pragma once

#include <map>
#include <set>

#include "tenon/learn.h"
#include "tenon/telemetry.h"

namespace tenon {

// A record that has features and a prior.
struct Sample {
  Timing timing;                 // `seconds`: 0 where none is known that can be learnt from
  telemetry::Status status{};
  std::string op_class, model;   // model: empty where the record has no name
  std::string device, session;
  int64_t timestamp = 0;         // microseconds since 1970

  bool timed() const { return status == telemetry::Status::Ok; }
  bool failed() const { return !timed() && status != telemetry::Status::Disturbed; }
};

struct Samples {
  std::vector<Sample> all;                              // by their records' ids: the order of stores does not matter
  std::map<std::string, telemetry::Device> devices;     // by fingerprint, all that the stores have
  std::string hash;                                     // of what was read
  int64_t other_epochs = 0, other_features = 0;         // records of the device's other epochs and of another extractor, left out
};

// E0701: a store cannot be used. E0703: none or several devices or compilers where one is meant.
Result<Samples> read_samples(const TrainOptions& options);

// The one id that begins so; all of them for "all"; the only one for "". E0703, with `what` they are ids of.
Result<std::vector<std::string>> choose_ids(const std::string& wanted, const std::set<std::string>& ids, const std::string& what);
std::string class_of(const std::string& workload);  // the operator class that a record's workload names; empty: none

// What `train` does with some of them; groups and units as they are.
std::vector<Timing> timings_of(std::span<const Sample* const> samples);
std::vector<Trial> trials_of(std::span<const Sample* const> samples);

}  // namespace tenon
