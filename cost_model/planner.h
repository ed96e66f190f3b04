// The walk that makes a plan, asking a decider on the way.
#pragma once

#include "tenon/decisions.h"

namespace tenon {

// Layouts, partition, chains, precisions, expansions, windows, providers, margins, parts, pitches: each decision is asked for once, by its value.
// Then the tiles of every region as the rules choose them. E0405: the target has nothing that computes in this precision.
Result<Plan> plan_by(const Graph& graph, const Target& target, Precision precision, Providers providers, const Decider& decide);

}  // namespace tenon
