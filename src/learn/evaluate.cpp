// Leave something out, train on the rest, judge on what was left out.
#include "tenon/evaluate.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "metrics.h"
#include "splits.h"
#include "tenon/features.h"
#include "xgboost_library.h"

namespace tenon {

namespace {

using Group = std::vector<const Sample*>;
using Say = std::function<Said(const Sample&, const Sample* rules)>;  // rules: of the group; null: not known

constexpr std::pair<Leave, std::string_view> kLeaves[] = {
    {Leave::Family, "family"}, {Leave::Device, "device"}, {Leave::Machine, "machine"}, {Leave::Operator, "operator"}, {Leave::Later, "later"}};

std::vector<std::string> feature_names() {
  std::vector<std::string> names;
  for (const FeatureInfo& feature : feature_table()) names.emplace_back(feature.name);
  return names;
}

Said say(const CostModel& model, const Sample& s, const Sample* rules, std::string_view device = {}) {
  const Prediction p = predict(model, s.timing.features, s.timing.prior, device);
  Said said{.mean = p.mean, .failure = failure_probability(model, s.timing.features), .interval = interval(model, p, device)};
  if (rules) said.beside = relative(model, s.timing.features, s.timing.prior, {rules->timing.features, rules->timing.prior});
  return said;
}

// What the prior says is taken out of the features.
void hide_prior(std::vector<float>& features) {
  for (size_t f = 0; f < features.size(); ++f)
    if (feature_table()[f].group == 'H') features[f] = NAN;
}

// One split, method by method and seed by seed.
class Evaluation {
 public:
  Evaluation(const Split& split, const EvaluateOptions& options) : split_(split), options_(options) { test(split.testing); }

  Result<void> seed(int seed) {
    GrowOptions grow_options = options_.data.grow;
    grow_options.seed += static_cast<uint64_t>(seed);
    const std::vector<Timing> timings = timings_of(split_.training);
    TENON_TRY(CostModel model, grow(features_hash(), feature_names(), timings, grow_options));
    TENON_TRY(const bool failures, learn_failures(model, trials_of(split_.training), grow_options));
    knows_failures_ |= failures;
    if (options_.probes > 0) TENON_DO(probe(model, grow_options));
    judge_all("model", [&](const Sample& s, const Sample* rules) { return say(model, s, rules); });
    if (seed == 0) first_ = model;
    TENON_DO(without_prior(timings, grow_options));
    if (options_.offsets) TENON_DO(with_offsets(model, timings, grow_options));
    judge_all("prior", [](const Sample& s, const Sample*) { return Said{.mean = std::log(s.timing.prior), .interval = {}}; });
    each_group("rules", judge_rules);
    each_group("random", judge_random);
    return {};
  }

  const std::vector<Judged>& judged() const { return judged_; }
  const std::map<int, Group>& groups() const { return groups_; }
  const CostModel& first() const { return first_; }
  bool knows_failures() const { return knows_failures_; }

 private:
  void test(std::span<const Sample* const> samples) {
    groups_.clear();
    for (const Sample* s : samples) groups_[s->timing.group].push_back(s);
  }

  // Adapts to what was left out by a few of its timings; the others are the test, of the pooled model as well.
  Result<void> probe(const CostModel& model, const GrowOptions& grow_options) {
    std::vector<ProbeCandidate> candidates;
    Group timed, rest;
    for (const Sample* s : split_.testing)
      if (s->timed()) timed.push_back(s), candidates.push_back({s->op_class, say(model, *s, nullptr).mean});
    const std::vector<size_t> chosen = choose_probes(candidates, options_.probes);
    std::vector<Timing> probes;
    std::set<const Sample*> used;
    for (const size_t k : chosen) probes.push_back(timed[k]->timing), used.insert(timed[k]);
    std::ranges::copy_if(split_.testing, std::back_inserter(rest), [&](const Sample* s) { return !used.contains(s); });
    test(rest);
    TENON_TRY(const CostModel adapted, adapt(model, probes, split_.left_out, grow_options));
    judge_all("adapted", [&](const Sample& s, const Sample* rules) { return say(adapted, s, rules, split_.left_out); });
    return {};
  }

  Result<void> without_prior(std::vector<Timing> timings, const GrowOptions& grow_options) {
    double sum = 0;
    for (const Timing& t : timings) sum += std::log(t.seconds);
    const double middle = std::exp(sum / static_cast<double>(timings.size()));
    for (Timing& t : timings) t.prior = middle, hide_prior(t.features);
    TENON_TRY(const CostModel model, grow(features_hash(), feature_names(), timings, grow_options));
    judge_all("without prior", [&](Sample s, const Sample*) {
      s.timing.prior = middle, hide_prior(s.timing.features);
      return say(model, s, nullptr);
    });
    return {};
  }

  Result<void> with_offsets(const CostModel& model, const std::vector<Timing>& timings, GrowOptions grow_options) {
    grow_options.group_offsets = true;
    TENON_TRY(CostModel level, grow(features_hash(), feature_names(), timings, grow_options));
    level.failures = model.failures, level.failure_margin = model.failure_margin;
    judge_all("with offsets", [&](const Sample& s, const Sample*) { return say(level, s, nullptr); });
    return {};
  }

  void judge_all(const std::string& method, const Say& what) {
    each_group(method, [&](std::span<const Sample* const> group) {
      const Sample* const rules = rules_of(group);
      std::vector<Said> said;
      for (const Sample* s : group) said.push_back(what(*s, rules));
      return judge(group, said);
    });
  }

