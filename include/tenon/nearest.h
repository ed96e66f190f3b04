// Measured schedules that are like one that was chosen: what `tenon why --store` shows. docs/learning.md.
#pragma once

#include <span>

#include "tenon/telemetry.h"

namespace tenon {

struct NearRecord {
  std::string schedule, op_class;  // "rows=14 vectors=2 |"
  std::string workload;            // its hash
  std::string model;               // its name; empty: the store has none
  double seconds = 0;              // measured, the median
  double distance = 0;             // root mean square over the features, in standard deviations of the store's records
  int64_t timestamp = 0;           // microseconds since 1970
};

struct NearestOptions {
  std::string store;
  std::string device, compiler;    // beginnings of ids, or "all"; empty: there may be only one
};

// Records of a device that are right, and have features of this build's extractor.
class NearestRecords {
 public:
  // E0701: the store cannot be used. E0703: none or several devices or compilers where one is meant.
  static Result<NearestRecords> open(const NearestOptions& options);
  size_t size() const { return records_.size(); }
  // The nearest first; of the same schedule of the same workload the latest only. A feature that only one of both has counts as one standard deviation.
  std::vector<NearRecord> of(std::span<const float> features, size_t count) const;

 private:
  struct Row {
    NearRecord record;
    std::vector<float> features;
  };
  std::vector<Row> records_;
  std::vector<double> sigma_;      // per feature
};

}  // namespace tenon
