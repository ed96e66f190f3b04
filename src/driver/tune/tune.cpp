// tune: rounds of candidates for the regions that lose most, each round one plan that is measured in turns with that of `rules`.
#include "tenon/tune.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>
#include <numeric>

#include "../cost_model_file.h"
#include "../files.h"
#include "../lock.h"
#include "../scratch_folder.h"
#include "base.h"
#include "cuts.h"
#include "halves.h"
#include "points.h"
#include "tenon/candidates.h"
#include "tenon/judge.h"

namespace tenon {

namespace {

using Clock = std::chrono::steady_clock;

// A schedule of a group, and in which of its regions it is tried; the others of these have what rules choose, or another one.
struct Proposal {
  size_t searched;
  Tiles tiles;
  std::vector<size_t> regions;
};

// A group of regions and the search among its schedules.
struct Searched {
  const RegionGroup& group;
  Candidates candidates;
  Judge judge;
  double rules_ms = 0, noise = 0;  // noise: |1 - ratio| of rules' schedule with itself
  double rules_promise = 0;        // what the judge says of it
  int timings = 0, in_vain = 0;    // in_vain: since the last gain
  // Where its time is and how long nothing was found.
  double promise() const {
    constexpr double kPatience = 0.8;
    return rules_ms * candidates.best_ratio() * std::pow(kPatience, in_vain);
  }
};

class Tuner {
 public:
  Tuner(const TuneOptions& options, const TunePlace* place) : options_(options), place_(place) {}

  Result<TuneReport> run() {
    if (place_) base_ = place_->model;
    else {
      TENON_TRY(base_, lower_model(options_.compile));
    }
    TENON_DO(read_model());
    TENON_DO(recorder_.open(options_, base_));
    TENON_DO(watch_.open(base_.target, options_, recorder_));
    TENON_DO(measure_rules());
    TENON_DO(cut());
    TENON_TRY(std::vector<RegionGroup> groups, group_regions(base_.graph, base_.plan, base_.target, options_.compile.precision));
    TENON_DO(begin(std::move(groups)));
    while (!over()) TENON_DO(round());
    TENON_DO(finals());
    // What the finals left of a number of timings.
    for (explored_ = 1; options_.timings > 0 && !over();) TENON_DO(round());
    TENON_DO(choose());
    if (!options_.output.empty()) {
      TENON_TRY(const std::string lock, print_lock(report_.plan, base_.graph, base_.target, options_.compile));
      TENON_DO(write_file(options_.output, lock));
    }
    report_.repeated = watch_.repeated(), report_.disturbed = watch_.disturbed();
    report_.seconds = seconds();
    return std::move(report_);
  }

 private:
  double seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }

  Result<void> read_model() {
    const WhoDecides decider = who_decides({.cost_model = options_.compile.cost_model});
    if (decider.cost_model.empty()) return {};
    TENON_TRY(cost_model_, read_cost_model(decider.cost_model));
    return {};
  }

  // What nobody named is not asked about a device that it does not know.
  void forget_model(const Judge& judge) {
    if (cost_model_ && options_.compile.cost_model.empty() && !knows_device(*cost_model_, judge.rules().features)) cost_model_.reset();
  }

  bool over() const {
    if (searched_.empty() || exhausted_ || (options_.stop && options_.stop())) return true;
    return (options_.timings > 0 && report_.timings >= explored()) || (options_.seconds > 0 && seconds() >= kExplored * options_.seconds);
  }
  // Of the budget; the rest is for the finals.
  static constexpr double kExplored = 0.75, kCuts = 0.2;
  double explored_ = kExplored;
  int64_t explored() const { return static_cast<int64_t>(std::ceil(explored_ * static_cast<double>(options_.timings))); }

  Result<void> measure_rules() {
    TENON_DO(against_.open(options_, base_, watch_, recorder_, (scratch_.path() / "rules").string(), "what rules choose"));
    report_.verified = against_.verified();  // of what rules choose, unless something better is found
    report_.target = base_.target.name;
    report_.rules_ms = self().base_ms;
    return {};
  }

