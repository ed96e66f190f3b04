// Regions of two plans that cover the same nodes.
#pragma once

#include <set>
#include <vector>

#include "tenon/plan.h"

namespace tenon {

struct WholeRegions {
  std::vector<size_t> ours, theirs;  // ascending
};
// All regions of both that have one of the nodes, or one of the nodes of such a region, and so on.
WholeRegions whole_regions(const Plan& ours, const Plan& theirs, const std::set<int>& nodes);

}  // namespace tenon
