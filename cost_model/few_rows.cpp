// When a product of two run-time operands has so few rows that a packed copy of the right one does not pay: one
// token of a decoder reads its keys where they lie.
#include "few_rows.h"

#include <algorithm>

#include "tiles.h"

namespace tenon {

std::string few_rows(const Graph& graph, Region& region) {
  ExprPool& pool = region.pool;
  for (const Statement& s : region.statements) {
    const RegionBuffer& out = region.buffers[s.out];
    const auto axes = classify(region, s, layout_of(graph, out));
    if (!axes || axes->vector_both || axes->n.size() != 1) continue;
    Expr rows = pool.index(1);
    for (Expr axis : axes->m) rows = pool.mul(rows, pool.var(axis).extent);
    if (pool.as_int(rows)) continue;
    std::vector<Expr> loads;
    pool.collect_loads(s.accumulators[0].update, loads);
    const bool strided = std::ranges::any_of(loads, [&](Expr load) {
      const RegionBuffer& from = region.buffers[pool.buffer(load)];
      const bool constant = from.value.valid() && graph.constant(from.value);
      return !constant && pool.depends_on(load, axes->n[0]) && !pool.depends_on(pool.operands(load).back(), axes->n[0]);
    });
    if (strided) return pool.text(pool.binary(SOp::Lt, rows, pool.index(kFewRows)));
  }
  return {};
}

}  // namespace tenon
