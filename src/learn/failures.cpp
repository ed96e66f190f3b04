// Which schedules cannot be used.
#include <algorithm>
#include <cmath>
#include <set>

#include "boost.h"
#include "draws.h"

namespace tenon {

Result<bool> learn_failures(CostModel& model, std::span<const Trial> trials, const GrowOptions& options) {
  // Fewer say more of their units than of schedules; and each draw must hold some and leave some out.
  constexpr size_t kFewestFailures = 16, kFewestUnits = 4;
  size_t failed = 0;
  std::set<int> units;
  std::vector<int> unit_of_row;
  for (const Trial& trial : trials) {
    if (trial.features.size() != model.names.size()) return fail(Code::E0703, "a trial's features do not fit", "tenon telemetry stats");
    unit_of_row.push_back(trial.unit);
    if (trial.failed) ++failed, units.insert(trial.unit);
  }
  model.failures.clear(), model.failure_margin = 0;
  if (failed < kFewestFailures || units.size() < kFewestUnits || failed == trials.size()) return false;
  const double margin = std::log(static_cast<double>(failed) / static_cast<double>(trials.size() - failed));
  auto table = [&](const std::vector<size_t>& rows) {
    Table made;
    for (const size_t r : rows) made.add(trials[r].features, trials[r].failed ? 1 : 0, margin, 1);
    return made;
  };
  // A leaf must hold few rows of a rare kind: weights of rows are p (1 - p) here.
  GrowOptions own = options;
  constexpr int kDepth = 5;
  own.depth = std::min(options.depth, kDepth), own.min_child_weight = 1;
  const std::vector<Draw> draws = draw_units(unit_of_row, options.boosters, options.seed);
  std::vector<Booster> boosters;
  for (size_t k = 0; k < draws.size(); ++k) {
    TENON_TRY(boosters.emplace_back(), boost(table(draws[k].rows), table(draws[k].left_out), Objective::Logistic, own, options.seed + k));
  }
  model.failures = std::move(boosters);
  model.failure_margin = margin;
  return true;
}

}  // namespace tenon
