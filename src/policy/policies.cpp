#include "tenon/policies.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "explain.h"
#include "tenon/alternatives.h"
#include "tenon/policy.h"

namespace tenon {

namespace {

constexpr auto kPolicies = std::to_array<std::pair<std::string_view, Policy>>({{"rules", Policy::Rules}, {"model", Policy::Model}, {"hybrid", Policy::Hybrid}, {"beam", Policy::Beam}, {"rl", Policy::Rl}});

// The ONNX nodes that a region computes.
std::vector<std::string> origins(const Graph& graph, const RegionPlan& region) {
  std::vector<std::string> names;
  for (const int n : region.nodes) {
    const NodeRef& origin = graph.nodes[static_cast<size_t>(n)].origin;
    if (!origin.name.empty() && std::ranges::count(names, origin.name) == 0) names.push_back(origin.name);
  }
  return names;
}

class Chooser {
 public:
  Chooser(const Graph& graph, const Target& target, const PolicyOptions& options) : graph_(graph), target_(target), options_(options), planner_(graph, target, options.precision, options.providers) {
    for (size_t v = 0; v < graph.values.size(); ++v)
      if (const NodeId def = graph.values[ValueId(v)].def; def.valid()) made_by_.emplace(graph.values[ValueId(v)].name, def);
  }

  Result<PolicyPlan> run() {
    TENON_DO(search());
    TENON_TRY(DecidedPlan decided, planner_.plan(answers_));
    chosen_.plan = std::move(decided.plan);
    if (options_.workers) cut_rows(graph_, chosen_.plan);
    for (const Asked& asked : decided.asked) TENON_DO(add(asked));
    TENON_DO(schedules(graph_, chosen_.plan, {}));
    for (const Point& point : options_.points) TENON_DO(schedules_at(point));
    return std::move(chosen_);
  }

 private:
  // The answers that are not the rules', where something looks for them.
  Result<void> search() {
    if (options_.policy != Policy::Beam && options_.policy != Policy::Rl) return {};
    if (options_.policy == Policy::Rl && !options_.q_model) return fail(Code::E0601, "--policy rl asks a model of the planner's answers", "--q-model FILE; tenon train-policy makes one");
    PlanTimes times(graph_, target_, {.precision = options_.precision, .providers = options_.providers, .model = options_.model, .threads = options_.threads});
    const Walk walk = options_.policy == Policy::Rl ? q_walk(times, *options_.q_model) : plain_walk(times);
    TENON_TRY(Walked walked, beam_search(walk, options_.beam));
    answers_ = std::move(walked.answers);
    return {};
  }

  // The ONNX node that makes the value.
  std::vector<std::string> origin(std::string_view value) const {
    const auto found = made_by_.find(value);
    return found == made_by_.end() ? std::vector<std::string>{} : std::vector{graph_.nodes[static_cast<size_t>(found->second.index)].origin.name};
  }

  Result<void> add(const Asked& asked) {
    Decision decision{.kind = std::string(spelling(asked.kind)), .subject = asked.subject, .nodes = origin(asked.subject), .chosen = asked.answers[asked.chosen], .rules = asked.answers[asked.rules],
                      .runner_up = asked.answers[asked.chosen == 0 ? 1 : 0], .decided_by = std::string(spelling(asked.chosen == asked.rules ? Policy::Rules : options_.policy)), .reason = {}};
    if (options_.explain && options_.explain(decision)) {
      if (!comparison_) {
        TENON_TRY(comparison_, Comparison::of(planner_, answers_, options_.threads, options_.policy == Policy::Rules ? nullptr : options_.model));
      }
      TENON_TRY(const std::vector<Alternative> others, comparison_->others(asked));
      const auto best = std::ranges::min_element(others, {}, [](const Alternative& a) { return a.after - a.before; });
      if (best != others.end()) {
        decision.runner_up = best->answer, decision.seconds = best->before, decision.runner_up_seconds = best->after, decision.sigma = best->sigma;
        const double roofline = best->prior_after / best->prior_before, all = best->after / best->before;
        decision.reason = Reason{.terms = {{.name = "roofline", .meaning = "of the regions that change, what the prior says of both", .factor = roofline}}, .roofline = best->prior_before, .bound = {}, .nearest = {}};
        if (all != roofline) decision.reason->terms.push_back({.name = "learnt", .meaning = "what boosters say of the same regions beyond the prior", .factor = all / roofline});
      }
    }
    chosen_.decisions.push_back(std::move(decision));
    return {};
  }

  // Of the plan's regions; `point`: what they are for, empty: everything that has no schedules of its own.
  Result<void> schedules(const Graph& graph, Plan& plan, const std::string& point) {
    if (options_.policy == Policy::Rules && !options_.explain) return {};
    if (options_.model && !scorer_) scorer_.emplace(*options_.model, options_.compiled);
    TENON_TRY(std::vector<RegionGroup> groups, group_regions(graph, plan, target_, options_.precision));
    for (RegionGroup& group : groups) {
      const RegionPlan& first = plan.regions[group.regions[0]];
      // How tasks are cut is for several threads; what one thread is predicted to take says nothing of it.
      if (options_.threads == 1) leave_out(group.space, {Knob::parallel});
      // Nor of the order of loops out of which cut_rows takes bands: with rows outside, bands would be columns.
      if (options_.workers && std::ranges::any_of(tiles_of(first, group.space), [](const Knobs& k) { return k[Knob::parallel] == 2; })) leave_out(group.space, {Knob::order});
      if (!point.empty()) keep_form(group.space, graph, first);
    }
    const Graph laid = laid_out(graph, plan);
    const Plan rules = plan;
    for (const RegionGroup& group : groups) {
      TENON_TRY(const Judge judge, Judge::of(laid, rules, target_, group, options_.threads));
      decide(group, judge, rules, plan, point);
    }
    return {};
  }

