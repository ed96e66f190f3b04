// Times of regions of two artifacts that ran in turns: what disturbs the machine for a while disturbs both, so ratios within turns are
// steadier than ratios of medians.
#pragma once

#include <vector>

#include "tenon/driver.h"
#include "tenon/policy.h"

namespace tenon {

// Of each run, the sum over those of the plan's regions that have times, in ms; empty: none has.
std::vector<double> samples_of(const Plan& plan, const std::vector<size_t>& regions, const std::vector<RegionTime>& times);

// Of each turn of the artifact that took `own`, the median of its runs / that of the other's; turns without a time in either are left out.
std::vector<double> ratios_of_turns(const std::vector<double>& own, const std::vector<double>& others);

}  // namespace tenon
