#include "nest.h"

#include <algorithm>

namespace tenon {

void Nest::substitute(ExprPool& pool, const ExprPool::Substitution& map) {
  if (!map.empty()) each_expr([&](Expr& e) { e = pool.substitute(e, map); });
}

std::vector<Expr> Nest::loads(ExprPool& pool) {
  std::vector<Expr> found;
  each_expr([&](Expr e) { pool.collect_loads(e, found); });
  return found;
}

void drop_unit_axes(ExprPool& pool, Statement& s) {
  ExprPool::Substitution map;
  auto unit = [&](Expr axis) {
    if (!pool.is_index(pool.var(axis).extent, 1)) return false;
    map[axis] = pool.index(0);
    return true;
  };
  std::erase_if(s.axes, unit);
  std::erase_if(s.reduce_axes, unit);
  s.substitute(pool, map);
  s.fold_single_step(pool);
}

namespace {

Expr flat_offset(const Region& region, ExprPool& pool, const Store<BufferId, BufferPlace>& places, BufferId b,
                 std::vector<Expr> indices) {
  const BufferPlace& place = places[b];
  for (size_t d = 0; d < place.origin.size(); ++d) indices[d] = pool.sub(indices[d], place.origin[d]);
  if (const auto& turns = place.turns; turns.dim >= 0) {
    Expr& index = indices[static_cast<size_t>(turns.dim)];
    index = pool.mod(pool.add(index, pool.index(turns.before)), pool.index(turns.rows));
  }
  return physical_offset(pool, place.layout, place.extents.empty() ? region.buffers[b].dims : place.extents, indices);
}

}  // namespace

Nest flatten(const Region& region, ExprPool& pool, const Statement& s, const Store<BufferId, BufferPlace>& places) {
  auto flat_load = [&](Expr load, std::span<const Expr> indices) {
    BufferId b = pool.buffer(load);
    Expr offset = flat_offset(region, pool, places, b, {indices.begin(), indices.end()});
    return pool.load(b, pool.type(load), std::array{offset});
  };
  auto flat = [&](Expr e) { return e.valid() ? pool.map_loads(e, flat_load) : e; };
  Nest nest{.axes = s.axes, .reduce_axes = s.reduce_axes, .accumulators = s.accumulators, .out = s.out,
            .offset = {}, .value = flat(s.value), .condition = flat(s.condition), .scan = s.scan};
  for (Accumulator& a : nest.accumulators) {
    a.init = flat(a.init);
    a.update = flat(a.update);
  }
  std::vector<Expr> indices = s.indices;
  for (Expr& e : indices) e = flat(e);
  nest.offset = flat_offset(region, pool, places, s.out, std::move(indices));
  for (const Statement::Also& more : s.also) {
    std::vector<Expr> at = more.indices;
    for (Expr& e : at) e = flat(e);
    nest.also.push_back({flat_offset(region, pool, places, s.out, std::move(at)), flat(more.value)});
  }
  return nest;
}

std::optional<Expr> coefficient(ExprPool& pool, Expr e, Expr axis) {
  auto split = pool.affine(e, axis);
  return split ? std::optional(split->first) : std::nullopt;
}

std::optional<int64_t> known_coefficient(ExprPool& pool, Expr e, Expr axis) {
  const auto found = coefficient(pool, e, axis);
  return found ? pool.as_int(*found) : std::nullopt;
}

namespace {

// Every place where `e` depends on outer or inner is an offset in which outer steps as inner's extent times
// inner's step does.
bool mergeable(ExprPool& pool, Expr e, Expr outer, Expr inner, Expr extent) {
  if (!pool.depends_on(e, outer) && !pool.depends_on(e, inner)) return true;
  if (pool.type(e) == DType::Index && pool.op(e) != SOp::Var) {
    auto co = coefficient(pool, e, outer), ci = coefficient(pool, e, inner);
    if (co && ci && !pool.depends_on(*co, inner) && *co == pool.mul(*ci, extent)) return true;
  }
  if (pool.type(e) == DType::Index || pool.op(e) == SOp::Var) return false;
  return std::ranges::all_of(std::vector<Expr>(pool.operands(e).begin(), pool.operands(e).end()),
                             [&](Expr child) { return mergeable(pool, child, outer, inner, extent); });
}

void merge_list(ExprPool& pool, Nest& nest, std::vector<Expr>& axes, Expr keep) {
  // Pairs by adjacency in memory order, not in logical order: try every ordered pair.
  for (bool changed = true; changed;) {
    changed = false;
    for (size_t i = 0; i < axes.size() && !changed; ++i)
      for (size_t j = 0; j < axes.size() && !changed; ++j) {
        if (i == j || axes[i] == keep || axes[j] == keep) continue;
        Expr outer = axes[i], inner = axes[j], extent = pool.var(inner).extent;
        bool ok = true;
        nest.each_expr([&](Expr e) { ok = ok && mergeable(pool, e, outer, inner, extent); });
        if (!ok) continue;
        Expr merged = pool.axis(pool.var(outer).name + pool.var(inner).name, pool.mul(pool.var(outer).extent, extent));
        nest.substitute(pool, {{outer, pool.index(0)}, {inner, merged}});
        axes[std::min(i, j)] = merged;
        axes.erase(axes.begin() + static_cast<ptrdiff_t>(std::max(i, j)));
        changed = true;
      }
  }
}

}  // namespace

void merge_axes(ExprPool& pool, Nest& nest, Expr keep) {
  if (nest.scan) return;
  merge_list(pool, nest, nest.axes, keep);
  merge_list(pool, nest, nest.reduce_axes, keep);
}

Expr unit_stride_axis(ExprPool& pool, Expr offset, const std::vector<Expr>& axes) {
  Expr found = {};
  for (Expr axis : axes)
    if (auto c = coefficient(pool, offset, axis); c && pool.is_index(*c, 1) && !pool.is_index(pool.var(axis).extent, 1))
      found = axis;
  return found;
}

Expr strip_casts(const ExprPool& pool, Expr e) {
  while (pool.op(e) == SOp::Cast) e = pool.operands(e)[0];
  return e;
}

void sort_by_stride(ExprPool& pool, std::vector<Expr>& axes, Expr offset) {
  ExprPool::Bindings large;
  std::vector<Expr> vars;
  pool.collect_vars(offset, vars);
  for (Expr v : vars)
    if (!pool.var(v).extent.valid()) large[v] = 1 << 10;
  auto stride = [&](Expr axis) -> int64_t {
    auto c = coefficient(pool, offset, axis);
    auto value = c ? pool.evaluate(*c, large) : std::nullopt;
    return value ? std::abs(*value) : kIndexMax;
  };
  std::ranges::stable_sort(axes, std::greater<>{}, stride);
}

}  // namespace tenon
