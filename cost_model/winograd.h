#pragma once

#include "tiles.h"

namespace tenon {

// A convolution by Winograd's F(m,3), where the prior says that it is clearly faster than in the tiles `direct`: which m, how
// many rows of tiles at a time, and the tiles of the products. Nothing where it is not, or where no transform fits.
std::optional<Tile> winograd_tile(const Graph& graph, Region& region, size_t statement, const Target& target, const Tile& direct);

}  // namespace tenon
