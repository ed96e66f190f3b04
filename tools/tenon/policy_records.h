// Records of policies that were learnt and compared: docs/schemas.md.
#pragma once

#include <string>

#include "tenon/policy_trials.h"

namespace tenon::cli {

std::string train_policy_record(const FittedQReport& report, const std::string& blake3);
std::string policy_trials_record(const TrialsReport& report, const std::string& target, const std::string& predicted_by);

// Adds what records of `evaluate-policy --measure` say of the tasks' models, each plan once. E0505: no such file. E0703: no such records, or of another target.
Result<void> read_measured_plans(const std::string& file, const std::string& target, std::vector<PolicyTask>& tasks);

}  // namespace tenon::cli
