#include "tenon/beam.h"

#include <algorithm>
#include <cmath>
#include <set>

namespace tenon {

namespace {

using Key = std::pair<DecisionKind, std::string>;
Key key_of(const Asked& asked) { return {asked.kind, asked.subject}; }

struct State {
  TimedPlanRef plan;
  Answers answers;
  std::vector<Hope> hopes;

  double score(size_t next) const {
    double score = std::log(plan->seconds);
    for (const Hope& hope : hopes)
      if (hope.until >= next) score -= hope.gain;
    return score;
  }
};

class Search {
 public:
  Search(const Walk& walk, const BeamOptions& options) : walk_(walk), options_(options), width_(static_cast<size_t>(std::max(1, options.width))) {}

  Result<Walked> run() {
    TENON_TRY(found_.rules, walk_.evaluate({}));
    found_.best = found_.rules;
    seen_.insert(Answers{});
    for (int64_t before = -1; left() > 0 && before != found_.evaluations;) {
      before = found_.evaluations;
      const TimedPlanRef best = found_.best;
      TENON_DO(pass({.plan = best, .answers = found_.answers, .hopes = {}}));
      if (found_.best == best) break;
    }
    return std::move(found_);
  }

 private:
  int64_t left() const { return options_.budget - found_.evaluations; }

  // Which answers of the pass are tried: as many as the budget allows when each is tried from every state of the beam.
  void open(const TimedPlan& from) {
    struct Candidate {
      double promise;
      Key key;
      size_t answer;
    };
    std::vector<Candidate> all;
    for (size_t q = 0; q < from.decided.asked.size(); ++q) {
      const Asked& asked = from.decided.asked[q];
      if (!may_change(asked)) continue;
      for (size_t a = 0; a < asked.answers.size(); ++a)
        if (a != asked.chosen) all.push_back({walk_.promise(from, q, a), key_of(asked), a});
    }
    std::ranges::stable_sort(all, std::greater<>{}, &Candidate::promise);
    const size_t most = std::max<size_t>(1, static_cast<size_t>(left()) / width_);
    least_ = all.size() > most ? all[most].promise : -INFINITY;
    open_.clear(), known_.clear();
    for (size_t k = 0; k < all.size(); ++k) {
      known_.insert(all[k].key);
      if (k < most) open_.emplace(all[k].key, all[k].answer);
    }
  }

  // Questions that the plan which the pass began with does not have are judged by the same measure.
  bool is_open(const TimedPlan& plan, size_t question, size_t answer) const {
    const Asked& asked = plan.decided.asked[question];
    return known_.contains(key_of(asked)) ? open_.contains({key_of(asked), answer}) : walk_.promise(plan, question, answer) > least_;
  }

  Result<void> pass(State from) {
    open(*from.plan);
    std::vector<State> states = {std::move(from)};
    for (size_t question = 0; std::ranges::any_of(states, [&](const State& s) { return question < s.plan->decided.asked.size(); }); ++question) {
      const size_t kept = states.size();
      for (size_t s = 0; s < kept; ++s) TENON_DO(expand(states[s], question, states));
      std::ranges::stable_sort(states, {}, [&](const State& s) { return s.score(question + 1); });
      std::set<std::string> plans;
      std::erase_if(states, [&](const State& s) { return !s.plan->identity.empty() && !plans.insert(s.plan->identity).second; });
      states.resize(std::min(states.size(), width_));
    }
    return {};
  }

  // `state` may be of `states`, which grows.
  Result<void> expand(State state, size_t question, std::vector<State>& states) {
    if (question >= state.plan->decided.asked.size()) return {};
    const Asked& asked = state.plan->decided.asked[question];
    if (!may_change(asked)) return {};
    for (size_t a = 0; a < asked.answers.size() && left() > 0; ++a) {
      if (a == asked.chosen || !is_open(*state.plan, question, a)) continue;
      State next = state;
      if (a == asked.rules) next.answers.erase(key_of(asked));
      else next.answers[key_of(asked)] = asked.answers[a];
      if (!seen_.insert(next.answers).second) continue;
      TENON_TRY(next.plan, walk_.evaluate(next.answers));
      ++found_.evaluations;
      if (walk_.tried) walk_.tried(state.plan, question, a, next.plan);
      if (next.plan->seconds < found_.best->seconds) found_.best = next.plan, found_.answers = next.answers;
      // What changes nothing takes no place.
      if (!next.plan->identity.empty() && next.plan->identity == state.plan->identity) continue;
      if (walk_.hope) next.hopes.push_back(walk_.hope(*state.plan, *next.plan, question));
      states.push_back(std::move(next));
    }
    return {};
  }

  const Walk& walk_;
  const BeamOptions& options_;
  size_t width_;
  std::set<Answers> seen_;
  std::set<std::pair<Key, size_t>> open_;
  std::set<Key> known_;      // questions of the plan that the pass began with
  double least_ = -INFINITY; // promise of the best answer that is not tried
  Walked found_;
};

}  // namespace

bool may_change(const Asked& asked) { return asked.kind != DecisionKind::provider; }

Result<Walked> beam_search(const Walk& walk, const BeamOptions& options) { return Search(walk, options).run(); }

Walk plain_walk(PlanTimes& times) {
  return {.evaluate = [&times](const Answers& answers) { return times.of(answers); },
          .promise = [&times](const TimedPlan& plan, size_t question, size_t) {
            double seconds = 0;
            for (const size_t r : times.regions_about(plan, plan.decided.asked[question])) seconds += plan.regions[r].seconds;
            return plan.seconds > 0 ? seconds / plan.seconds : 0;
          }};
}

}  // namespace tenon
