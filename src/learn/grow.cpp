// The pooled model: bagged boosters on the prior.
#include <algorithm>
#include <cmath>
#include <map>

#include "boost.h"
#include "calibrate.h"
#include "timings.h"

namespace tenon {

namespace {

// Seconds of each group's fastest.
std::map<int, double> fastest_of(std::span<const Timing> timings) {
  std::map<int, double> fastest;
  for (const Timing& t : timings) {
    const auto [at, fresh] = fastest.emplace(t.group, t.seconds);
    if (!fresh) at->second = std::min(at->second, t.seconds);
  }
  return fastest;
}

double weight_of(const Timing& t, double fastest) {
  constexpr double kLeastWeight = 0.05;
  return std::clamp(fastest / t.seconds, kLeastWeight, 1.0);
}

float margin_of(const Timing& t) { return static_cast<float>(std::log(t.prior)); }

Result<std::vector<Booster>> grow_all(std::span<const Timing> timings, std::span<const double> labels, std::span<const Draw> draws, const GrowOptions& options) {
  const std::map<int, double> fastest = fastest_of(timings);
  auto table = [&](const std::vector<size_t>& rows) {
    Table made;
    for (const size_t r : rows) made.add(timings[r].features, labels[r], margin_of(timings[r]), weight_of(timings[r], fastest.at(timings[r].group)) * trust(timings[r]));
    return made;
  };
  std::vector<Booster> boosters;
  for (size_t k = 0; k < draws.size(); ++k) {
    TENON_TRY(boosters.emplace_back(), boost(table(draws[k].rows), table(draws[k].left_out), Objective::Squares, options, options.seed + k));
  }
  return boosters;
}

// Labels less what a group's have in common beyond what boosters say that did not see it; the fewer timings, the less of it.
std::vector<double> without_offsets(std::span<const Timing> timings, std::span<const double> labels, std::span<const Unseen> said) {
  constexpr double kDoubt = 8;  // timings
  std::map<int, std::pair<double, double>> residuals;  // of each group: sum and number
  for (size_t r = 0; r < timings.size(); ++r)
    if (said[r].boosters > 0) residuals[timings[r].group].first += labels[r] - said[r].mean, residuals[timings[r].group].second += 1;
  std::vector<double> less(labels.begin(), labels.end());
  for (size_t r = 0; r < timings.size(); ++r)
    if (const auto at = residuals.find(timings[r].group); at != residuals.end()) less[r] -= at->second.first / (at->second.second + kDoubt);
  return less;
}

// What rules choose for a group.
struct Rules {
  Scheduled reference;
  double ln_seconds = 0;  // mean of its timings
  int timings = 0;
};
std::map<int, Rules> rules_of(std::span<const Timing> timings) {
  std::map<int, Rules> rules;
  for (const Timing& t : timings) {
    if (!t.rules) continue;
    Rules& r = rules[t.group];
    if (r.timings == 0) r.reference = {t.features, t.prior};
    r.ln_seconds += (std::log(t.seconds) - r.ln_seconds) / ++r.timings;
  }
  return rules;
}

Result<std::vector<Booster>> grow_order(std::span<const Timing> timings, std::span<const Draw> draws, size_t fewest_groups, const GrowOptions& options) {
  constexpr uint64_t kOthers = 1000;  // seeds that the other boosters do not have
  constexpr int kDepth = 6;
  const std::map<int, Rules> rules = rules_of(timings);
  const std::map<int, double> fastest = fastest_of(timings);
  auto table = [&](const std::vector<size_t>& rows) {
    Table made;
    for (const size_t r : rows) {
      const Timing& t = timings[r];
      const auto at = rules.find(t.group);
      if (at == rules.end()) continue;
      std::vector<float> row(order_width(t.features.size()));
      order_row(t.features, t.prior, at->second.reference, row);
      made.add(row, std::log(t.seconds) - at->second.ln_seconds, order_margin(t.prior, at->second.reference), weight_of(t, fastest.at(t.group)));
    }
    return made;
  };
  std::vector<Booster> boosters;
  if (rules.size() < fewest_groups) return boosters;
  GrowOptions own = options;
  own.depth = std::min(options.depth, kDepth);
  for (size_t k = 0; k < draws.size(); ++k) {
    const Table rows = table(draws[k].rows), left_out = table(draws[k].left_out);
    if (rows.size() == 0 || left_out.size() == 0) return std::vector<Booster>();
    TENON_TRY(boosters.emplace_back(), boost(rows, left_out, Objective::Squares, own, options.seed + kOthers + k));
  }
  return boosters;
}

}  // namespace

Result<CostModel> grow(const std::string& features_hash, const std::vector<std::string>& names, std::span<const Timing> timings, const GrowOptions& options) {
  constexpr size_t kFewestGroups = 4;
  TENON_DO(check_timings(timings, names.size(), kFewestGroups));
  const std::vector<int> units = units_of(timings);
  const std::vector<Draw> draws = draw_units(units, options.boosters, options.seed);
  std::vector<double> labels;
  for (const Timing& t : timings) labels.push_back(std::log(t.seconds));
  CostModel model{.features = features_hash, .names = names, .provenance = {}, .boosters = {}, .order = {}, .calibration = {}, .failures = {}, .deltas = {}};
  auto unseen = [&] {
    return predict_unseen(draws, model.boosters, timings.size(), [&](size_t r) { return std::span(timings[r].features); }, [&](size_t r) { return margin_of(timings[r]); });
  };
  TENON_TRY(model.boosters, grow_all(timings, labels, draws, options));
  if (options.group_offsets) {
    TENON_TRY(model.boosters, grow_all(timings, without_offsets(timings, labels, unseen()), draws, options));
  }
  TENON_TRY(model.order, grow_order(timings, draws, kFewestGroups, options));
  model.calibration = calibrate(unseen(), labels, sources_of(timings, kFewestForIntervals), options.boosters);
  return model;
}

}  // namespace tenon
