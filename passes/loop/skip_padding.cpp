// Taps of a window that lie in the padding of a whole tile add nothing: the reduction leaves them out. What is
// read there is zero, in the padded copy, so it does not matter for the result how many are left out.
#include <algorithm>

#include "nest.h"

namespace tenon {

std::vector<PaddedTaps> padded_taps(const Region& region, ExprPool& pool, const Statement& s) {
  std::vector<PaddedTaps> found;
  const auto product = match_product(pool, s.accumulators);
  if (!product || !is_float(pool.type(s.accumulators[0].var))) return found;
  for (Expr factor : {product->a, product->b}) {
    Expr select = strip_casts(pool, factor);
    if (pool.op(select) != SOp::Select || pool.as_double(pool.operands(select)[2]) != 0.0) continue;
    Expr load = strip_casts(pool, pool.operands(select)[1]);
    if (pool.op(load) != SOp::Load) continue;
    const std::vector<Expr> indices(pool.operands(load).begin(), pool.operands(load).end());
    for (size_t d = 0; d < indices.size(); ++d) {
      const Expr extent = region.buffers[pool.buffer(load)].dims[d];
      if (pool.provably_nonnegative(indices[d]) && pool.provably_less(indices[d], extent)) continue;
      std::vector<Expr> taps;
      for (Expr axis : s.reduce_axes)
        if (pool.depends_on(indices[d], axis)) taps.push_back(axis);
      if (taps.size() != 1) continue;
      const auto split = pool.affine(indices[d], taps[0]);
      const auto step = split ? pool.as_int(split->first) : std::nullopt;
      if (step && *step > 0) found.push_back({taps[0], *step, split->second, extent});
    }
  }
  return found;
}

namespace {

// Largest or smallest value of an index over the rows and lanes of a tile.
std::optional<Expr> extreme(ExprPool& pool, const Stmt& tile, Expr e, bool largest) {
  std::vector<TileAxis> axes = tile.rows;
  if (tile.lanes.var.valid()) axes.push_back(tile.lanes);
  for (const TileAxis& axis : axes) {
    if (!pool.depends_on(e, axis.var)) continue;
    const auto split = pool.affine(e, axis.var);
    const auto step = split ? pool.as_int(split->first) : std::nullopt;
    if (!step) return std::nullopt;
    e = pool.substitute(e, {{axis.var, pool.index((*step > 0) == largest ? axis.extent - 1 : 0)}});
  }
  return e;
}

}  // namespace

void skip_padding(ExprPool& pool, Nest& nest, Stmt& tile) {
  for (const PaddedTaps& taps : std::vector<PaddedTaps>(nest.padded)) {
    const auto r = std::ranges::find(tile.reduce, taps.axis, &TileReduce::var);
    if (r == tile.reduce.end() || r->kind != ReduceKind::Loop || r->partial > 0 || r->unroll > 1) continue;
    const auto least = extreme(pool, tile, taps.rest, false), most = extreme(pool, tile, taps.rest, true);
    if (!least || !most) continue;
    // 0 <= rest + step * tap < extent, for some row and lane.
    const Expr step = pool.index(taps.step), one = pool.index(1);
    const Expr begin = pool.max(pool.index(0), pool.ceildiv(pool.sub(pool.index(0), *most), step));
    const Expr last = pool.floordiv(pool.sub(pool.sub(taps.extent, one), *least), step);
    const Expr end = pool.min(r->extent, pool.add(last, one));
    const Expr count = pool.max(pool.index(0), pool.sub(end, begin));
    if (count == r->extent) continue;
    const Expr tap = pool.axis(pool.var(taps.axis).name, count);
    nest.substitute(pool, {{taps.axis, pool.add(begin, tap)}});
    r->var = tap;
    r->extent = count;
  }
  tile.accumulators = nest.accumulators;
}

}  // namespace tenon
