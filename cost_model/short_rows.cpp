#include "short_rows.h"

#include <algorithm>

#include "tiles.h"

namespace tenon {

namespace {

// Loads under conditions are guarded lane by lane: nothing is saved.
bool chooses(const ExprPool& pool, Expr e) {
  if (pool.op(e) == SOp::Select) return true;
  const auto operands = pool.operands(e);
  return std::ranges::any_of(operands, [&](Expr operand) { return chooses(pool, operand); });
}

}  // namespace

bool has_short_rows(const Graph& graph, const Region& region, const Target& target) {
  const ExprPool& pool = region.pool;
  return std::ranges::any_of(region.statements, [&](const Statement& s) {
    const RegionBuffer& out = region.buffers[s.out];
    if (!s.reduce_axes.empty() || !s.routine.empty() || s.scan || s.axes.size() < 2 || s.condition.valid() || bits(out.type) < 8) return false;
    const Expr inner = innermost_index(s, out.value.valid() ? graph.values[out.value].layout : Layout{});
    if (pool.op(inner) != SOp::Var) return false;
    const auto n = pool.as_int(pool.var(inner).extent);
    const double lanes = target.lanes(out.type);
    double all = 1;
    for (Expr axis : s.axes) all *= known(pool, pool.var(axis).extent);
    return n && *n > 1 && 2 * static_cast<double>(*n) <= lanes && all >= lanes && !chooses(pool, s.value);
  });
}

}  // namespace tenon
