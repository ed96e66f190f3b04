// What growing and adapting ask of timings.
#pragma once

#include "tenon/learn.h"

namespace tenon {

// E0703: times that are none, features that do not fit, fewer than `fewest` groups, or one unit only.
Result<void> check_timings(std::span<const Timing> timings, size_t features, size_t fewest);
std::vector<int> units_of(std::span<const Timing> timings);
// 1 for an exact timing, less for a noisy one.
double trust(const Timing& timing);

}  // namespace tenon
