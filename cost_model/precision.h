// What --precision makes of a plan.
#pragma once

#include "tenon/plan.h"
#include "tenon/target.h"

namespace tenon {

// E0405 where the target gains nothing by it.
Result<void> check_precision(const Target& target, Precision precision);

// What operands of the regions' products are rounded to.
DType rounded_to(Precision precision);

// Whether a region whose precision is F16 or BF16 is expected to gain by it enough to be worth a less exact result, and none of its
// weights is too large for f16. A product takes what it computes or what its constants take to arrive, whichever is longer.
// `weights`: bytes of all of the model's.
bool pays_rounded(const Graph& graph, const RegionPlan& plan, const Target& target, double weights);

// Whether some product of the region is of rounded operands.
bool rounds(const Region& region, DType to);

}  // namespace tenon
