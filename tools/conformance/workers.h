// Every case in a process of its own, so that a crash is one failed row and never stops the run.
#pragma once

#include <functional>

#include "execute.h"

namespace tenon::conformance {

std::vector<Outcome> execute_all(const std::vector<Case>& cases, const Options& options, int jobs,
                                 const std::function<void(size_t done)>& progress);

}  // namespace tenon::conformance