  // Those at a binding of dims: as the rules choose them for these extents, and as the policy does.
  Result<void> schedules_at(const Point& point) {
    TENON_TRY(const Graph graph, bind_dims(graph_, point.all()));
    TENON_TRY(Plan at, rules_at(graph, target_, options_.precision, chosen_.plan, point, options_.workers));
    TENON_DO(schedules(graph, at, print(point)));
    add_variants(graph_, chosen_.plan, point.key, at);
    return {};
  }

  void decide(const RegionGroup& group, const Judge& judge, const Plan& rules, Plan& plan, const std::string& point) {
    constexpr size_t kKept = 64;
    // Where nobody asks for reasons, nobody reads what comes second.
    const bool only_sure = options_.policy == Policy::Hybrid && !options_.explain;
    const Ranking ranking = rank_schedules(group, rules, judge, scorer_ ? &*scorer_ : nullptr, kKept, only_sure);
    const RegionPlan& first = plan.regions[group.regions[0]];
    Decision decision{.kind = "schedule", .subject = first.name, .nodes = origins(graph_, first), .chosen = shown(ranking.rules.tiles), .rules = shown(ranking.rules.tiles), .runner_up = {}, .decided_by = "rules",
                      .point = point, .seconds = std::exp(ranking.rules.mean), .occurrences = static_cast<int>(group.regions.size()), .reason = {}};
    const Judged* runner_up = ranking.others.empty() ? nullptr : &ranking.others[0];
    const Judged* chosen = &ranking.rules;
    const bool known = options_.policy != Policy::Hybrid || !options_.model || knows_device(*options_.model, judge.rules().features);
    chosen_.unknown_device |= !known;
    if (runner_up && known && is_better(*runner_up, ranking.rules, judge)) {
      chosen = runner_up, runner_up = &ranking.rules;
      if (ranking.others.size() > 1 && ranking.others[1].mean < runner_up->mean) runner_up = &ranking.others[1];
      decision.chosen = shown(chosen->tiles), decision.decided_by = "model", decision.seconds = std::exp(chosen->mean);
      for (const size_t r : group.regions)
        for (size_t t = 0; t < chosen->tiles.size(); ++t) set_knobs(plan.regions[r].schedule.variants.back(), group.space, t, chosen->tiles[t]);
    }
    decision.tiles = chosen->tiles;
    if (runner_up) {
      decision.runner_up = shown(runner_up->tiles), decision.runner_up_tiles = runner_up->tiles, decision.runner_up_seconds = std::exp(runner_up->mean);
      decision.sigma = compared(*runner_up, *chosen).sigma;
    }
    if (options_.explain && options_.explain(decision)) decision.reason = explain(group, judge, options_.model, *chosen, runner_up, ranking);
    chosen_.decisions.push_back(std::move(decision));
  }

  // Hybrid: where the boosters agree that it gains, and more than what is lost when they are wrong as often as they are.
  bool is_better(const Judged& other, const Judged& rules, const Judge& judge) const {
    const Prediction gain = compared(rules, other);
    if (options_.policy == Policy::Rules) return false;
    if (options_.policy != Policy::Hybrid) return gain.mean > 0;
    return options_.model && is_sure(gain, std::log(judge.rules().prior / judge.prior(other.tiles)));
  }

  const Graph& graph_;
  const Target& target_;
  const PolicyOptions& options_;
  Planner planner_;
  std::optional<ModelScorer> scorer_;
  std::map<std::string_view, NodeId> made_by_;  // values, by their names
  std::optional<Comparison> comparison_;        // with the plan
  Answers answers_;                             // that are not the rules'
  PolicyPlan chosen_;
};

}  // namespace

std::optional<Policy> parse_policy(std::string_view word) {
  const auto row = std::ranges::find(kPolicies, word, &std::pair<std::string_view, Policy>::first);
  return row == kPolicies.end() ? std::nullopt : std::optional(row->second);
}

std::string_view spelling(Policy policy) { return std::ranges::find(kPolicies, policy, &std::pair<std::string_view, Policy>::second)->first; }

std::string policy_words() {
  std::string words;
  for (const auto& [word, policy] : kPolicies) (words += words.empty() ? "" : ", ") += word;
  return words;
}

Result<PolicyPlan> choose_plan(const Graph& graph, const Target& target, const PolicyOptions& options) {
  if (options.model && options.model->features != features_hash())
    return fail(Code::E0703, "the model was learnt with other features than this build computes", "tenon train makes one from telemetry of this build");
  return Chooser(graph, target, options).run();
}

}  // namespace tenon
