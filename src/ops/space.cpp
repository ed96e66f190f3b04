// What is legal for a region, read off its index expressions.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "tenon/narrow_float.h"
#include "tenon/plan.h"

namespace tenon {

Expr innermost_index(const Statement& s, const Layout& out) {
  return s.indices[out.parts.empty() ? s.indices.size() - 1 : static_cast<size_t>(out.parts.back().dim)];
}

std::optional<ContractionAxes> classify(const Region& region, const Statement& s, const Layout& out) {
  const ExprPool& pool = region.pool;
  const auto product = match_product(pool, s.accumulators);
  if (!product || s.axes.empty()) return std::nullopt;
  Expr a = product->a, b = product->b;
  const Expr lane = innermost_index(s, out);
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

bool overflows(const Graph& graph, const Region& region, DType to) {
  auto is_lost = [&](const Constant& constant) {
    float largest = 0;  // finite
    for (int64_t k = 0; k < (constant.splat ? 1 : constant.count()); ++k) {
      float x = 0;
      std::memcpy(&x, constant.bytes.data + static_cast<size_t>(k) * sizeof x, sizeof x);
      if (std::isfinite(x)) largest = std::max(largest, std::abs(x));
    }
    return std::isinf(round_to(to, largest));
  };
  return std::ranges::any_of(region.statements, [&](const Statement& s) {
    std::vector<Expr> loads;
    auto collect = [&](auto& self, Expr e) -> void {
      if (region.pool.op(e) == SOp::Cast && region.pool.type(e) == to) return region.pool.collect_loads(e, loads);
      for (Expr operand : region.pool.operands(e)) self(self, operand);
    };
    for (const Accumulator& sum : s.accumulators) collect(collect, sum.update);
    return std::ranges::any_of(loads, [&](Expr load) {
      const ValueId value = region.buffers[region.pool.buffer(load)].value;
      const Constant* constant = value.valid() ? graph.constant(value) : nullptr;
      return constant && constant->type == DType::F32 && is_lost(*constant);
    });
  });
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
  if (!from_layout.halos.empty() || !to_layout.halos.empty() || !from_layout.within.empty() || !to_layout.within.empty()) return std::nullopt;
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
