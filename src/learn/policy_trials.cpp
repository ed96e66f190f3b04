#include "tenon/policy_trials.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "draws.h"
#include "families.h"

namespace tenon {

namespace {

// Of each model the mean of ln(gain) over seeds.
Gain gain_of(const std::map<std::string, std::vector<double>>& models) {
  constexpr int kDraws = 1000;
  constexpr double kTail = 0.025;
  std::vector<double> means;
  for (const auto& [name, gains] : models) {
    double sum = 0;
    for (const double g : gains) sum += std::log(g);
    means.push_back(sum / static_cast<double>(gains.size()));
  }
  if (means.empty()) return {};
  const auto n = static_cast<double>(means.size());
  double all = 0;
  for (const double m : means) all += m / n;
  std::mt19937_64 dice(1);
  std::vector<double> drawn;
  for (int d = 0; d < kDraws; ++d) {
    double sum = 0;
    for (size_t k = 0; k < means.size(); ++k) sum += means[draw_below(dice, means.size())] / n;
    drawn.push_back(sum);
  }
  std::ranges::sort(drawn);
  return {.value = std::exp(all), .low = std::exp(drawn[static_cast<size_t>(kTail * kDraws)]), .high = std::exp(drawn[static_cast<size_t>((1 - kTail) * kDraws) - 1])};
}

TrialFigures figures_of(std::span<const PolicyTrial> trials, int64_t budget) {
  enum Column : uint8_t { Beam, Rl, Over, MeasuredBeam, MeasuredRl, MeasuredOver, Columns };
  std::map<std::string, std::vector<double>> columns[Columns];
  for (const PolicyTrial& t : trials) {
    if (t.budget != budget) continue;
    auto add = [&](Column column, double gain) { columns[column][t.model].push_back(gain); };
    if (t.rl.seconds > 0) add(Beam, t.rules_seconds / t.beam.seconds), add(Rl, t.rules_seconds / t.rl.seconds), add(Over, t.beam.seconds / t.rl.seconds);
    if (t.beam.measured && t.rl.measured) add(MeasuredBeam, 1 / *t.beam.measured), add(MeasuredRl, 1 / *t.rl.measured), add(MeasuredOver, *t.beam.measured / *t.rl.measured);
  }
  auto measured = [&](Column column) { return columns[column].empty() ? std::nullopt : std::optional(gain_of(columns[column])); };
  return {.budget = budget, .models = columns[Beam].size(), .beam = gain_of(columns[Beam]), .rl = gain_of(columns[Rl]), .rl_over_beam = gain_of(columns[Over]),
          .measured_beam = measured(MeasuredBeam), .measured_rl = measured(MeasuredRl), .measured_rl_over_beam = measured(MeasuredOver)};
}

std::string family_or_name(const std::string& model) {
  const std::string family = family_of(model);
  return family.empty() ? model : family;
}

class Trials {
 public:
  Trials(std::span<const PolicyTask> tasks, const Target& target, const PlanTimesOptions& times, const TrialOptions& options) : tasks_(tasks), target_(target), times_(times), options_(options) {
    for (size_t t = 0; t < tasks.size(); ++t) families_[family_or_name(tasks[t].name)].push_back(t);
  }

  Result<TrialsReport> run() {
    for (const auto& [family, models] : families_) TENON_DO(fold(family, models));
    if (report_.trials.empty()) return fail(Code::E0703, "no family of models leaves two models of others to learn from", "name models of three families");
    for (const int64_t budget : options_.budgets) report_.figures.push_back(figures_of(report_.trials, budget));
    return std::move(report_);
  }

 private:
  Result<void> fold(const std::string& family, const std::vector<size_t>& models) {
    std::vector<PolicyTask> others;
    for (size_t t = 0; t < tasks_.size(); ++t)
      if (std::ranges::count(models, t) == 0) others.push_back(tasks_[t]);
    if (others.size() < 2) {
      report_.skipped.push_back(family + ": fewer than two models of other families");
      return {};
    }
    for (int s = 0; s < options_.seeds; ++s) {
      FittedQOptions learn = options_.learn;
      learn.grow.seed += static_cast<uint64_t>(s);
      if (options_.progress) options_.progress("without " + family, done_++, static_cast<int>(families_.size()) * options_.seeds);
      TENON_TRY(const FittedQReport learnt, fitted_q(others, target_, times_, learn));
      for (const size_t t : models)
        for (const int64_t budget : options_.budgets) TENON_DO(trial(t, family, budget, learn.grow.seed, learnt.model));
    }
    return {};
  }

  Result<void> trial(size_t model, const std::string& family, int64_t budget, uint64_t seed, const QModel& q) {
    PlanTimes times(*tasks_[model].graph, target_, times_);
    PolicyTrial trial{.model = tasks_[model].name, .family = family, .budget = budget, .seed = seed, .beam = {}, .rl = {}};
    auto search = [&](const Walk& walk) -> Result<Found> {
      TENON_TRY(Walked walked, beam_search(walk, {.width = options_.width, .budget = budget}));
      trial.rules_seconds = walked.rules->seconds;
      Found found{.answers = std::move(walked.answers), .seconds = walked.best->seconds, .evaluations = walked.evaluations, .measured = {}};
      TENON_DO(measure(model, found));
      return found;
    };
    TENON_TRY(trial.beam, search(plain_walk(times)));
    TENON_TRY(trial.rl, search(q_walk(times, q)));
    report_.trials.push_back(std::move(trial));
    return {};
  }

  // The same plan is measured once; the rules' own is as fast as itself.
  Result<void> measure(size_t model, Found& found) {
    if (!options_.measure) return {};
    auto known = measured_.find({model, found.answers});
    if (known == measured_.end()) {
      double ratio = 1;
      if (!found.answers.empty()) {
        TENON_TRY(ratio, options_.measure(model, found.answers));
      }
      known = measured_.emplace(std::pair(model, found.answers), ratio).first;
    }
    found.measured = known->second;
    return {};
  }

  std::span<const PolicyTask> tasks_;
  const Target& target_;
  const PlanTimesOptions& times_;
  const TrialOptions& options_;
  std::map<std::string, std::vector<size_t>> families_;  // tasks of each
  std::map<std::pair<size_t, Answers>, double> measured_;
  int done_ = 0;
  TrialsReport report_;
};

}  // namespace

bool TrialsReport::joins_hybrid() const {
  return !figures.empty() && std::ranges::all_of(figures, [](const TrialFigures& f) { return f.measured_rl_over_beam.value_or(f.rl_over_beam).value >= kLeastGain; });
}

Result<TrialsReport> policy_trials(std::span<const PolicyTask> tasks, const Target& target, const PlanTimesOptions& times, const TrialOptions& options) { return Trials(tasks, target, times, options).run(); }

}  // namespace tenon