  // How the model is cut and laid out, where the rules say so. What is found is the base of all that follows.
  Result<void> cut() {
    rules_folder_ = against_.folder(), rules_plan_ = base_.plan;
    if (place_ || options_.random || options_.compile.policy != "rules" || !options_.compile.schedule.empty() || !options_.compile.locked.empty()) return {};
    constexpr int64_t kUnlimited = 1 << 20;
    const double began = seconds();
    double rules_ms = 0;
    for (const RegionTime& region : self().regions) rules_ms += region.against_ms;
    const CutsOptions cuts{.rules_ms = rules_ms, .measure = [&](const Plan& plan, int longer) { return against_.measure(plan, rules_folder_, {}, longer); }, .ended = [&](Outcome outcome) { count(outcome); },
                           .left = [&](int64_t timings) -> int64_t {
                             if ((options_.stop && options_.stop()) || (options_.seconds > 0 && seconds() - began >= kCuts * options_.seconds)) return 0;
                             return options_.timings > 0 ? static_cast<int64_t>(std::ceil(kCuts * static_cast<double>(options_.timings))) - timings : kUnlimited;
                           },
                           .found = [&](int64_t timings, const TunedAnswer& answer) {
                             if (!options_.progress) return;
                             options_.progress({.timings = timings, .all = options_.timings, .seconds = seconds(), .rules_ms = report_.rules_ms, .best_ms = report_.rules_ms,
                                                .improved = answer.kind + ' ' + answer.subject + ": " + answer.answer, .gain = answer.ratio});
                           }};
    TENON_TRY(Cuts found, search_cuts(base_, cuts, recorder_, options_));
    report_.timings += found.timings;
    report_.answers = std::move(found.tried);
    for (TunedAnswer& answer : report_.answers)
      if (const auto kind = parse_decision_kind(answer.kind))
        if (const auto kept = found.answers.find({*kind, answer.subject}); kept != found.answers.end()) answer.kept = kept->second == answer.answer;
    if (found.answers.empty()) return {};
    base_.plan = std::move(found.plan);
    return against_.open_again((scratch_.path() / "cuts").string());
  }

  Result<void> begin(std::vector<RegionGroup> groups) {
    constexpr double kLeastShare = 0.002;  // of the model's time
    const Graph graph = laid_out(place_ ? place_->judged : base_.graph, base_.plan);
    std::vector<Entry> entries;
    for (RegionGroup& group : groups) {
      if (place_ && !place_->keep(group)) continue;
      const RegionTime times = total(base_.plan, group.regions, self());
      const double ms = times.against_ms, own = paired_ratio(base_.plan, group.regions, self());
      if (ms < kLeastShare * report_.rules_ms) continue;
      // One thread does not see what is lost to several.
      if (options_.threads == 1) leave_out(group.space, {Knob::parallel});
      groups_.push_back(std::make_unique<RegionGroup>(std::move(group)));
      const RegionGroup& kept = *groups_.back();
      TENON_TRY(Judge judge, Judge::of(graph, base_.plan, base_.target, kept, options_.threads));
      forget_model(judge);
      Searched& s = searched_.emplace_back(kept, Candidates(kept, base_.plan, options_.seed + searched_.size()), std::move(judge), ms, std::isnan(own) ? 0 : std::abs(1 - own));
      s.rules_promise = s.judge.promise(s.candidates.rules(), model());
      if (recorder_.is_open()) entries.push_back(entry_of(s, s.candidates.rules(), kept.regions, self())), entries.back().rules = true;
      if (!options_.resume) continue;
      TENON_TRY(const std::vector<Known> known, recorder_.known(kept, s.candidates.rules()));
      for (const Known& k : known) report_.resumed += s.candidates.remember(k.tiles, k.ratio, promise(s, k.tiles));
    }
    return recorder_.add(entries);
  }

