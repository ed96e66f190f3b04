#include "tenon/alternatives.h"

#include <algorithm>
#include <map>

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

Result<std::vector<Alternative>> alternatives(const Graph& graph, const Target& target, Precision precision, Providers providers, const Answers& answers, double most, size_t count, unsigned threads) {
  TENON_TRY(const DecidedPlan base, decided_plan(graph, target, precision, providers, answers));
  Seconds before(graph, base.plan, target, threads);
  std::vector<Alternative> found;
  size_t looked = 0;
  for (const Asked& asked : base.asked)
    for (size_t a = 0; a < asked.answers.size(); ++a) {
      if (a == asked.chosen || looked++ >= count) continue;
      Answers other = answers;
      other[{asked.kind, asked.subject}] = asked.answers[a];
      TENON_TRY(const DecidedPlan changed, decided_plan(graph, target, precision, providers, other));
      Alternative alternative{.kind = asked.kind, .subject = asked.subject, .answer = asked.answers[a], .instead_of = asked.answers[asked.rules], .nodes = {}};
      Seconds after(graph, changed.plan, target, threads);
      for (const Difference& d : differences(graph, base.plan, changed.plan)) {
        alternative.nodes.insert(d.nodes.begin(), d.nodes.end());
        TENON_TRY(const double one, before.of(d.before));
        TENON_TRY(const double two, after.of(d.after));
        alternative.before += one, alternative.after += two;
      }
      if (!alternative.nodes.empty() && alternative.after <= most * alternative.before) found.push_back(std::move(alternative));
    }
  std::ranges::stable_sort(found, std::greater<>{}, [](const Alternative& a) { return a.before - a.after; });
  return found;
}

}  // namespace tenon
