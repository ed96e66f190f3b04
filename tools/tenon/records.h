// JSON records, one line each: docs/schemas.md. With telemetry_records.cpp, evaluation_records.cpp and policy_records.cpp the only user of the JSON library.
#pragma once

#include <string>

#include "tenon/driver.h"
#include "tenon/learn.h"
#include "tenon/nearest.h"
#include "tenon/target.h"
#include "tenon/tune.h"

namespace tenon::cli {

std::string diagnostic_record(const Diag& diag, std::string_view target);
std::string explanation_record(Code code);
std::string target_record(const Target& target);
std::string operator_record(const std::string& name);
std::string artifact_record(const ArtifactSummary& artifact);
std::string failed_artifact_record(const BatchOutcome& batch, const std::string& target, const Diags& problems);
std::string check_record(const CheckReport& report);
std::string space_record(const SpaceReport& report);
// `near`: of each decision, where `why --store` asked for them.
std::string plan_record(const PlanReport& report, const std::vector<std::vector<NearRecord>>& near = {});
std::string features_record(const FeaturesReport& report);
std::string inspect_record(const InspectReport& report);
std::string tensor_record(const NamedTensor& tensor);
std::string verify_record(const VerifyReport& report);
std::string bench_record(const BenchReport& report, const std::optional<StoredBench>& stored = {});
std::string train_record(const TrainReport& report, const std::string& blake3);
std::string tune_record(const TuneReport& report);

}  // namespace tenon::cli
