// What --precision makes of a plan.
#pragma once

#include "tenon/plan.h"
#include "tenon/target.h"

namespace tenon {

// E0405 where the target gains nothing by it.
Result<void> check_precision(const Target& target, Precision precision);

// What operands of the regions' products are rounded to.
DType rounded_to(Precision precision);

// Whether some product of the region is of rounded operands.
bool rounds(const Region& region, DType to);

}  // namespace tenon
