// The `rules` policy: no data, no measuring, always the same answer. Layouts, then the partition, then a
// register block per region from the tile's cost in cycles as the target's registers and issue rates give it.
#include <algorithm>
#include <cmath>

#include "partition.h"
#include "tenon/policy.h"

namespace tenon {

namespace {

double known(const ExprPool& pool, Expr extent) {
  constexpr double kTypical = 64;  // a symbol's extent, where only its order of magnitude matters
  return static_cast<double>(pool.as_int(extent).value_or(static_cast<int64_t>(kTypical)));
}

// Cycles per reduction step of a tile of rows x vectors: two multiply-adds or loads per cycle, and no fewer
// cycles than the latency of one accumulator's chain.
double step_cycles(double rows, double vectors) {
  constexpr double kLatency = 4;
  return std::max({rows * vectors / 2, (rows + vectors) / 2, kLatency});
}

struct Block {
  int64_t rows = 4, vectors = 4;
};

Block best_block(const Target& target, double m, double n, int width) {
  Block best;
  double best_cost = INFINITY;
  int registers = target.vector_registers;
  for (int64_t vectors = 1; vectors <= 6; ++vectors)
    for (int64_t rows = 1; rows * vectors + vectors + 1 <= registers; ++rows) {
      double columns = static_cast<double>(vectors * width);
      double panels = std::floor(n / columns), lane_tail = std::ceil((n - panels * columns) / width);
      double blocks = std::floor(m / static_cast<double>(rows)), row_tail = m - blocks * static_cast<double>(rows);
      auto cost = [&](double r, double v) { return r > 0 && v > 0 ? step_cycles(r, v) : 0; };
      double r = static_cast<double>(rows), v = static_cast<double>(vectors);
      double total = blocks * (panels * cost(r, v) + cost(r, lane_tail)) + panels * cost(row_tail, v) + cost(row_tail, lane_tail);
      // A tie goes to the wider block: fewer loads of the left operand.
      if (total < best_cost * 0.999 || (total <= best_cost * 1.001 && rows * vectors > best.rows * best.vectors)) {
        best_cost = std::min(best_cost, total);
        best = {rows, vectors};
      }
    }
  return best;
}

Knobs choose_knobs(const Graph& graph, const Region& region, const Target& target) {
  Knobs knobs;
  if (int64_t attach = max_attach(region)) knobs.set(Knob::attach, attach);
  for (const Statement& s : region.statements) {
    Layout layout = region.buffers[s.out].value.valid() ? graph.values[region.buffers[s.out].value].layout : Layout{};
    auto axes = classify(region, s, layout);
    if (!axes) continue;
    const ExprPool& pool = region.pool;
    DType type = pool.type(s.accumulators[0].var);
    int width = target.lanes(type);
    double m = 1, n = 1, k = 1;
    for (Expr e : axes->m) m *= known(pool, pool.var(e).extent);
    for (Expr e : axes->n) n *= known(pool, pool.var(e).extent);
    for (Expr e : axes->k) k *= known(pool, pool.var(e).extent);
    if (axes->vector_both) {  // depthwise: reuse is along the window only
      knobs.set(Knob::rows, target.vector_registers >= 32 ? 7 : 4);
      knobs.set(Knob::vectors, 1);
      continue;
    }
    // Row blocks run along one axis where a window keeps the axes apart.
    double row_extent = axes->k.size() > 1 && !axes->m.empty() ? known(pool, pool.var(axes->m.back()).extent) : m;
    Block block = best_block(target, row_extent, n, width);
    knobs.set(Knob::rows, block.rows);
    knobs.set(Knob::vectors, block.vectors);
    // The operand that is larger is streamed once.
    knobs.set(Knob::order, k * n * 4 > m * k * 4 || k * n * 4 > static_cast<double>(target.l2_bytes) / 2 ? 0 : 1);
  }
  return knobs;
}

}  // namespace

Result<Plan> rules_policy(const Graph& source, const Target& target) {
  Graph graph = source;
  Plan plan;
  plan.target = target.name;
  plan.layouts = channels_last(graph);
  for (const auto& [value, layout] : plan.layouts) graph.values[value].layout = layout;
  for (RegionPlan& region_plan : partition(graph)) {
    TENON_TRY(Region region, build_region(graph, region_plan));
    if (auto of = view_source(graph, region)) {
      plan.views.emplace_back(region_plan.placed.back().first, *of);
      continue;
    }
    region_plan.schedule.variants[0].knobs = choose_knobs(graph, region, target);
    plan.regions.push_back(std::move(region_plan));
  }
  return plan;
}

}  // namespace tenon
