// An innermost axis that fills less than half of a vector, and the one around it, as one axis for the lanes.
#include <algorithm>
#include <numeric>

#include "nest.h"

namespace tenon {

void join_short_lanes(ExprPool& pool, Nest& nest, TileShape& shape) {
  constexpr int64_t kMostVectors = 8;
  if (nest.reduces() || nest.scan || !shape.lane.valid() || shape.rows != 1 || nest.axes.size() < 2) return;
  const auto few = pool.as_int(pool.var(shape.lane).extent);
  if (!few || *few < 2 || 2 * *few > shape.width) return;
  std::vector<Expr> around;
  for (Expr axis : nest.axes)
    if (axis != shape.lane) around.push_back(axis);
  sort_by_stride(pool, around, nest.offset);
  const Expr outer = around.back(), inner = shape.lane, n = pool.index(*few);
  // Each vector of a tile begins at the same position of the inner axis in every tile.
  const int64_t period = std::lcm(*few, shape.width);
  if (period > kMostVectors * shape.width) return;
  const Expr joined = pool.axis(pool.var(outer).name + pool.var(inner).name, pool.mul(pool.var(outer).extent, n));
  nest.substitute(pool, {{outer, pool.floordiv(joined, n)}, {inner, pool.mod(joined, n)}});
  std::ranges::replace(nest.axes, outer, joined);
  std::erase(nest.axes, inner);
  shape.lane = joined;
  shape.lanes = period * std::max<int64_t>(1, shape.lanes / period);
}

}  // namespace tenon
