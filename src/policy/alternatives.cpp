#include "tenon/alternatives.h"

#include <algorithm>
#include <map>
#include <memory>

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

// What the base's plan is compared with.
class Comparison {
 public:
  static Result<Comparison> of(const Graph& graph, const Target& target, Precision precision, Providers providers, const Answers& answers, unsigned threads) {
    Comparison c(graph, target, precision, providers, answers, threads);
    TENON_TRY(DecidedPlan base, decided_plan(graph, target, precision, providers, answers));
    c.base_ = std::make_unique<DecidedPlan>(std::move(base));
    c.before_ = std::make_unique<Seconds>(graph, c.base_->plan, target, threads);
    return c;
  }

  const std::vector<Asked>& asked() const { return base_->asked; }

  Result<Alternative> with(const Asked& asked, size_t answer) {
    Answers other = answers_;
    other[{asked.kind, asked.subject}] = asked.answers[answer];
    TENON_TRY(const DecidedPlan changed, decided_plan(graph_, target_, precision_, providers_, other));
    Alternative alternative{.kind = asked.kind, .subject = asked.subject, .answer = asked.answers[answer], .instead_of = asked.answers[asked.rules], .nodes = {}};
    Seconds after(graph_, changed.plan, target_, threads_);
    for (const Difference& d : differences(graph_, base_->plan, changed.plan)) {
      alternative.nodes.insert(d.nodes.begin(), d.nodes.end());
      TENON_TRY(const double one, before_->of(d.before));
      TENON_TRY(const double two, after.of(d.after));
      alternative.before += one, alternative.after += two;
    }
    return alternative;
  }

 private:
  Comparison(const Graph& graph, const Target& target, Precision precision, Providers providers, const Answers& answers, unsigned threads)
      : graph_(graph), target_(target), precision_(precision), providers_(providers), answers_(answers), threads_(threads) {}

  const Graph& graph_;
  const Target& target_;
  Precision precision_;
  Providers providers_;
  const Answers& answers_;
  unsigned threads_;
  std::unique_ptr<DecidedPlan> base_;
  std::unique_ptr<Seconds> before_;
};

}  // namespace

Result<std::vector<Alternative>> alternatives_of(const Graph& graph, const Target& target, Precision precision, Providers providers, const Answers& answers, const Asked& asked, unsigned threads) {
  TENON_TRY(Comparison comparison, Comparison::of(graph, target, precision, providers, answers, threads));
  std::vector<Alternative> found;
  for (size_t a = 0; a < asked.answers.size(); ++a) {
    if (a == asked.chosen) continue;
    TENON_TRY(Alternative alternative, comparison.with(asked, a));
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
