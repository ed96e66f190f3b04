#include "tenon/counterfactuals.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include "../scratch_folder.h"
#include "base.h"
#include "halves.h"
#include "paired.h"
#include "tenon/differences.h"
#include "tenon/median.h"
#include "tenon/policy.h"
#include "whole_regions.h"

namespace tenon {

namespace {

using Regions = std::vector<size_t>;

// One counterfactual of a model that is being measured.
struct Trial {
  Counterfactual* of;
  const RegionGroup* group = nullptr;  // of a schedule
  std::set<int> nodes;                 // of a question: of the regions that change
};

bool is_over(const Decision& d) {
  constexpr double kLeast = 0.05, kSigmas = 2;
  return std::abs(std::log(d.runner_up_seconds / d.seconds)) > std::max(std::log1p(kLeast), kSigmas * d.sigma);
}

class OneModel {
 public:
  OneModel(const CounterfactualsOptions& options, const CompileOptions& compile, std::function<void()> step) : options_(options.how), step_(std::move(step)) {
    options_.compile = compile, options_.database.clear(), options_.dims.clear();
    for (const auto& [name, range] : compile.import.dims)
      if (range.lo == range.hi) options_.dims[name] = range.lo;
  }

  Result<void> run(std::span<Counterfactual*> all) {
    TENON_TRY(chosen_, lower_model(options_.compile));
    TENON_TRY(DecidedPlan decided, plan_of({}));
    TENON_DO(watch_.open(chosen_.target, options_, recorder_));
    TENON_TRY(const std::vector<RegionGroup> groups, group_regions(chosen_.graph, decided.plan, chosen_.target, options_.compile.precision));
    std::vector<Trial> schedules, questions;
    for (Counterfactual* c : all) {
      if (c->decision.kind != "schedule") {
        TENON_TRY(const std::set<int> nodes, nodes_of(c->decision, decided.plan));
        questions.push_back({.of = c, .nodes = nodes});
        continue;
      }
      const auto group = std::ranges::find(groups, c->decision.subject, [&](const RegionGroup& g) { return decided.plan.regions[g.regions[0]].name; });
      if (group == groups.end()) c->failure = "the region has no schedules", step_();
      else schedules.push_back({.of = c, .group = &*group, .nodes = {}});
    }
    if (!schedules.empty() || print(decided.plan, chosen_.graph) == print(chosen_.plan, chosen_.graph)) TENON_DO(open(chosen_, "chosen"));
    if (!schedules.empty()) TENON_DO(try_all(schedules));
    if (questions.empty()) return {};
    // Their predictions are of the rules' plan.
    if (!base_ || print(decided.plan, chosen_.graph) != print(chosen_.plan, chosen_.graph)) {
      chosen_.plan = std::move(decided.plan);
      TENON_DO(open(chosen_, "rules"));
    }
    while (!questions.empty()) {
      std::vector<Trial> batch, later;
      std::set<int> taken;
      for (Trial& t : questions) {
        const bool apart = std::ranges::none_of(t.nodes, [&](int n) { return taken.contains(n); });
        if (apart) taken.insert(t.nodes.begin(), t.nodes.end());
        (apart ? batch : later).push_back(std::move(t));
      }
      TENON_DO(try_all(std::move(batch)));
      questions = std::move(later);
    }
    return {};
  }

 private:
  // As rules make it, tasks cut as `compile` does.
  Result<DecidedPlan> plan_of(const Answers& answers) const {
    TENON_TRY(DecidedPlan decided, decided_plan(chosen_.graph, chosen_.target, options_.compile.precision, options_.compile.providers, answers));
    if (options_.compile.threads != Threads::None) cut_rows(chosen_.graph, decided.plan);
    return decided;
  }

  Result<void> open(const Lowered& model, const std::string& folder) {
    base_.emplace();
    TENON_DO(base_->open(options_, model, watch_, recorder_, (scratch_.path() / folder).string(), "what was chosen for " + model.graph.name));
    if (!base_->verified()) return fail(Code::E0501, "what was chosen for " + model.graph.name + " is wrong there", "tenon verify says more");
    return {};
  }

  static void add(const Decision& d, Answers& answers) { answers[{*parse_decision_kind(d.kind), d.subject}] = d.runner_up; }

  Result<std::set<int>> nodes_of(const Decision& d, const Plan& rules) const {
    Answers answers;
    add(d, answers);
    TENON_TRY(const DecidedPlan other, plan_of(answers));
    std::set<int> nodes;
    for (const Difference& difference : differences(chosen_.graph, rules, other.plan)) nodes.insert(difference.nodes.begin(), difference.nodes.end());
    return nodes;
  }

  Result<Plan> plan_with(const std::vector<Trial>& batch) const {
    if (!batch[0].group) {
      Answers answers;
      for (const Trial& t : batch) add(t.of->decision, answers);
      TENON_TRY(DecidedPlan decided, plan_of(answers));
      return std::move(decided.plan);
    }
    Plan plan = chosen_.plan;
    for (const Trial& t : batch)
      for (const size_t r : t.group->regions)
        for (size_t k = 0; k < t.of->decision.runner_up_tiles.size(); ++k) set_knobs(plan.regions[r].schedule.variants.back(), t.group->space, k, t.of->decision.runner_up_tiles[k]);
    return plan;
  }

  // What goes wrong is looked for in halves.
  Result<void> try_all(std::vector<Trial> batch) {
    if (options_.stop && options_.stop()) return {};
    TENON_TRY(const Plan plan, plan_with(batch));
    TENON_TRY(const Measured m, base_->measure(plan));
    if (m.outcome != Outcome::Ok && batch.size() > 1) {
      std::vector<Trial> second = take_second_half(batch);
      TENON_DO(try_all(std::move(batch)));
      return try_all(std::move(second));
    }
    for (const Trial& t : batch) {
      if (m.outcome == Outcome::Ok) compare(t, plan, m);
      else t.of->failure = std::string(spelling(m.outcome)) + (m.message.empty() ? "" : ": " + m.message);
      step_();
    }
    return {};
  }

