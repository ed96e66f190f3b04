#include "tenon/fitted_q.h"

#include <algorithm>
#include <cmath>
#include <random>

#include "boost.h"
#include "draws.h"

namespace tenon {

namespace {

// An answer and what came of it.
struct Transition {
  std::vector<float> features;
  double reward = 0;                       // of ln(seconds)
  std::vector<std::vector<float>> next;    // features of all answers to the next question about the same regions; empty: there is none
  double weight = 1;
  int unit = 0;                            // the model
};

// What the clone of the rules says of an answer that is not theirs, and how much it counts beside one that was tried.
constexpr double kCloned = -0.02, kClonedWeight = 0.1;

class Episodes {
 public:
  Episodes(const PolicyTask& task, int unit, const Target& target, const PlanTimesOptions& times, const FittedQOptions& options, std::vector<Transition>& data)
      : task_(task), unit_(unit), options_(options), times_(*task.graph, target, times), data_(data), dice_(options.grow.seed * 1000003 + static_cast<uint64_t>(unit)) {}

  // The rules' walk, what a beam tries, and what was measured.
  Result<void> begin() {
    TENON_TRY(rules_, evaluate({}));
    for (size_t q = 0; q < rules_->decided.asked.size(); ++q) {
      const Asked& asked = rules_->decided.asked[q];
      if (!may_change(asked)) continue;
      for (size_t a = 0; a < asked.answers.size(); ++a)
        if (a == asked.chosen) add(rules_, q, a, rules_, 0);
        else data_.push_back({.features = q_features(times_, *rules_, q, a), .reward = kCloned, .next = {}, .weight = kClonedWeight, .unit = unit_});
    }
    Walk walk = plain_walk(times_);
    walk.tried = [&](const TimedPlanRef& before, size_t question, size_t answer, const TimedPlanRef& after) { add(before, question, answer, after, gain(*before, *after)); };
    TENON_TRY(const Walked walked, beam_search(walk, {.width = options_.width, .budget = options_.budget}));
    evaluations_ += walked.evaluations;
    for (const MeasuredPlan& measured : task_.measured) TENON_DO(replay(measured));
    return {};
  }

  // Walks that answer as the model says, and now and then as the dice do.
  Result<void> roll_out(const QModel& model) {
    for (const int64_t end = evaluations_ + options_.budget; evaluations_ < end;) {
      const int64_t before = evaluations_;
      TENON_DO(episode(model, end));
      if (evaluations_ == before) break;
    }
    return {};
  }

  int64_t evaluations() const { return evaluations_; }

 private:
  static double gain(const TimedPlan& before, const TimedPlan& after) { return before.seconds > 0 && after.seconds > 0 ? std::log(before.seconds / after.seconds) : 0; }

  Result<TimedPlanRef> evaluate(const Answers& answers) {
    ++evaluations_;
    return times_.of(answers);
  }

  void add(const TimedPlanRef& before, size_t question, size_t answer, const TimedPlanRef& after, double reward) {
    Transition t{.features = q_features(times_, *before, question, answer), .reward = reward, .next = {}, .unit = unit_};
    if (const size_t next = next_near(times_, *after, question); next < after->decided.asked.size())
      for (size_t a = 0; a < after->decided.asked[next].answers.size(); ++a) t.next.push_back(q_features(times_, *after, next, a));
    data_.push_back(std::move(t));
  }

  double unit_draw() { return static_cast<double>(dice_() >> 11) * 0x1p-53; }

  size_t choose(const QModel& model, const TimedPlan& plan, size_t question) {
    const Asked& asked = plan.decided.asked[question];
    if (unit_draw() < options_.explore) return draw_below(dice_, asked.answers.size());
    size_t best = asked.chosen;
    double most = model.value(q_features(times_, plan, question, best));
    for (size_t a = 0; a < asked.answers.size(); ++a)
      if (const double value = model.value(q_features(times_, plan, question, a)); value > most) most = value, best = a;
    return best;
  }

  Result<void> episode(const QModel& model, int64_t end) {
    TimedPlanRef now = rules_;
    Answers answers;
    for (size_t q = 0; q < now->decided.asked.size() && evaluations_ < end; ++q) {
      const Asked& asked = now->decided.asked[q];
      if (!may_change(asked)) continue;
      const size_t a = choose(model, *now, q);
      if (a == asked.chosen) {
        if (!answers.empty()) add(now, q, a, now, 0);
        continue;
      }
      TENON_TRY(now, step(now, q, a, answers, 0));
    }
    return {};
  }

  Result<TimedPlanRef> step(const TimedPlanRef& now, size_t question, size_t answer, Answers& answers, double correction) {
    const Asked& asked = now->decided.asked[question];
    answers[{asked.kind, asked.subject}] = asked.answers[answer];
    TENON_TRY(TimedPlanRef after, evaluate(answers));
    add(now, question, answer, after, gain(*now, *after) + correction);
    return after;
  }

