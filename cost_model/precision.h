// What --precision makes of a plan.
#pragma once

#include "region_memo.h"
#include "tenon/decisions.h"
#include "tenon/plan.h"
#include "tenon/target.h"

namespace tenon {

// E0405 where the target gains nothing by it.
Result<void> check_precision(const Target& target, Precision precision);

// What operands of the regions' products are rounded to.
DType rounded_to(Precision precision);

// Takes the precision from regions that are F16 or BF16 and whose weights are too large for it, or that are not expected to gain enough by it to
// be worth a less exact result. A product takes what it computes or what its constants take to arrive, whichever is longer.
// `weights`: bytes of all of the model's.
void choose_precisions(const Graph& graph, std::vector<RegionPlan>& regions, const Target& target, double weights, const Decider& decide, RegionMemo& memo);

// Whether some product of the region is of rounded operands.
bool rounds(const Region& region, DType to);

}  // namespace tenon
