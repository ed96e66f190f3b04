// The models that policies are learnt from and compared on.
#pragma once

#include <memory>

#include "model_options.h"
#include "tenon/policy_trials.h"

namespace tenon::cli {

struct PolicyModels {
  std::vector<std::string> files;                 // MODEL rows: FILE, or FILE:N=1,S=128
  std::vector<std::string> measured;              // records of `evaluate-policy --measure`
  ModelArguments compile;                         // target, cost model, precision
};
// --target, --cost-model and what else decides what plans there are.
std::vector<Option> policy_model_rows(PolicyModels& arguments);

struct LoadedPolicyModels {
  std::vector<CompileOptions> options;
  std::vector<PreparedModel> models;              // not empty; all of one target
  std::vector<PolicyTask> tasks;                  // of `models`, whose graphs they point into

  PlanTimesOptions times() const;
};
Result<std::unique_ptr<LoadedPolicyModels>> load_policy_models(const PolicyModels& arguments, Console& console);

}  // namespace tenon::cli
