// Quantised operators that the passes could not turn into integer arithmetic.
#pragma once

#include "tenon/graph.h"

namespace tenon {

// One warning (E0305) per contraction that still reads dequantised values; `graph` after the graph passes.
Diags float_islands(const Graph& graph);

}  // namespace tenon
