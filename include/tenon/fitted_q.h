// Reinforcement learning of answers to the planner's questions: fitted Q-iteration on boosted trees. docs/learning.md, docs/decisions/0028.
#pragma once

#include "tenon/learn.h"
#include "tenon/q_policy.h"

namespace tenon {

// A whole plan that was measured: the answers that are not the rules', and its time / the time of the rules' plan.
struct MeasuredPlan {
  Answers answers;
  double ratio = 1;
};

struct PolicyTask {
  std::string name;                    // of the model
  const Graph* graph = nullptr;        // after the graph passes
  std::vector<MeasuredPlan> measured;
};

struct FittedQOptions {
  int sweeps = 4;                      // fits, each one's targets from the one before; that many decisions ahead are seen
  int64_t budget = 192;                // plans per model that are evaluated before the first fit, and after each but the last
  int width = 4;                       // of the beam before the first fit
  double explore = 0.15;               // share of answers of a rollout that are drawn
  double discount = 0.7;               // of what the next decision about the same regions gains
  GrowOptions grow = {.boosters = 2, .rounds = 200, .depth = 6, .eta = 0.1, .min_child_weight = 2, .lambda = 1, .sampled = 0.8, .patience = 20};
  std::function<void(const std::string& what, int done, int total)> progress = {};
};

struct FittedQReport {
  QModel model;
  int64_t answers = 0;                 // that were tried, and learnt from
  int64_t evaluations = 0;             // plans
  std::vector<double> trees;           // per booster of the last fit
};
// An episode is the planner's walk through one model. An answer's reward is ln(seconds before / seconds after) of the whole plan, as predicted: along the walk they add up to the gain
// of the plan. Where the plan was measured, the last answer that differs from the rules' gets what is missing to the measured gain. The first data are the rules' answers, with
// all others a little worse, and what a plain beam tries. The same bytes for the same tasks, whatever the threads. E0703: fewer than two tasks, XGBoost.
Result<FittedQReport> fitted_q(std::span<const PolicyTask> tasks, const Target& target, const PlanTimesOptions& times, const FittedQOptions& options = {});

}  // namespace tenon
