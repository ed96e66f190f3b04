#pragma once

#include "tiles.h"

namespace tenon {

// Whether the statement, a product in such tiles, reads its padded operand where it lies, conditions in the tiles beside its border
// (Knob::padding), in less time than a copy with zeros around it takes. Makes expressions in region.pool.
bool reads_in_place(const Graph& graph, Region& region, size_t statement, const Target& target, const Tile& tile, const Blocks& blocks = {});
// Whether the operand that the lanes of the product share is an input of the model of which windows are read where they lie.
bool reads_window_of_input(const Graph& graph, const Region& region, size_t statement, const Knobs& knobs);

}  // namespace tenon