  void compare(const Trial& t, const Plan& plan, const Measured& m) const {
    constexpr double kMs = 1e-3;
    const WholeRegions regions = t.group ? WholeRegions{t.group->regions, t.group->regions} : whole_regions(plan, chosen_.plan, t.nodes);
    const std::vector<double> after = samples_of(plan, regions.ours, m.regions), before = samples_of(chosen_.plan, regions.theirs, m.base_regions), ratios = ratios_of_turns(after, before);
    Counterfactual& c = *t.of;
    if (ratios.empty()) return void(c.failure = "no kernel of it ran, or the clock is too coarse for its time");
    const MedianInterval interval = median_interval(ratios);
    const double share = t.group ? kMs / static_cast<double>(t.group->regions.size()) : kMs;
    c.measured = true, c.disturbed = m.disturbed;
    c.ratio = interval.median, c.low = interval.low, c.high = interval.high;
    c.seconds = median_of(before) * share, c.runner_up_seconds = median_of(after) * share;
  }

  TuneOptions options_;
  std::function<void()> step_;
  ScratchFolder scratch_;
  Lowered chosen_;
  Recorder recorder_;  // of no store
  Watch watch_;
  std::optional<Base> base_;
};

void count(CounterfactualsReport& report) {
  for (const Counterfactual& c : report.all) {
    if (!c.measured) continue;
    ++report.measured, report.signs += c.agrees(), report.disturbed += !c.disturbed.empty(), report.clear += c.clear(), report.clear_signs += c.clear() && c.agrees();
    const Reason& reason = *c.decision.reason;
    auto look = [&](double low, double high, double seconds) {
      if (high > 0) ++report.times, report.covered += low <= seconds && seconds <= high;
    };
    look(reason.low, reason.high, c.seconds), look(reason.runner_up_low, reason.runner_up_high, c.runner_up_seconds);
  }
}

}  // namespace

MedianInterval median_interval(std::vector<double> values) {
  // The number of values below the true median is binomial: n/2 +- 1.96 sqrt(n)/2.
  constexpr double kNormal = 1.96;
  std::ranges::sort(values);
  const auto n = static_cast<double>(values.size());
  const auto rank = static_cast<size_t>(std::max(0.0, std::floor((n - kNormal * std::sqrt(n)) / 2)));
  return {.median = median_of(values), .low = values[rank], .high = values[values.size() - 1 - rank]};
}

std::vector<size_t> draw_of(size_t size, size_t count, uint64_t seed) {
  std::mt19937_64 dice(seed);
  std::vector<size_t> all(size);
  std::iota(all.begin(), all.end(), size_t{0});
  count = std::min(count, size);
  for (size_t k = 0; k < count; ++k) {
    // Values that would make the first ones likelier are drawn anew.
    const uint64_t left = size - k, most = UINT64_MAX - UINT64_MAX % left;
    uint64_t value = dice();
    while (value >= most) value = dice();
    std::swap(all[k], all[k + value % left]);
  }
  all.resize(count);
  std::ranges::sort(all);
  return all;
}

Result<CounterfactualsReport> verify_counterfactuals(const CounterfactualsOptions& options) {
  if (std::ranges::any_of(options.models, [](const CompileOptions& model) { return !model.tune_at.empty(); }))
    return fail(Code::E0601, "what is measured is one binding of a model's dims", "--dim instead of --tune-at");
  CounterfactualsReport report;
  std::vector<std::pair<size_t, Counterfactual>> open;  // with their model's index
  for (size_t m = 0; m < options.models.size(); ++m) {
    const CompileOptions& compile = options.models[m];
    if (options.progress) options.progress("decisions of " + compile.model, static_cast<int>(m), static_cast<int>(options.models.size()));
    TENON_TRY(PlanReport plan, decisions(compile, [&](const Decision& d) { return !options.meant || options.meant(d); }));
    report.target = plan.target, report.cost_model = plan.cost_model;
    for (Decision& d : plan.decisions) {
      if (options.meant && !options.meant(d)) continue;
      ++report.decisions;
      constexpr double kNoMargin = 1e-6;  // of a logarithm: neither should be faster
      if (d.runner_up.empty() || d.seconds <= 0 || d.runner_up_seconds <= 0 || !d.reason || std::abs(std::log(d.runner_up_seconds / d.seconds)) < kNoMargin) continue;
      const bool over = is_over(d);
      report.over += over;
      if (over || options.draw == 0) open.emplace_back(m, Counterfactual{.model = compile.model, .decision = std::move(d), .failure = {}, .disturbed = {}});
    }
  }
  std::vector<size_t> drawn(open.size());
  std::iota(drawn.begin(), drawn.end(), size_t{0});
  if (options.draw > 0) drawn = draw_of(open.size(), options.draw, options.seed);
  int done = 0;
  for (size_t m = 0; m < options.models.size(); ++m) {
    std::vector<Counterfactual*> of_model;
    for (const size_t k : drawn)
      if (open[k].first == m) of_model.push_back(&open[k].second);
    if (of_model.empty()) continue;
    auto step = [&] {
      if (options.progress) options.progress("counterfactuals", ++done, static_cast<int>(drawn.size()));
    };
    TENON_DO(OneModel(options, options.models[m], step).run(of_model));
  }
  for (const size_t k : drawn) report.all.push_back(std::move(open[k].second));
  count(report);
  return report;
}

}  // namespace tenon
