// Which epochs of a device to learn from.
#pragma once

#include <span>

#include "tenon/learn.h"
#include "tenon/telemetry.h"

namespace tenon {

// Names the devices and compilers of the epochs that the options ask for in `filter`, and counts the records of that device's others. E0703: there
// is no such epoch, or several devices where one is meant.
Result<void> choose_epochs(std::span<telemetry::Store> stores, const TrainOptions& options, telemetry::Filter& filter, int64_t& left_out);

}  // namespace tenon
