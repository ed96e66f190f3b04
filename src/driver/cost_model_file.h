// Models that --cost-model and --q-model name.
#pragma once

#include <string>

#include "tenon/q_policy.h"
#include "tenon/trees.h"

namespace tenon {

// E0601: no such file. E0703: it is no cost model, or one that was learnt with other features than this build computes. The file is named in both.
Result<CostModel> read_cost_model(const std::string& path);
// The same of a model of the planner's answers.
Result<QModel> read_q_model(const std::string& path);

}  // namespace tenon
