// Which nodes are compiled together.
#pragma once

#include "tenon/decisions.h"
#include "tenon/ops.h"
#include "tenon/plan.h"

namespace tenon {

// Greedy, from the outputs back: a node joins its readers' region when all of its readers are there and
// what it makes can be substituted into them, or when it is the reduction that they finish.
std::vector<RegionPlan> partition(const Graph& graph, const Decider& decide);

// Movement that stays one load with affine indices: no guards, no choice between operands.
bool is_plain_movement(Op op);

// Channels innermost for everything around convolutions, asked once for all values that hang together; graph inputs and outputs stay row-major.
std::vector<std::pair<ValueId, Layout>> channels_last(const Graph& graph, const Decider& decide);

}  // namespace tenon
