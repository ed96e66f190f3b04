#include "tenon/alternatives.h"

#include <algorithm>
#include <map>
#include <optional>

#include "tenon/differences.h"
#include "tenon/features.h"

namespace tenon {

namespace {

// Seconds of regions of one plan by the prior, each computed when it is asked for.
class Seconds {
 public:
  Seconds(const Graph& graph, const Plan& plan, const Target& target, unsigned threads) : graph_(laid_out(graph, plan)), plan_(plan), target_(target), device_(device_facts(target, threads)) {}

  Result<double> of(const std::vector<size_t>& regions) {
    double all = 0;
    for (const size_t r : regions) {
      auto known = seconds_.find(r);
      if (known == seconds_.end()) {
        TENON_TRY(const double seconds, one(r));
        known = seconds_.emplace(r, seconds).first;
      }
      all += known->second;
    }
    return all;
  }

 private:
  Result<double> one(size_t r) {
    const RegionPlan& plan = plan_.regions[r];
    if (plan.provider != Provider::Own) return 0.0;
    TENON_TRY(Region region, build_region(graph_, plan));
    TENON_TRY(const RegionFacts facts, region_facts(graph_, region, plan, target_, surroundings(graph_, plan_, r)));
    return facts.statements.empty() ? 0.0 : prior_seconds(facts, plan.schedule.variants.back(), device_);
  }

  Graph graph_;
  const Plan& plan_;
  const Target& target_;
  DeviceFacts device_;
  std::map<size_t, double> seconds_;
};

}  // namespace

struct Comparison::State {
  const Graph& graph;
  const Target& target;
  Precision precision;
  Providers providers;
  Answers answers;
  unsigned threads;
  DecidedPlan base = {};
  std::optional<Seconds> before = {};

  Result<DecidedPlan> plan(const Answers& of) const { return decided_plan(graph, target, precision, providers, of); }
};

Comparison::Comparison(std::unique_ptr<State> state) : state_(std::move(state)) {}
Comparison::Comparison(Comparison&&) noexcept = default;
Comparison& Comparison::operator=(Comparison&&) noexcept = default;
Comparison::~Comparison() = default;

Result<Comparison> Comparison::of(const Graph& graph, const Target& target, Precision precision, Providers providers, Answers answers, unsigned threads) {
  auto state = std::make_unique<State>(graph, target, precision, providers, std::move(answers), threads);
  TENON_TRY(state->base, state->plan(state->answers));
  state->before.emplace(graph, state->base.plan, target, threads);
  return Comparison(std::move(state));
}

const std::vector<Asked>& Comparison::asked() const { return state_->base.asked; }

Result<Alternative> Comparison::with(const Asked& asked, size_t answer) {
  State& s = *state_;
  Answers other = s.answers;
  other[{asked.kind, asked.subject}] = asked.answers[answer];
  TENON_TRY(const DecidedPlan changed, s.plan(other));
  Alternative alternative{.kind = asked.kind, .subject = asked.subject, .answer = asked.answers[answer], .instead_of = asked.answers[asked.rules], .nodes = {}};
  Seconds after(s.graph, changed.plan, s.target, s.threads);
  for (const Difference& d : differences(s.graph, s.base.plan, changed.plan)) {
    alternative.nodes.insert(d.nodes.begin(), d.nodes.end());
    TENON_TRY(const double one, s.before->of(d.before));
    TENON_TRY(const double two, after.of(d.after));
    alternative.before += one, alternative.after += two;
  }
  return alternative;
}

Result<std::vector<Alternative>> Comparison::others(const Asked& asked) {
  std::vector<Alternative> found;
  for (size_t a = 0; a < asked.answers.size(); ++a) {
    if (a == asked.chosen) continue;
    TENON_TRY(Alternative alternative, with(asked, a));
    if (!alternative.nodes.empty()) found.push_back(std::move(alternative));
  }
  return found;
}

Result<std::vector<Alternative>> alternatives(const Graph& graph, const Target& target, Precision precision, Providers providers, const Answers& answers, double most, size_t count, unsigned threads) {
  TENON_TRY(Comparison comparison, Comparison::of(graph, target, precision, providers, answers, threads));
  std::vector<Alternative> found;
  size_t looked = 0;
  for (const Asked& asked : comparison.asked())
    for (size_t a = 0; a < asked.answers.size(); ++a) {
      if (a == asked.chosen || looked++ >= count) continue;
      TENON_TRY(Alternative alternative, comparison.with(asked, a));
      if (!alternative.nodes.empty() && alternative.after <= most * alternative.before) found.push_back(std::move(alternative));
    }
  std::ranges::stable_sort(found, std::greater<>{}, [](const Alternative& a) { return a.before - a.after; });
  return found;
}

}  // namespace tenon
