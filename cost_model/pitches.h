// Rows of channels that lie an odd number of cache lines apart.
#pragma once

#include "tenon/decisions.h"
#include "tenon/plan.h"
#include "tenon/target.h"

namespace tenon {

// Adds capacities to plan.layouts: what a convolution of each channel by itself reads and makes, channels innermost, has its pixels
// an odd number of cache lines apart, so that those of one vector of channels use all sets of the first-level cache and not one in
// eight. `graph` has the plan's layouts, `regions` and plan.parts are all that there will be.
void spread_pixels(const Graph& graph, const std::vector<RegionPlan>& regions, const Target& target, Plan& plan, const Decider& decide);

}  // namespace tenon