  Entry entry_of(const Searched& s, const Tiles& tiles, const std::vector<size_t>& regions, const Measured& m) const { return tenon::entry_of(s.group, base_.plan, s.judge, tiles, regions, m); }

  // The plan with these schedules, the others as rules choose.
  Plan plan_with(const std::vector<Proposal>& proposals) const {
    Plan plan = base_.plan;
    for (const Proposal& p : proposals)
      for (const size_t r : p.regions)
        for (size_t t = 0; t < p.tiles.size(); ++t) set_knobs(plan.regions[r].schedule.variants.back(), searched_[p.searched].group.space, t, p.tiles[t]);
    return plan;
  }

  // Time in these regions / that of what rules choose there.
  double ratio_of(const std::vector<size_t>& regions, const Measured& m) const {
    const double ratio = paired_ratio(base_.plan, regions, m);
    return ratio > 0 ? ratio : INFINITY;
  }

  // How many schedules each group gets in this round, at most one per region of it: again and again the group that promises most, less with each that it has.
  std::vector<size_t> shares(size_t most) const {
    constexpr double kNext = 0.7;
    std::vector<size_t> given(searched_.size());
    std::vector<double> promise;
    for (const Searched& s : searched_) promise.push_back(s.promise());
    for (size_t n = 0; n < most; ++n) {
      const auto best = static_cast<size_t>(std::ranges::max_element(promise) - promise.begin());
      if (promise[best] <= 0) break;
      promise[best] = ++given[best] < searched_[best].group.regions.size() ? promise[best] * kNext : 0;
    }
    return given;
  }

  // The next schedules of a group, its regions dealt out among them.
  std::vector<Proposal> propose(size_t searched, size_t count) {
    Searched& s = searched_[searched];
    std::vector<Proposal> found;
    for (size_t k = 0; k < count; ++k) {
      auto tiles = options_.random ? s.candidates.draw() : s.candidates.propose([&](const Tiles& t) { return s.candidates.expected(t, promise(s, t)); });
      if (!tiles) break;
      found.push_back({searched, std::move(*tiles), {}});
    }
    if (found.empty()) s.in_vain += kGivenUp;
    else
      for (size_t k = 0; k < s.group.regions.size(); ++k) found[k % found.size()].regions.push_back(s.group.regions[k]);
    return found;
  }

  // Schedules of the groups that promise most, as many as leave several rounds to the budget.
  Result<void> round() {
    constexpr int64_t kRounds = 8;
    size_t most = 0;
    for (const Searched& s : searched_) most += s.group.regions.size();
    if (options_.timings > 0)
      most = static_cast<size_t>(std::clamp<int64_t>(std::min(options_.timings / kRounds, explored() - report_.timings), 1, static_cast<int64_t>(most)));
    std::vector<Proposal> batch;
    const std::vector<size_t> given = shares(most);
    for (size_t s = 0; s < given.size(); ++s) std::ranges::move(propose(s, given[s]), std::back_inserter(batch));
    exhausted_ = batch.empty();
    TuneProgress shown;
    shown.gain = 1;
    told_ = {};
    if (!exhausted_) TENON_DO(run_batch(std::move(batch), shown));
    if (!options_.progress) return {};
    if (told_.schedules > 0) shown.predicted = std::exp(told_.predicted / told_.schedules), shown.measured = std::exp(told_.measured / told_.schedules);
    shown.timings = report_.timings, shown.all = options_.timings, shown.seconds = seconds(), shown.rules_ms = report_.rules_ms, shown.best_ms = report_.rules_ms;
    for (const Searched& s : searched_) shown.best_ms -= s.rules_ms * (1 - s.candidates.best_ratio());
    options_.progress(shown);
    return {};
  }

