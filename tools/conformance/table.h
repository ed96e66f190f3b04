#pragma once

#include "execute.h"

namespace tenon::conformance {

// The outcomes as the page docs/conformance.md: a row per operator, and the reason for each hole.
std::string markdown(const std::vector<Case>& cases, const std::vector<Outcome>& outcomes, const Options& options);

}  // namespace tenon::conformance
