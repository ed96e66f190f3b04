#pragma once

#include "tiles.h"

namespace tenon {

// Whether the statement, a product in such tiles, reads its padded operand where it lies, conditions in the tiles beside its border
// (Knob::padding), in less time than a copy with zeros around it takes. Makes expressions in region.pool.
bool reads_in_place(const Graph& graph, Region& region, size_t statement, const Target& target, const Tile& tile, const Blocks& blocks = {});

}  // namespace tenon
