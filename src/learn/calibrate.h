// How wide intervals must be.
#pragma once

#include "draws.h"

namespace tenon {

// With fewer units no interval can promise 90 %.
inline constexpr size_t kFewestForIntervals = 9;

// Of what boosters said of rows that they did not see, and what is true. `ensemble`: boosters that will be asked together.
Calibration calibrate(std::span<const Unseen> said, std::span<const double> truth, std::span<const int> unit_of_row, int ensemble);

}  // namespace tenon
