// Which convolutions are computed under the rows of the pooling window that reads them.
#pragma once

#include "region_memo.h"
#include "tenon/decisions.h"
#include "tenon/plan.h"
#include "tenon/policy.h"
#include "tenon/target.h"

namespace tenon {

// Regions joined where a window of maxima or sums alone reads what a convolution makes, and that is too large to stay in the
// cache of one core: rows of both go together, in a few parts that are tasks. Joined regions have knobs `attach`, `attach_block`,
// `attach_slide` and `attach_rows`; the value between gets margins in `layouts`. `graph` has its layouts.
std::vector<RegionPlan> join_windows(const Graph& graph, std::vector<RegionPlan> regions, const Target& target, Precision precision,
                                     std::vector<std::pair<ValueId, Layout>>& layouts, const Decider& decide, RegionMemo& memo);

}  // namespace tenon
