// Which values lie in the memory of a larger one, so that nothing copies them.
#pragma once

#include "region_memo.h"
#include "tenon/decisions.h"
#include "tenon/plan.h"
#include "tenon/target.h"

namespace tenon {

// Fills plan.parts: operands of concatenations that are made in their place, and slices that are read there, where the
// copy takes longer than what it costs that rows lie further apart. Wholes get the margins of their parts, in
// plan.layouts; a part's own row there goes. `graph` has the plan's layouts, which lay_out then sets anew; `regions` are all that there will be.
void choose_parts(Graph& graph, const std::vector<RegionPlan>& regions, const Target& target, Plan& plan, const Decider& decide, RegionMemo& memo);

}  // namespace tenon
