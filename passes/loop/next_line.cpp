// Knob::line_ahead. A tile of a convolution reads short runs of many lines of its operand, which no prefetcher of a processor
// foresees: where they come from memory, each tile would wait for its own.
#include <algorithm>
#include <vector>

#include "nest.h"

namespace tenon {

void find_next_line(ExprPool& pool, const Nest& nest, TileShape& shape) {
  if (nest.accumulators.size() != 1 || !shape.lane.valid() || shape.lanes_reduce) return;
  std::vector<Expr> loads;
  pool.collect_loads(nest.accumulators[0].update, loads);
  std::erase_if(loads, [&](Expr load) { return pool.depends_on(load, shape.lane); });
  if (loads.size() != 1) return;
  const Expr offset = pool.operands(loads[0])[0];
  std::vector<Expr> vars;
  pool.collect_vars(offset, vars);
  std::vector<int64_t> steps;  // of the columns, of the lines, ...
  for (Expr var : vars) {
    if (std::ranges::find(nest.reduce_axes, var) != nest.reduce_axes.end()) continue;
    const auto step = known_coefficient(pool, offset, var);
    if (!step || *step <= 0) return;
    steps.push_back(*step);
  }
  std::ranges::sort(steps);
  steps.erase(std::ranges::unique(steps).begin(), steps.end());
  if (steps.size() < 2) return;
  shape.line = pool.buffer(loads[0]);
  shape.line_step = steps[1];
}

void ask_for_next_line(ExprPool& pool, const TileShape& shape, Stmt& tile) {
  if (!shape.line.valid() || tile.rows.empty() || !tile.lanes.var.valid()) return;
  std::vector<Expr> loads;
  pool.collect_loads(tile.accumulators[0].update, loads);
  const auto load = std::ranges::find_if(loads, [&](Expr l) { return pool.buffer(l) == shape.line && !pool.depends_on(l, tile.lanes.var); });
  if (load == loads.end()) return;
  Expr begin = pool.operands(*load)[0], tap = pool.index(0);
  int64_t last = 0, taps = 1;  // of the elements that one step of the other loops reads; steps that share the asking
  for (const TileAxis& row : tile.rows) {
    const auto step = known_coefficient(pool, begin, row.var);
    if (!step || *step < 0) return;
    last += *step * (row.extent - 1);
    begin = pool.substitute(begin, {{row.var, pool.index(0)}});
  }
  for (const TileReduce& r : tile.reduce) {
    const auto step = known_coefficient(pool, begin, r.var), extent = pool.as_int(r.extent);
    if (step != 1 || !extent) continue;
    last += *extent - 1, taps = *extent, tap = r.var;
    begin = pool.substitute(begin, {{r.var, pool.index(0)}});
    break;
  }
  const int64_t line = kLineBits / bits(pool.type(*load)), lines = last / line + 2, share = (lines + taps - 1) / taps;
  begin = pool.add(begin, pool.index(shape.line_step));
  for (int64_t k = 0; k < share; ++k)
    tile.prefetch.push_back({shape.line, pool.add(begin, pool.mul(pool.add(pool.mul(tap, pool.index(share)), pool.index(k)), pool.index(line))), 1});
}

}  // namespace tenon
