// The walk that makes a plan, asking a decider on the way.
#pragma once

#include "region_memo.h"
#include "tenon/decisions.h"

namespace tenon {

// Layouts, partition, chains, precisions, expansions, windows, providers, margins, parts, pitches: each decision is asked for once, by its value.
// Then the tiles of every region as the rules choose them. `graph` has its own layouts, and gets the plan's (lay_out). `memo`: of this graph,
// with the same constants, target and precision. E0405: the target has nothing that computes in this precision.
Result<Plan> plan_by(Graph& graph, const Target& target, Precision precision, Providers providers, const Decider& decide, RegionMemo& memo);

}  // namespace tenon
