#include "tenon/q_policy.h"

#include <algorithm>
#include <cmath>

namespace tenon {

namespace {

std::vector<std::string> names() {
  std::vector<std::string> all;
  for (const QFeatureInfo& f : q_feature_table()) all.emplace_back(f.name);
  return all;
}

}  // namespace

double QModel::value(std::span<const float> features) const {
  double least = INFINITY;
  for (const Booster& booster : boosters) least = std::min<double>(least, booster.predict(features, 0));
  return boosters.empty() ? 0 : least;
}

std::string print(const QModel& model) {
  return print(CostModel{.features = q_features_hash(), .names = names(), .provenance = model.provenance, .boosters = model.boosters, .order = {}, .calibration = {}, .failures = {}, .deltas = {}});
}

Result<QModel> parse_q_model(std::string_view text) {
  TENON_TRY(CostModel read, parse_cost_model(text));
  if (read.features != q_features_hash() || read.names != names())
    return fail(Code::E0703, "it does not judge answers of the planner as this build asks for them", "tenon train-policy makes such files");
  if (read.boosters.empty()) return fail(Code::E0703, "it has no boosters", "tenon train-policy makes such files");
  return QModel{.provenance = std::move(read.provenance), .boosters = std::move(read.boosters)};
}

size_t next_near(const PlanTimes& times, const TimedPlan& plan, size_t question) {
  const std::vector<Asked>& asked = plan.decided.asked;
  const std::vector<size_t> about = times.regions_about(plan, asked[question]);
  for (size_t q = question + 1; q < asked.size(); ++q)
    if (may_change(asked[q]) && std::ranges::any_of(times.regions_about(plan, asked[q]), [&](size_t r) { return std::ranges::count(about, r) > 0; })) return q;
  return asked.size();
}

double best_value(const PlanTimes& times, const TimedPlan& plan, size_t question, const QModel& model) {
  if (question >= plan.decided.asked.size()) return 0;
  double best = -INFINITY;
  for (size_t a = 0; a < plan.decided.asked[question].answers.size(); ++a) best = std::max(best, model.value(q_features(times, plan, question, a)));
  return best;
}

Walk q_walk(PlanTimes& times, const QModel& model) {
  Walk walk = plain_walk(times);
  walk.promise = [&](const TimedPlan& plan, size_t question, size_t answer) {
    return model.value(q_features(times, plan, question, answer)) - model.value(q_features(times, plan, question, plan.decided.asked[question].chosen));
  };
  // What may follow where this was decided, beyond what might follow as well had it not been.
  walk.hope = [&](const TimedPlan& before, const TimedPlan& after, size_t question) {
    const size_t next = next_near(times, after, question);
    const double gain = best_value(times, after, next, model) - best_value(times, before, next_near(times, before, question), model);
    return Hope{.gain = std::max(0.0, gain), .until = next};
  };
  return walk;
}

}  // namespace tenon
