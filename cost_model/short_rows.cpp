#include "short_rows.h"

#include <algorithm>

#include "tiles.h"

namespace tenon {

bool has_short_rows(const Graph& graph, const Region& region, const Target& target) {
  const ExprPool& pool = region.pool;
  return std::ranges::any_of(region.statements, [&](const Statement& s) {
    const RegionBuffer& out = region.buffers[s.out];
    if (!s.reduce_axes.empty() || !s.routine.empty() || s.scan || s.axes.size() < 2 || s.condition.valid() || bits(out.type) < 8) return false;
    const Expr inner = innermost_index(s, layout_of(graph, out));
    if (pool.op(inner) != SOp::Var) return false;
    const auto n = pool.as_int(pool.var(inner).extent);
    const double lanes = target.lanes(out.type);
    // Loads under conditions are guarded lane by lane: nothing is saved.
    const bool chooses = pool.any_part(s.value, [&](Expr part) { return pool.op(part) == SOp::Select; });
    return n && *n > 1 && 2 * static_cast<double>(*n) <= lanes && positions(pool, s.axes) >= lanes && !chooses;
  });
}

}  // namespace tenon
