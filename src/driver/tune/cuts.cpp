#include "cuts.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "halves.h"
#include "paired.h"
#include "tenon/differences.h"
#include "tenon/median.h"
#include "tenon/policy.h"
#include "whole_regions.h"

namespace tenon {

namespace {

class Search {
 public:
  Search(const Lowered& model, const CutsOptions& cuts, Recorder& recorder, const TuneOptions& options) : model_(model), cuts_(cuts), recorder_(recorder), options_(options), planner_(model.graph, model.target, options.compile.precision, options.compile.providers) {}

  Result<Cuts> run() {
    constexpr int kRounds = 6;
    for (int round = 0; round < kRounds && cuts_.left(found_.timings) > 0; ++round) {
      TENON_TRY(const bool gained, search());
      if (!gained) break;
    }
    TENON_DO(confirm());
    TENON_TRY(DecidedPlan decided, plan_of(found_.answers));
    found_.plan = std::move(decided.plan);
    return std::move(found_);
  }

 private:
  using Key = std::pair<DecisionKind, std::string>;

  Result<DecidedPlan> plan_of(const Answers& answers) {
    TENON_TRY(DecidedPlan decided, planner_.plan(answers));
    if (options_.compile.threads != Threads::None) cut_rows(model_.graph, decided.plan);
    return decided;
  }

  // One pass over what is left to try; whether something gained.
  Result<bool> search() {
    constexpr double kMost = 1.15;
    constexpr size_t kLookedAt = 400;
    TENON_TRY(std::vector<Alternative> open, alternatives(planner_, found_.answers, kMost, kLookedAt, options_.threads));
    const double least = kLeastShare * cuts_.rules_ms;
    std::erase_if(open, [&](const Alternative& a) { return a.before * 1e3 < least || measured_.contains(text_of(a)); });
    bool gained = false;
    for (int64_t left = cuts_.left(found_.timings); !open.empty() && left > 0; left = cuts_.left(found_.timings)) {
      std::vector<Alternative> batch;
      std::set<int> taken;
      for (const Alternative& a : open) {
        if (static_cast<int64_t>(batch.size()) == left) break;
        if (std::ranges::any_of(a.nodes, [&](int n) { return taken.contains(n); })) continue;
        taken.insert(a.nodes.begin(), a.nodes.end());
        batch.push_back(a);
      }
      for (const Alternative& a : batch) {
        measured_.insert(text_of(a));
        std::erase_if(open, [&](const Alternative& other) { return text_of(other) == text_of(a); });
      }
      TENON_TRY(const bool one, try_all(batch));
      gained = gained || one;
    }
    return gained;
  }

  static std::string text_of(const Alternative& a) { return std::string(spelling(a.kind)) + ' ' + a.subject + ' ' + a.answer; }

  // What goes wrong is looked for in halves.
  Result<bool> try_all(std::vector<Alternative> batch) {
    Answers answers = found_.answers;
    for (const Alternative& a : batch) answers[{a.kind, a.subject}] = a.answer;
    TENON_TRY(const DecidedPlan decided, plan_of(answers));
    TENON_TRY(const Measured m, cuts_.measure(decided.plan, 1));
    if (m.outcome != Outcome::Ok && batch.size() > 1) {
      std::vector<Alternative> second = take_second_half(batch);
      TENON_TRY(const bool one, try_all(std::move(batch)));
      TENON_TRY(const bool two, try_all(std::move(second)));
      return one || two;
    }
    cuts_.ended(m.outcome);
    TENON_DO(record(decided.plan, m));
    bool gained = false;
    for (const Alternative& a : batch) {
      if (m.outcome != Outcome::Ok) continue;
      const double ratio = ratio_of(decided.plan, a.nodes, m), before = known_of(a.nodes);
      found_.tried.push_back({.kind = std::string(spelling(a.kind)), .subject = a.subject, .answer = a.answer, .rules = a.instead_of, .predicted = a.after / a.before, .ratio = ratio});
      const bool better = ratio < before * (1 - kLeastGain);
      if (better) {
        found_.answers[{a.kind, a.subject}] = a.answer;
        gains_[{a.kind, a.subject}] = {a.nodes, ratio};
        gained = true;
      }
      if (cuts_.found) cuts_.found(found_.timings, found_.tried.back());
    }
    return gained;
  }

  // Regions that the rules' plan does not have, in the schedules that rules choose for them; counts them.
  Result<void> record(const Plan& plan, const Measured& m) {
    std::set<size_t> changed;
    for (const Difference& d : differences(model_.graph, model_.plan, plan)) changed.insert(d.after.begin(), d.after.end());
    TENON_TRY(const std::vector<RegionGroup> groups, group_regions(model_.graph, plan, model_.target, options_.compile.precision));
    const Graph graph = laid_out(model_.graph, plan);
    std::vector<Entry> entries;
    for (const RegionGroup& group : groups) {
      std::vector<size_t> regions;
      std::ranges::copy_if(group.regions, std::back_inserter(regions), [&](size_t r) { return changed.contains(r); });
      if (regions.empty()) continue;
      ++found_.timings;
      if (!recorder_.is_open()) continue;
      TENON_TRY(const Judge judge, Judge::of(graph, plan, model_.target, group, options_.threads));
      entries.push_back(entry_of(group, plan, judge, tiles_of(plan.regions[regions[0]], group.space), regions, m, true));
      entries.back().rules = true;
    }
    return recorder_.add(entries);
  }

  // Time in the regions of these nodes, as the plan cuts them / that in the regions that the rules make of them.
  double ratio_of(const Plan& plan, const std::set<int>& nodes, const Measured& m) const {
    const WholeRegions whole = whole_regions(plan, model_.plan, nodes);
    const std::vector<double> ratios = ratios_of_turns(samples_of(plan, whole.ours, m.regions), samples_of(model_.plan, whole.theirs, m.base_regions));
    return ratios.empty() ? INFINITY : median_of(ratios);
  }

  // What an answer that was kept before makes of these nodes.
  double known_of(const std::set<int>& nodes) const {
    double best = 1;
    for (const auto& [key, gain] : gains_)
      if (std::ranges::any_of(gain.first, [&](int n) { return nodes.contains(n); })) best = std::min(best, gain.second);
    return best;
  }

  Result<void> confirm() {
    constexpr int kTurns = 3, kLonger = 2;
    for (int turn = 0; turn < kTurns && !found_.answers.empty(); ++turn) {
      TENON_TRY(const DecidedPlan decided, plan_of(found_.answers));
      TENON_TRY(const Measured m, cuts_.measure(decided.plan, kLonger));
      TENON_DO(record(decided.plan, m));
      if (m.outcome != Outcome::Ok) {
        found_.answers.clear();
        break;
      }
      size_t gone = 0;
      for (const auto& [key, gain] : gains_)
        if (found_.answers.contains(key) && ratio_of(decided.plan, gain.first, m) >= 1 - kLeastGain / 2) gone += found_.answers.erase(key);
      if (gone == 0) break;
    }
    return {};
  }

  static constexpr double kLeastGain = 0.02, kLeastShare = 0.003;  // of a region's time; of the model's
  const Lowered& model_;
  const CutsOptions& cuts_;
  Recorder& recorder_;
  const TuneOptions& options_;
  Planner planner_;
  std::set<std::string> measured_;
  std::map<Key, std::pair<std::set<int>, double>> gains_;
  Cuts found_;
};

}  // namespace

Result<Cuts> search_cuts(const Lowered& model, const CutsOptions& cuts, Recorder& recorder, const TuneOptions& options) { return Search(model, cuts, recorder, options).run(); }

}  // namespace tenon
