// What is legal for a region, read off its index expressions.
#include <algorithm>

#include "tenon/plan.h"

namespace tenon {

namespace {

void each_load(const Region& region, const Statement& s, const std::function<void(Expr)>& f) {
  std::vector<Expr> loads, exprs = s.indices;
  exprs.push_back(s.value);
  if (s.condition.valid()) exprs.push_back(s.condition);
  for (const Accumulator& a : s.accumulators) exprs.insert(exprs.end(), {a.init, a.update});
  for (Expr e : exprs)
    if (e.valid()) region.pool.collect_loads(e, loads);
  std::ranges::for_each(loads, f);
}

}  // namespace

int64_t max_attach(const Region& region) {
  const ExprPool& pool = region.pool;
  if (region.statements.size() < 2) return 0;
  const std::vector<Expr>& last = region.statements.back().axes;
  size_t shared = last.size();
  for (const Statement& s : region.statements) {
    if (!s.routine.empty()) return 0;
    size_t same = 0;
    while (same < std::min(shared, s.axes.size()) && s.indices.size() > same &&
           pool.var(s.axes[same]).extent == pool.var(last[same]).extent)
      ++same;
    shared = same;
  }
  for (const Statement& s : region.statements) {
    auto limit = [&](BufferId b, std::span<const Expr> indices) {
      const RegionBuffer& buffer = region.buffers[b];
      if (buffer.is_input) return;
      size_t same = 0;
      while (same < std::min({shared, indices.size(), s.axes.size()}) && indices[same] == s.axes[same]) ++same;
      shared = same;
    };
    each_load(region, s, [&](Expr load) { limit(pool.buffer(load), pool.operands(load)); });
    limit(s.out, s.indices);
  }
  return static_cast<int64_t>(shared);
}

std::optional<ContractionAxes> classify(const Region& region, const Statement& s, const Layout& out) {
  const ExprPool& pool = region.pool;
  if (s.accumulators.size() != 1 || s.accumulators[0].monoid != Monoid::Sum || s.axes.empty()) return std::nullopt;
  Expr update = s.accumulators[0].update;
  if (pool.op(update) != SOp::Add) return std::nullopt;
  Expr term = pool.operands(update)[pool.operands(update)[0] == s.accumulators[0].var];
  if (pool.op(term) != SOp::Mul) return std::nullopt;
  Expr a = pool.operands(term)[0], b = pool.operands(term)[1];
  int innermost = out.parts.empty() ? static_cast<int>(s.indices.size()) - 1 : out.parts.back().dim;
  Expr lane = s.indices[static_cast<size_t>(innermost)];
  if (!pool.depends_on(b, lane)) std::swap(a, b);
  ContractionAxes axes;
  axes.vector_both = pool.depends_on(a, lane) && pool.depends_on(b, lane);
  for (Expr axis : s.axes) {
    bool in_a = pool.depends_on(a, axis), in_b = pool.depends_on(b, axis);
    (in_a && in_b ? axes.batch : in_b ? axes.n : axes.m).push_back(axis);
  }
  axes.k = s.reduce_axes;
  return axes;
}

std::optional<ValueId> view_source(const Graph& graph, const Region& source) {
  if (source.statements.size() != 1) return std::nullopt;
  Region region = source;
  ExprPool& pool = region.pool;
  const Statement& s = region.statements[0];
  if (!s.routine.empty() || pool.op(s.value) != SOp::Load || s.condition.valid() || !s.reduce_axes.empty()) return std::nullopt;
  const RegionBuffer& from = region.buffers[pool.buffer(s.value)];
  const RegionBuffer& to = region.buffers[s.out];
  if (!from.value.valid() || !to.value.valid() || from.type != to.type) return std::nullopt;
  const Layout& from_layout = graph.values[from.value].layout;
  const Layout& to_layout = graph.values[to.value].layout;
  if (!from_layout.halos.empty() || !to_layout.halos.empty()) return std::nullopt;
  if (physical_size(pool, from_layout, from.dims) != physical_size(pool, to_layout, to.dims)) return std::nullopt;
  auto indices = pool.operands(s.value);
  Expr read = physical_offset(pool, from_layout, from.dims, {indices.begin(), indices.end()});
  Expr written = physical_offset(pool, to_layout, to.dims, s.indices);
  // Axes of extent 1 are always 0.
  ExprPool::Substitution zero;
  for (Expr axis : s.axes)
    if (pool.is_index(pool.var(axis).extent, 1)) zero[axis] = pool.index(0);
  if (pool.substitute(read, zero) != pool.substitute(written, zero)) return std::nullopt;
  return from.value;
}

}  // namespace tenon
