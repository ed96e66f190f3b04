// --state past=present: inputs that outputs grow in place.
#pragma once

#include "tenon/driver.h"

namespace tenon {

// Finds the pairs that the patterns name and what they need in the graph after its passes: states, layouts with a
// capacity, and that the new rows fit. Patterns are "past=present" with as many `*` on both sides.
Result<void> add_states(Graph& graph, const std::vector<std::string>& patterns);

}  // namespace tenon