  // What goes wrong is looked for in halves.
  Result<void> run_batch(std::vector<Proposal> batch, TuneProgress& shown) {
    const Plan plan = plan_with(batch);
    TENON_TRY(const Measured m, against_.measure(plan));
    if (m.outcome != Outcome::Ok && batch.size() > 1) {
      std::vector<Proposal> second = take_second_half(batch);
      TENON_DO(run_batch(std::move(batch), shown));
      return run_batch(std::move(second), shown);
    }
    count(m.outcome);
    std::vector<Entry> entries;
    for (const Proposal& p : batch) {
      Searched& searched = searched_[p.searched];
      if (recorder_.is_open()) entries.push_back(entry_of(searched, p.tiles, p.regions, m));
      ++report_.timings, ++searched.timings, ++searched.in_vain;
      if (m.outcome != Outcome::Ok) continue;
      const double ratio = ratio_of(p.regions, m), before = searched.candidates.best_ratio();
      const double predicted = promise(searched, p.tiles);
      told_.add(predicted, std::log(ratio));
      searched.candidates.measured(p.tiles, ratio, predicted);
      if (ratio >= before - searched.noise / 2) continue;
      searched.in_vain = 0;
      if (ratio / before < shown.gain) shown.gain = ratio / before, shown.improved = name_of(searched);
    }
    return recorder_.add(entries);
  }

  // ln(time / that of rules), by the model, else the prior.
  double promise(const Searched& s, const Tiles& tiles) const { return s.judge.promise(tiles, model()) - s.rules_promise; }

  const Measured& self() const { return against_.self(); }
  const CostModel* model() const { return cost_model_ ? &*cost_model_ : nullptr; }

  const std::string& name_of(const Searched& s) const { return base_.plan.regions[s.group.regions[0]].name; }

  void count(Outcome outcome) {
    report_.wrong += outcome == Outcome::Wrong;
    report_.crashed += outcome == Outcome::Crashed;
    report_.timeouts += outcome == Outcome::Timeout;
    report_.refused += outcome == Outcome::Refused;
  }

  // What is fastest by one measurement is so by luck in part: the best few of every group are measured again, in all of its regions. Counted like the rest.
  Result<void> finals() {
    constexpr size_t kFinalists = 4;
    constexpr int kLonger = 2;
    struct Finalist {
      size_t searched, rank;
      Tiles tiles;
      double gain;  // ms of the model
    };
    std::vector<Finalist> all;
    for (size_t s = 0; s < searched_.size(); ++s) {
      const auto fastest = searched_[s].candidates.fastest(kFinalists);
      for (size_t k = 0; k < fastest.size(); ++k) all.push_back({s, k, fastest[k].first, searched_[s].rules_ms * (1 - fastest[k].second)});
    }
    std::ranges::stable_sort(all, std::greater<>{}, &Finalist::gain);
    if (options_.timings > 0) all.resize(std::min<size_t>(all.size(), static_cast<size_t>(std::max<int64_t>(0, options_.timings - report_.timings))));
    for (size_t turn = 0; turn < kFinalists; ++turn) {
      std::vector<Proposal> batch;
      for (const Finalist& f : all)
        if (f.rank == turn) batch.push_back({f.searched, f.tiles, searched_[f.searched].group.regions});
      if (batch.empty()) break;
      const Plan plan = plan_with(batch);
      TENON_TRY(const Measured m, against_.measure(plan, against_.folder(), {}, kLonger));
      std::vector<Entry> entries;
      for (const Proposal& p : batch) {
        Searched& s = searched_[p.searched];
        if (recorder_.is_open()) entries.push_back(entry_of(s, p.tiles, p.regions, m));
        ++report_.timings, ++s.timings;
        if (m.outcome == Outcome::Ok) s.candidates.measured_again(p.tiles, ratio_of(p.regions, m), promise(s, p.tiles));
      }
      TENON_DO(recorder_.add(entries));
    }
    return {};
  }