  Result<void> replay(const MeasuredPlan& measured) {
    TENON_TRY(const TimedPlanRef whole, evaluate(measured.answers));
    size_t open = 0;  // answers that the plan really has
    for (const Asked& asked : whole->decided.asked) open += asked.chosen != asked.rules;
    const double missing = -std::log(measured.ratio) - gain(*rules_, *whole);
    TimedPlanRef now = rules_;
    Answers answers;
    for (size_t q = 0; q < now->decided.asked.size() && open > 0; ++q) {
      const Asked& asked = now->decided.asked[q];
      const auto wanted = measured.answers.find({asked.kind, asked.subject});
      if (wanted == measured.answers.end()) continue;
      const auto at = std::ranges::find(asked.answers, wanted->second);
      const auto a = static_cast<size_t>(at - asked.answers.begin());
      if (at == asked.answers.end() || a == asked.chosen) continue;
      TENON_TRY(now, step(now, q, a, answers, --open == 0 ? missing : 0));
    }
    return {};
  }

  const PolicyTask& task_;
  int unit_;
  const FittedQOptions& options_;
  PlanTimes times_;
  std::vector<Transition>& data_;
  std::mt19937_64 dice_;
  TimedPlanRef rules_;
  int64_t evaluations_ = 0;
};

// Each booster from a draw of the models, judged on those that were not drawn. `before`: the last fit, null: none yet.
Result<QModel> fit(std::span<const Transition> data, const QModel* before, const FittedQOptions& options) {
  std::vector<int> units;
  std::vector<double> targets;
  for (const Transition& t : data) {
    double target = t.reward;
    if (before && !t.next.empty()) {
      double best = -INFINITY;
      for (const std::vector<float>& x : t.next) best = std::max(best, before->value(x));
      target += options.discount * best;
    }
    targets.push_back(target), units.push_back(t.unit);
  }
  const std::vector<Draw> draws = draw_units(units, options.grow.boosters, options.grow.seed);
  auto table = [&](const std::vector<size_t>& rows) {
    Table made;
    for (const size_t r : rows) made.add(data[r].features, targets[r], 0, data[r].weight);
    return made;
  };
  QModel model;
  for (size_t k = 0; k < draws.size(); ++k) {
    TENON_TRY(model.boosters.emplace_back(), boost(table(draws[k].rows), table(draws[k].left_out), Objective::Squares, options.grow, options.grow.seed + k));
  }
  return model;
}

std::string line_of(const FittedQOptions& o) {
  char text[200];
  std::snprintf(text, sizeof text, "sweeps %d, budget %lld, width %d, explore %.17g, discount %.17g, boosters %d, at most %d rounds, depth %d, eta %.17g, seed %llu", o.sweeps, static_cast<long long>(o.budget),
                o.width, o.explore, o.discount, o.grow.boosters, o.grow.rounds, o.grow.depth, o.grow.eta, static_cast<unsigned long long>(o.grow.seed));
  return text;
}

}  // namespace

Result<FittedQReport> fitted_q(std::span<const PolicyTask> tasks, const Target& target, const PlanTimesOptions& times, const FittedQOptions& options) {
  if (tasks.size() < 2) return fail(Code::E0703, "one model cannot be learnt from and judged by", "name two models at least");
  FittedQReport report;
  std::vector<Transition> data;
  std::vector<std::unique_ptr<Episodes>> all;
  const int total = options.sweeps * static_cast<int>(tasks.size());
  int done = 0;
  auto tell = [&](const std::string& what) {
    if (options.progress) options.progress(what, done++, total);
  };
  std::string names, measured;
  size_t plans = 0;
  for (size_t t = 0; t < tasks.size(); ++t) {
    tell(tasks[t].name);
    all.push_back(std::make_unique<Episodes>(tasks[t], static_cast<int>(t), target, times, options, data));
    TENON_DO(all.back()->begin());
    names += (names.empty() ? "" : " ") + tasks[t].name;
    plans += tasks[t].measured.size();
  }
  for (int sweep = 0; sweep < options.sweeps; ++sweep) {
    TENON_TRY(QModel model, fit(data, sweep > 0 ? &report.model : nullptr, options));
    report.model = std::move(model);
    if (sweep + 1 == options.sweeps) break;
    for (size_t t = 0; t < tasks.size(); ++t) {
      tell(tasks[t].name);
      TENON_DO(all[t]->roll_out(report.model));
    }
  }
  report.answers = std::ranges::count(data, 1.0, &Transition::weight);
  for (const auto& episodes : all) report.evaluations += episodes->evaluations();
  for (const Booster& booster : report.model.boosters) report.trees.push_back(static_cast<double>(booster.roots.size()));
  report.model.provenance = {"models " + names, "target " + target.name + ", " + std::to_string(report.answers) + " answers in " + std::to_string(report.evaluations) + " plans, " + std::to_string(plans) + " plans measured",
                             line_of(options)};
  return report;
}

}  // namespace tenon
