// What --precision makes of a plan.
#pragma once

#include "tenon/plan.h"
#include "tenon/target.h"

namespace tenon {

// E0405 where the target gains nothing by it.
Result<void> check_precision(const Target& target, Precision precision);

// What operands of the regions' products are rounded to.
DType rounded_to(Precision precision);

// Whether a region of Precision F16 is expected to gain by it enough, and none of its weights is too large for f16.
bool pays_in_halves(const Graph& graph, const RegionPlan& plan, const Target& target);

// Whether some product of the region is of rounded operands.
bool rounds(const Region& region, DType to);

}  // namespace tenon
