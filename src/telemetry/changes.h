// What changed on a device: levels of residuals and canaries, and what follows from it.
#pragma once

#include <map>

#include "tenon/telemetry.h"

namespace tenon::telemetry {

// Gathers residuals per device and operator class.
class Residuals {
 public:
  // `hardware` of the record's device, `epoch` of device and compiler.
  void add(const Record& record, const std::string& op_class, const std::string& hardware, int epoch);
  std::vector<ClassRow> rows() const;

 private:
  struct Sample {
    int64_t at = 0;
    std::string uuid, workload;
    double residual = 0;
  };
  struct Class {
    int64_t records = 0, learnable = 0;
    std::vector<int> epochs;
    std::vector<int64_t> learnt_at;                       // timestamps of learnable records
    std::map<std::string, std::vector<Sample>> by_model;  // hash; empty: the prior
  };
  std::map<std::pair<std::string, std::string>, Class> classes_;
};

std::vector<CanaryDrift> canary_drift(const std::vector<Canary>& canaries, const std::map<std::string, std::string>& hardware_of_device);

// Sentences, from all that is known beside them.
std::vector<std::string> advice(const Stats& stats, const std::map<std::string, std::string>& names_of_hardware);

}  // namespace tenon::telemetry
