// tune --tune-at: a search at each of several bindings of a model whose dims stay symbolic.
#pragma once

#include "../lowered.h"
#include "tenon/tune.h"
#include "tenon/workload.h"

namespace tenon {

// What a search is about where it is no model of its own.
struct TunePlace {
  Lowered model;   // with the dim of the point's key bound, each region as it is called there
  Graph judged;    // with all dims of the point bound: what schedules are judged by
  // Whether the group's regions get schedules of their own; leaves out of its space what they share with the others'.
  std::function<bool(RegionGroup& group)> keep;
};

Result<TuneReport> tune_place(const TuneOptions& options, const TunePlace& place);
// One after the other, each with its part of the budget; the report is of all, its plan has the schedules of all. Layouts and cuts are those of rules.
Result<TuneReport> tune_points(const TuneOptions& options);

}  // namespace tenon
