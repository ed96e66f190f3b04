// Which regions a library computes.
#pragma once

#include "tenon/decisions.h"
#include "tenon/plan.h"
#include "tenon/target.h"

namespace tenon {

// Sets RegionPlan::provider. OneDnn: where oneDNN can do the region, and the target file says for its class of contraction
// ([onednn], our time / its time, measured) that it is faster by more than measuring may be wrong. OneDnnEverywhere: where it can.
void choose_providers(const Graph& graph, std::vector<RegionPlan>& regions, const Target& target, Providers providers, const Decider& decide);

}  // namespace tenon