  // The best of every group together, those left out that do not gain when measured anew; then the whole against what rules choose, verified.
  Result<void> choose() {
    constexpr int kLonger = 2, kTurns = 3;
    std::vector<Proposal> chosen;
    for (size_t s = 0; s < searched_.size(); ++s)
      if (searched_[s].candidates.best_ratio() < 1) chosen.push_back({s, searched_[s].candidates.best(), searched_[s].group.regions});
    std::vector<double> ratios(searched_.size(), 1);
    for (int turn = 0; turn < kTurns && !chosen.empty(); ++turn) {
      const Plan plan = plan_with(chosen);
      TENON_TRY(const Measured m, against_.measure(plan, against_.folder(), {}, kLonger));
      if (m.outcome != Outcome::Ok) {
        chosen.clear();
        break;
      }
      for (const Proposal& p : chosen) ratios[p.searched] = ratio_of(p.regions, m);
      if (std::erase_if(chosen, [&](const Proposal& p) { return ratios[p.searched] >= 1 - searched_[p.searched].noise / 2; }) == 0) break;
    }
    const Plan found = plan_with(chosen);
    TENON_DO(judge(found, !chosen.empty() || against_.folder() != rules_folder_));
    for (size_t s = 0; s < searched_.size(); ++s) {
      const Searched& searched = searched_[s];
      const size_t first = searched.group.regions[0];
      const bool kept = report_.faster && std::ranges::count(chosen, s, &Proposal::searched) > 0;
      const RegionPlan& rules = base_.plan.regions[first];
      report_.regions.push_back({.name = rules.name, .workload = searched.group.workload, .occurrences = static_cast<int>(searched.group.regions.size()), .rules_ms = searched.rules_ms,
                                 .ratio = kept ? ratios[s] : 1, .timings = searched.timings, .rules = rules.schedule.variants.back().knobs,
                                 .chosen = (kept ? found : base_.plan).regions[first].schedule.variants.back().knobs});
    }
    std::ranges::stable_sort(report_.regions, std::greater<>{}, &TunedRegion::rules_ms);
    return {};
  }

  // What was found against what rules choose, and against the reference. Neither better: what rules choose stays.
  Result<void> judge(const Plan& plan, bool differs) {
    constexpr int kLonger = 2;
    report_.plan = rules_plan_;
    report_.result = {.median_ms = report_.rules_ms, .ratio = 1, .low = 1, .high = 1};
    if (!differs) return {};
    const std::string kept = (scratch_.path() / "found").string();
    TENON_TRY(const Measured m, against_.measure(plan, rules_folder_, kept, kLonger));
    if (m.outcome != Outcome::Ok || m.model.ratio >= 1) return {};
    TENON_TRY(const VerifyReport verified, against_.check(kept));
    report_.wrong += !verified.passed;
    if (!verified.passed) return {};
    report_.faster = report_.verified = true;
    report_.plan = plan;
    report_.result = m.model;
    return {};
  }

  static constexpr int kGivenUp = 100;
  const TuneOptions& options_;
  const TunePlace* place_;
  const Clock::time_point start_ = Clock::now();
  ScratchFolder scratch_;
  Lowered base_;                      // its plan is the rules', and then what cuts make of it
  Plan rules_plan_;
  Recorder recorder_;
  Watch watch_;
  std::optional<CostModel> cost_model_;
  Base against_;
  std::string rules_folder_;
  // ln(time / that of rules) of a round's schedules, added up.
  struct {
    double predicted = 0, measured = 0;
    int schedules = 0;
    void add(double of_model, double of_clock) {
      if (std::isfinite(of_clock)) predicted += of_model, measured += of_clock, ++schedules;
    }
  } told_;
  bool exhausted_ = false;
  std::vector<std::unique_ptr<RegionGroup>> groups_;
  std::vector<Searched> searched_;
  TuneReport report_;
};

}  // namespace

Result<TuneReport> tune_place(const TuneOptions& options, const TunePlace& place) { return Tuner(options, &place).run(); }

Result<TuneReport> tune(const TuneOptions& given) {
  TuneOptions options = given;
  if (options.compile.policy.empty()) options.compile.policy = spelling(Policy::Rules);
  if (!options.compile.tune_at.empty()) return tune_points(options);
  return Tuner(options, nullptr).run();
}

}  // namespace tenon
