#include "tenon/alternatives.h"

#include <algorithm>
#include <map>
#include <optional>

#include "tenon/differences.h"
#include "tenon/features.h"

namespace tenon {

namespace {

// Seconds of regions of one plan by the prior, each computed when it is asked for. `laid_out`: the graph with the plan's layouts.
class Seconds {
 public:
  Seconds(Planner& planner, const Graph& laid_out, const Plan& plan, const DeviceFacts& device) : planner_(planner), graph_(laid_out), plan_(plan), device_(device) {}

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
    TENON_TRY(Region region, planner_.region(plan));
    TENON_TRY(const RegionFacts facts, region_facts(graph_, region, plan, planner_.target(), surroundings(graph_, plan_, r)));
    return facts.statements.empty() ? 0.0 : prior_seconds(facts, plan.schedule.variants.back(), device_);
  }

  Planner& planner_;
  const Graph& graph_;
  const Plan& plan_;
  const DeviceFacts& device_;
  std::map<size_t, double> seconds_;
};

}  // namespace

struct Comparison::State {
  std::unique_ptr<Planner> own;              // null: the caller's
  Planner& planner;
  Answers answers;
  DeviceFacts device;
  DecidedPlan base = {};
  Graph laid_out = {};                       // of the base
  std::vector<std::string> signatures = {};  // likewise
  std::optional<Seconds> before = {};
};

Comparison::Comparison(std::unique_ptr<State> state) : state_(std::move(state)) {}
Comparison::Comparison(Comparison&&) noexcept = default;
Comparison& Comparison::operator=(Comparison&&) noexcept = default;
Comparison::~Comparison() = default;

Result<Comparison> Comparison::of(std::unique_ptr<State> state) {
  State& s = *state;
  TENON_TRY(s.base, s.planner.plan(s.answers));
  s.laid_out = s.planner.laid_out();
  s.signatures = signatures(s.laid_out, s.base.plan);
  s.before.emplace(s.planner, s.laid_out, s.base.plan, s.device);
  return Comparison(std::move(state));
}

Result<Comparison> Comparison::of(Planner& planner, Answers answers, unsigned threads) {
  return of(std::make_unique<State>(nullptr, planner, std::move(answers), device_facts(planner.target(), threads)));
}

Result<Comparison> Comparison::of(const Graph& graph, const Target& target, Precision precision, Providers providers, Answers answers, unsigned threads) {
  auto own = std::make_unique<Planner>(graph, target, precision, providers);
  Planner& planner = *own;
  return of(std::make_unique<State>(std::move(own), planner, std::move(answers), device_facts(target, threads)));
}

const std::vector<Asked>& Comparison::asked() const { return state_->base.asked; }

Result<Alternative> Comparison::with(const Asked& asked, size_t answer) {
  State& s = *state_;
  Answers other = s.answers;
  other[{asked.kind, asked.subject}] = asked.answers[answer];
  TENON_TRY(const DecidedPlan changed, s.planner.plan(other));
  Alternative alternative{.kind = asked.kind, .subject = asked.subject, .answer = asked.answers[answer], .instead_of = asked.answers[asked.rules], .nodes = {}};
  const Graph& laid_out = s.planner.laid_out();
  Seconds after(s.planner, laid_out, changed.plan, s.device);
  for (const Difference& d : differences(laid_out.nodes.size(), s.base.plan, s.signatures, changed.plan, signatures(laid_out, changed.plan))) {
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

Result<std::vector<Alternative>> alternatives(Planner& planner, const Answers& answers, double most, size_t count, unsigned threads) {
  TENON_TRY(Comparison comparison, Comparison::of(planner, answers, threads));
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

Result<std::vector<Alternative>> alternatives(const Graph& graph, const Target& target, Precision precision, Providers providers, const Answers& answers, double most, size_t count, unsigned threads) {
  Planner planner(graph, target, precision, providers);
  return alternatives(planner, answers, most, count, threads);
}

}  // namespace tenon
