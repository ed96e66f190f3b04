#include "tenon/alternatives.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include "schedules.h"
#include "tenon/differences.h"
#include "tenon/features.h"

namespace tenon {

namespace {

// By the cost model, or again by the prior; by the prior; by each booster, where a model is asked.
struct Times {
  double predicted = 0, prior = 0;
  std::vector<double> boosters = {};
  void operator+=(const Times& more) {
    predicted += more.predicted, prior += more.prior;
    boosters.resize(std::max(boosters.size(), more.boosters.size()));
    for (size_t b = 0; b < more.boosters.size(); ++b) boosters[b] += more.boosters[b];
  }
};

std::vector<double> logarithms(std::vector<double> values) {
  for (double& v : values) v = std::log(v);
  return values;
}

// 0 where no model was asked, or nothing is computed on either side.
double sigma_of(const Times& before, const Times& after) {
  return before.boosters.size() == after.boosters.size() ? compared(logarithms(after.boosters), logarithms(before.boosters)).sigma : 0;
}

// Seconds of regions of one plan, each computed when it is asked for. `laid_out`: the graph with the plan's layouts.
class Seconds {
 public:
  Seconds(Planner& planner, const Graph& laid_out, const Plan& plan, const DeviceFacts& device, const CostModel* model) : planner_(planner), graph_(laid_out), plan_(plan), device_(device), model_(model) {}

  Result<Times> of(const std::vector<size_t>& regions) {
    Times all;
    for (const size_t r : regions) {
      auto known = seconds_.find(r);
      if (known == seconds_.end()) {
        TENON_TRY(const Times seconds, one(r));
        known = seconds_.emplace(r, seconds).first;
      }
      all += known->second;
    }
    return all;
  }

 private:
  Result<Times> one(size_t r) {
    const RegionPlan& plan = plan_.regions[r];
    if (plan.provider != Provider::Own) return Times{};
    TENON_TRY(Region region, planner_.region(plan));
    TENON_TRY(const RegionFacts facts, region_facts(graph_, region, plan, planner_.target(), surroundings(graph_, plan_, r)));
    if (facts.statements.empty()) return Times{};
    if (!model_) {
      const double prior = prior_seconds(facts, plan.schedule.variants.back(), device_);
      return Times{prior, prior};
    }
    std::vector<float> features(feature_table().size());
    const double prior = features_of(facts, plan.schedule.variants.back(), device_, features).seconds;
    Times times{prior, prior};
    if (model_->boosters.empty() || !knows_device(*model_, features)) return times;
    double sum = 0;
    for (const Booster& booster : model_->boosters) {
      const double ln_seconds = booster.predict(features, static_cast<float>(std::log(prior)));
      sum += ln_seconds;
      times.boosters.push_back(std::exp(ln_seconds));
    }
    times.predicted = std::exp(sum / static_cast<double>(times.boosters.size()));
    return times;
  }

  Planner& planner_;
  const Graph& graph_;
  const Plan& plan_;
  const DeviceFacts& device_;
  const CostModel* model_;
  std::map<size_t, Times> seconds_;
};

}  // namespace

struct Comparison::State {
  std::unique_ptr<Planner> own;              // null: the caller's
  Planner& planner;
  Answers answers;
  DeviceFacts device;
  const CostModel* model = nullptr;
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
  s.before.emplace(s.planner, s.laid_out, s.base.plan, s.device, s.model);
  return Comparison(std::move(state));
}

Result<Comparison> Comparison::of(Planner& planner, Answers answers, unsigned threads, const CostModel* model) {
  return of(std::make_unique<State>(nullptr, planner, std::move(answers), device_facts(planner.target(), threads), model));
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
  Seconds after(s.planner, laid_out, changed.plan, s.device, s.model);
  Times of_base, of_other;
  for (const Difference& d : differences(laid_out.nodes.size(), s.base.plan, s.signatures, changed.plan, signatures(laid_out, changed.plan))) {
    alternative.nodes.insert(d.nodes.begin(), d.nodes.end());
    TENON_TRY(const Times one, s.before->of(d.before));
    TENON_TRY(const Times two, after.of(d.after));
    of_base += one, of_other += two;
  }
  alternative.before = of_base.predicted, alternative.prior_before = of_base.prior;
  alternative.after = of_other.predicted, alternative.prior_after = of_other.prior;
  alternative.sigma = sigma_of(of_base, of_other);
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
