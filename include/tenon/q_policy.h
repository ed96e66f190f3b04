// What an answer to the planner's question is worth, learnt: Q of reinforcement learning. docs/learning.md, docs/decisions/0028; grown by src/learn/fitted_q.cpp.
#pragma once

#include <span>

#include "tenon/beam.h"

namespace tenon {

struct QFeatureInfo {
  std::string_view name, meaning;
};
std::span<const QFeatureInfo> q_feature_table();
// Of the table and of the kinds of decisions, in hex: numbers of another hash mean something else.
std::string q_features_hash();

// Of an answer to asked[question] in that plan: as many as the table has rows; NaN: it does not apply.
std::vector<float> q_features(const PlanTimes& times, const TimedPlan& plan, size_t question, size_t answer);

// Trees of several draws. A file of it is a cost model's text with these features, so that neither is taken for the other.
struct QModel {
  std::vector<std::string> provenance;
  std::vector<Booster> boosters;
  bool operator==(const QModel&) const = default;

  // ln(seconds now / seconds in the end) that this answer leads to, as far as its own regions go: the least of what the boosters say.
  double value(std::span<const float> features) const;
};
std::string print(const QModel& model);
// E0703: no such text, or learnt with other features.
Result<QModel> parse_q_model(std::string_view text);

// Of the questions after `question`, the first that is about a region that this one is about: where what was decided is decided further. Past the end: none.
size_t next_near(const PlanTimes& times, const TimedPlan& plan, size_t question);
// Value of the best answer to asked[question]; past the end: 0.
double best_value(const PlanTimes& times, const TimedPlan& plan, size_t question, const QModel& model);

// The beam's walk, led by what is learnt: what promises most is tried, and what plans lead to counts. `model` and `times` are kept by reference.
Walk q_walk(PlanTimes& times, const QModel& model);

}  // namespace tenon
