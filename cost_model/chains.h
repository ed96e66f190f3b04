// Which producers are computed inside their reader's kernel, block by block.
#pragma once

#include "region_memo.h"
#include "tenon/decisions.h"
#include "tenon/ops.h"
#include "tenon/plan.h"
#include "tenon/target.h"

namespace tenon {

// Regions joined where a value between two of them then stays in cache: attention, depthwise to pointwise. Joined
// regions have knobs `attach` and `attach_block`. `graph` has its layouts.
std::vector<RegionPlan> join_chains(const Graph& graph, std::vector<RegionPlan> regions, const Target& target, const Decider& decide, RegionMemo& memo);

}  // namespace tenon