  void each_group(const std::string& method, const std::function<Tallies(std::span<const Sample* const>)>& judge_group) {
    auto at = std::ranges::find(judged_, method, &Judged::method);
    if (at == judged_.end()) at = judged_.insert(judged_.end(), Judged{.method = method, .seeds = {}});
    std::map<int, Tallies>& tallies = at->seeds.emplace_back();
    for (const auto& [id, group] : groups_) add(tallies[group[0]->timing.unit], judge_group(group));
  }

  const Split& split_;
  const EvaluateOptions& options_;
  std::map<int, Group> groups_;
  std::vector<Judged> judged_;
  CostModel first_;
  bool knows_failures_ = false;
};

// The same methods of several splits.
void join(std::vector<Judged>& all, const std::vector<Judged>& more) {
  for (const Judged& judged : more) {
    auto at = std::ranges::find(all, judged.method, &Judged::method);
    if (at == all.end()) at = all.insert(all.end(), Judged{.method = judged.method, .seeds = std::vector<std::map<int, Tallies>>(judged.seeds.size())});
    for (size_t s = 0; s < judged.seeds.size(); ++s)
      for (const auto& [unit, tallies] : judged.seeds[s]) add(at->seeds[s][unit], tallies);
  }
}

std::vector<MethodFigures> all_figures(const std::vector<Judged>& judged) {
  std::vector<MethodFigures> figures;
  for (const Judged& j : judged) figures.push_back(figures_of(j));
  return figures;
}

int64_t timed(std::span<const Sample* const> samples) { return std::ranges::count_if(samples, &Sample::timed); }

void describe(const Samples& samples, EvaluationReport& report) {
  std::set<std::string> machines, levels;
  bool rules = false;
  for (const Sample& s : samples.all) {
    const telemetry::Device& device = samples.devices.at(s.device);
    machines.insert(machine_of(device)), levels.insert(level_of(device));
    report.timings += s.timed(), report.failures += s.failed(), rules |= s.timing.rules;
  }
  report.devices = static_cast<int64_t>(levels.size()), report.machines = static_cast<int64_t>(machines.size());
  report.other_features = samples.other_features;
  if (report.leave == Leave::Device && machines.size() == 1) report.notes.emplace_back("one machine was seen: its instruction-set levels are left out one by one, which is the weaker test");
  if (!rules) report.notes.emplace_back("no record says that rules chose its schedule: there are no figures of rules");
}

// The timings that may be shown, evenly through all of them.
void sample_points(const Evaluation& evaluation, int split, EvaluationReport& report) {
  constexpr size_t kMost = 300;  // of a split
  Group all;
  for (const auto& [id, group] : evaluation.groups()) std::ranges::copy_if(group, std::back_inserter(all), &Sample::timed);
  const size_t step = std::max<size_t>(1, (all.size() + kMost - 1) / kMost);
  for (size_t k = 0; k < all.size(); k += step) report.points.push_back({split, all[k]->timing.seconds, std::exp(say(evaluation.first(), *all[k], nullptr).mean)});
}

}  // namespace

std::string_view spelling(Leave leave) { return std::ranges::find(kLeaves, leave, &std::pair<Leave, std::string_view>::first)->second; }

std::optional<Leave> parse_leave(std::string_view text) {
  const auto* at = std::ranges::find(kLeaves, text, &std::pair<Leave, std::string_view>::second);
  return at == std::end(kLeaves) ? std::nullopt : std::optional(at->first);
}

Result<EvaluationReport> evaluate(const EvaluateOptions& options) {
  TENON_DO(xgboost_library());
  TENON_TRY(const Samples samples, read_samples(options.data));
  const Splits splits = split(samples, options.leave);
  EvaluationReport report{.leave = options.leave, .seeds = options.seeds, .probes = static_cast<int64_t>(options.probes), .unnamed = splits.unnamed, .of_no_family = splits.of_no_family, .splits = {}, .all = {}, .points = {}, .notes = {}};
  describe(samples, report);
  const size_t needed = options.leave == Leave::Later ? 1 : 2;
  if (splits.all.size() < needed)
    return fail(Code::E0703, "nothing can be left out by " + std::string(spelling(options.leave)) + ": the telemetry has one of them at most", "tenon telemetry stats; families need names: tenon tune --names");
  std::vector<Judged> all;
  bool knows_failures = false;
  const int steps = static_cast<int>(splits.all.size()) * options.seeds;
  for (const Split& split : splits.all) {
    const int index = static_cast<int>(report.splits.size());
    EvaluatedSplit& evaluated = report.splits.emplace_back(EvaluatedSplit{.left_out = split.left_out, .training = timed(split.training), .timings = timed(split.testing), .skipped = {}, .methods = {}});
    Evaluation evaluation(split, options);
    evaluated.groups = static_cast<int64_t>(evaluation.groups().size());
    for (int seed = 0; seed < options.seeds && evaluated.skipped.empty(); ++seed) {
      if (options.progress) options.progress("without " + split.left_out, index * options.seeds + seed, steps);
      const auto done = evaluation.seed(seed);
      if (!done) evaluated.skipped = done.error()[0].message;
    }
    if (!evaluated.skipped.empty()) continue;
    evaluated.methods = all_figures(evaluation.judged());
    join(all, evaluation.judged());
    sample_points(evaluation, index, report);
    knows_failures |= evaluation.knows_failures();
  }
  report.all = all_figures(all);
  if (!knows_failures) report.notes.emplace_back("too few trials failed to learn which do: " + std::to_string(report.failures));
  return report;
}

}  // namespace tenon
