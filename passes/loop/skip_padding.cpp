// Taps of a window that lie in the padding of a whole tile add nothing: the reduction leaves them out. What is
// read there is zero, in the padded copy or because the load's condition says so, and it does not matter for the result how many
// are left out. Where all rows and lanes share a tap's place, what is left needs no condition.
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

std::optional<Expr> guard_of(const ExprPool& pool, const Nest& nest) {
  const auto product = match_product(pool, nest.accumulators);
  if (!product) return std::nullopt;
  for (Expr factor : {product->a, product->b})
    if (pool.op(factor) == SOp::Select && pool.op(pool.operands(factor)[1]) == SOp::Load) return pool.operands(factor)[0];
  return std::nullopt;
}

// Largest or smallest value of an index over the rows and lanes of a tile.
std::optional<Expr> extreme(ExprPool& pool, const Stmt& tile, Expr e, bool largest) {
  std::vector<TileAxis> axes = tile.rows;
  if (tile.lanes.var.valid()) axes.push_back(tile.lanes);
  for (const TileAxis& axis : axes) {
    if (!pool.depends_on(e, axis.var)) continue;
    const auto step = known_coefficient(pool, e, axis.var);
    if (!step) return std::nullopt;
    e = pool.substitute(e, {{axis.var, pool.index((*step > 0) == largest ? axis.extent - 1 : 0)}});
  }
  return e;
}

// The condition that this index lies in the tensor holds.
void drop_guard(ExprPool& pool, Nest& nest, const PaddedTaps& taps) {
  const Expr yes = pool.constant_int(DType::Bool, 1), index = pool.add(taps.rest, pool.mul(pool.index(taps.step), taps.axis));
  for (Expr part : {pool.binary(SOp::Le, pool.index(0), index), pool.binary(SOp::Lt, index, taps.extent)})
    if (!pool.is_const(part)) nest.substitute(pool, {{part, yes}});
}

}  // namespace

bool reads_guarded(const ExprPool& pool, const Nest& nest) { return !nest.padded.empty() && guard_of(pool, nest).has_value(); }

std::optional<std::pair<int64_t, int64_t>> inside_padding(ExprPool& pool, const Nest& nest, Expr axis) {
  const auto positions = pool.as_int(pool.var(axis).extent);
  std::optional<std::pair<int64_t, int64_t>> found;
  for (const PaddedTaps& taps : nest.padded) {
    if (!positions || !pool.depends_on(taps.rest, axis)) continue;
    const auto split = pool.affine(taps.rest, axis);
    const auto step = split ? pool.as_int(split->first) : std::nullopt, first = split ? pool.as_int(split->second) : std::nullopt;
    const auto extent = pool.as_int(taps.extent), count = pool.as_int(pool.var(taps.axis).extent);
    if (!step || *step <= 0 || !first || !extent || !count) return std::nullopt;
    // 0 <= step * position + first, and with the last tap it is less than the extent.
    const int64_t room = *extent - *first - taps.step * (*count - 1);
    const int64_t begin = std::clamp<int64_t>((*step - 1 - *first) / *step, 0, *positions);
    const int64_t end = std::clamp<int64_t>(room <= 0 ? 0 : (room + *step - 1) / *step, begin, *positions);
    found = found ? std::pair(std::max(found->first, begin), std::min(found->second, end)) : std::pair(begin, end);
  }
  return found;
}

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
    if (*least == *most) drop_guard(pool, nest, taps);
    const Expr tap = pool.axis(pool.var(taps.axis).name, count);
    nest.substitute(pool, {{taps.axis, pool.add(begin, tap)}});
    r->var = tap;
    r->extent = count;
  }
  tile.accumulators = nest.accumulators;
}

}  // namespace tenon
