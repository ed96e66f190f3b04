// Decisions in words.
#pragma once

#include <string>

#include "tenon/policies.h"

namespace tenon::cli {

// "12.3 us", "1.234 ms".
std::string duration(double seconds);
// "+3.1 % +- 1.2": how much longer the runner-up should take; empty: not known.
std::string margin(const Decision& decision);

}  // namespace tenon::cli
