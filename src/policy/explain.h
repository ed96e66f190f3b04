// Reasons in numbers.
#pragma once

#include "schedules.h"
#include "tenon/policies.h"

namespace tenon {

// "rows=14 vectors=2"; of several tiles "rows=14 | rows=4".
std::string shown(const Tiles& tiles);

// Of a schedule. `others`: all that it was compared with.
Reason explain(const RegionGroup& group, const Judge& judge, const CostModel* model, const Judged& chosen, const Judged* runner_up, const Ranking& others);

}  // namespace tenon
