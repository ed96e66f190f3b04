// Regions that --precision fp16 leaves in f32 because f16 does not hold their weights.
#pragma once

#include "tenon/plan.h"

namespace tenon {

// One warning (E0405) per region.
Diags beyond_f16(const Graph& graph, const Plan& plan);

}  // namespace tenon
