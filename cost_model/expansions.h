// Which convolutions are computed under the loops of the depthwise convolution that reads them.
#pragma once

#include "tenon/decisions.h"
#include "tenon/plan.h"
#include "tenon/target.h"

namespace tenon {

// Regions joined where a convolution expands channels for a depthwise one that alone reads it, and what lies between is too
// large to stay in the cache of one core: blocks of channels are then the outermost loop, and rows of both go together.
// Joined regions have knobs `attach`, `attach_inner`, `attach_block` and `attach_slide`; the value between gets margins in
// `layouts`. `graph` has its layouts.
std::vector<RegionPlan> join_expansions(const Graph& graph, std::vector<RegionPlan> regions, const Target& target,
                                        std::vector<std::pair<ValueId, Layout>>& layouts, const Decider& decide);

}  // namespace tenon
