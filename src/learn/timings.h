// What growing and adapting ask of timings.
#pragma once

#include "tenon/learn.h"

namespace tenon {

// E0703: times that are none, features that do not fit, fewer than `fewest` groups, or one unit only.
Result<void> check_timings(std::span<const Timing> timings, size_t features, size_t fewest);
std::vector<int> units_of(std::span<const Timing> timings);
// What intervals count once: the models that timings are of where that is known and they are `fewest` at least, else their units.
std::vector<int> sources_of(std::span<const Timing> timings, size_t fewest);
// 1 for an exact timing, less for a noisy one.
double trust(const Timing& timing);

}  // namespace tenon
