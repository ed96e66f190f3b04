// Results whose innermost axis is much shorter than a vector.
#pragma once

#include "tenon/plan.h"
#include "tenon/target.h"

namespace tenon {

// Whether some statement of the region computes such results element by element, so that vectors should run along two axes
// at once: Knob::lanes of 3.
bool has_short_rows(const Graph& graph, const Region& region, const Target& target);

}  // namespace tenon
