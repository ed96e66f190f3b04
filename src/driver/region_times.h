// Times of an artifact's calls: by region, and beside those of another artifact of the same model.
#pragma once

#include "artifact.h"

namespace tenon {

// Each turn of an artifact on one thread is so many calls, after one that warms up.
inline constexpr int kRunsPerTurn = 3;

double quantile(const std::vector<double>& sorted, double q);
double median_total(std::span<const CallTimes> times);  // ms
// Median time per call of the host program; nothing where a call was not reached.
std::vector<std::optional<double>> medians_of_calls(const std::vector<CallTimes>& times, size_t calls);

// `regions`: per call of the host program, "" for none. In the order of first calls.
std::vector<RegionTime> region_times(std::span<const std::string> regions, const std::vector<CallTimes>& times);
// Sets `against_ms` from the regions of the same name.
void set_against(std::vector<RegionTime>& regions, const std::vector<RegionTime>& others);

// Both ran in turns of `per_turn` calls. Without `differences`.
AgainstTimes against_times(const std::vector<CallTimes>& own, const std::vector<CallTimes>& others, int per_turn);

}  // namespace tenon
