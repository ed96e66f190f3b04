// Reinforcement learning against plain beam search, at equal budgets, on families of models that learning never saw. docs/learning.md.
#pragma once

#include <optional>

#include "tenon/fitted_q.h"

namespace tenon {

struct TrialOptions {
  std::vector<int64_t> budgets = {32, 128};  // plans that each search evaluates
  int width = 4;
  int seeds = 1;                             // trainings of each, from learn.grow.seed on
  FittedQOptions learn;
  // Measured time of the plan of tasks[model] that the answers make / that of the rules'; empty: nothing is measured.
  std::function<Result<double>(size_t model, const Answers& answers)> measure = {};
  std::function<void(const std::string& what, int done, int total)> progress = {};
};

// What one search found.
struct Found {
  Answers answers;
  double seconds = 0;                        // predicted, of the whole model
  int64_t evaluations = 0;
  std::optional<double> measured;            // time / the rules'
};

struct PolicyTrial {
  std::string model, family;
  int64_t budget = 0;
  uint64_t seed = 0;                         // of what rl was led by
  double rules_seconds = 0;                  // predicted
  Found beam, rl;
};

// Geometric mean over models, and its 95 % interval over a thousand draws of models with replacement.
struct Gain {
  double value = 1, low = 1, high = 1;
};
struct TrialFigures {
  int64_t budget = 0;
  size_t models = 0;
  Gain beam, rl, rl_over_beam;               // predicted: rules' time / beam's, rules' / rl's, beam's / rl's
  std::optional<Gain> measured_beam, measured_rl, measured_rl_over_beam;
};

struct TrialsReport {
  std::vector<PolicyTrial> trials;           // by family, model, seed and budget
  std::vector<TrialFigures> figures;         // by budget
  std::vector<std::string> skipped;          // families, and why
  // The rule of docs/decisions/0028: by the geometric mean at every budget, measured where there are measurements.
  static constexpr double kLeastGain = 1.03;
  bool joins_hybrid() const;
};
// Models of no family are one each. E0703: no family leaves two others' models to learn from.
Result<TrialsReport> policy_trials(std::span<const PolicyTask> tasks, const Target& target, const PlanTimesOptions& times, const TrialOptions& options);

}  // namespace tenon
