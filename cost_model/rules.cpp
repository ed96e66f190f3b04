// The `rules` policy: no data, no measuring, always the same answer. Layouts, then the partition, then a
// register block per region from the tile's cost in cycles as the target's registers and issue rates give it.
#include <algorithm>
#include <cmath>

#include "few_rows.h"
#include "partition.h"
#include "tenon/policy.h"

namespace tenon {

namespace {

double known(const ExprPool& pool, Expr extent) {
  constexpr double kTypical = 64;  // a symbol's extent, where only its order of magnitude matters
  return static_cast<double>(pool.as_int(extent).value_or(static_cast<int64_t>(kTypical)));
}

// What a contraction is to a block of registers.
struct Work {
  double m = 1, n = 1;    // rows and columns, in all
  double run = 1;         // rows that one axis has: where a window keeps the axes apart, blocks run along the last
  bool symbolic = false;  // `run` is a guess
  double column = 0;      // bytes of the right operand that one column takes
  int element = 4;        // bytes of one of its elements, which is read once from memory
  int64_t extra = 1;      // registers that each vector of columns takes beside its rows
  double widest = 6;      // vectors of a panel that the cache holds beside the next one
};

// Cycles per reduction step of a tile of rows x vectors: two multiply-adds or loads per cycle, and no fewer
// cycles than the latency of one accumulator's chain. Loads that hide behind multiply-adds still take slots, more
// so (`vector_load`, in cycles) where they come from the second-level cache.
double step_cycles(double rows, double vectors, double vector_load) {
  constexpr double kLatency = 4, kHiddenLoad = 1.0 / 32;
  if (rows <= 0 || vectors <= 0) return 0;
  return std::max({rows * vectors / 2, (rows + vectors) / 2, kLatency}) + kHiddenLoad * rows + vector_load * vectors;
}

// All rows in blocks of `rows`. What is left of a symbolic extent is taken in powers of two: the mean over all rests.
double rows_cycles(double m, bool symbolic, int64_t rows, double vectors, double vector_load) {
  double block = static_cast<double>(rows), blocks = std::floor(m / block);
  double cycles = blocks * step_cycles(block, vectors, vector_load);
  if (!symbolic) return cycles + step_cycles(m - blocks * block, vectors, vector_load);
  for (int64_t rest = 1; rest < rows; ++rest)
    for (int64_t part = 1; part <= rest; part *= 2)
      if (rest & part) cycles += step_cycles(static_cast<double>(part), vectors, vector_load) / block;
  return cycles;
}

struct Block {
  int64_t rows = 4, vectors = 4;
};

// Rows that are a multiple of a page apart share one set of the first-level cache: no more of them than it has ways.
int64_t most_rows(const Target& target) {
  constexpr int64_t kPage = 4096, kFewWays = 8;
  return std::max(kFewWays, target.l1d_bytes / kPage);
}

Block best_block(const Target& target, const Work& work, int width) {
  constexpr double kBytesPerCycle = 10, kFromL1 = 1.0 / 32, kFromL2 = 0.15;
  Block best;
  double best_cost = INFINITY;
  const auto most_vectors = static_cast<int64_t>(std::min({6.0, std::ceil(work.n / width), work.widest}));
  for (int64_t vectors = 1; vectors <= most_vectors; ++vectors)
    for (int64_t rows = 1; rows <= most_rows(target) && (rows + work.extra) * vectors + 1 <= target.vector_registers; ++rows) {
      const double block = static_cast<double>(rows), columns = static_cast<double>(vectors * width);
      // A block longer than the axis takes whole runs.
      double m = work.m, times = 1;
      if (block <= work.run) m = work.run, times = work.m / work.run;
      else if (std::fmod(block, work.run) != 0) continue;
      const double panels = std::floor(work.n / columns), lane_tail = std::ceil((work.n - panels * columns) / width);
      const double load = work.column * columns > static_cast<double>(target.l1d_bytes) / 2 ? kFromL2 : kFromL1;
      double total = times * (panels * rows_cycles(m, work.symbolic, rows, static_cast<double>(vectors), load) +
                              rows_cycles(m, work.symbolic, rows, lane_tail, load));
      // Hidden behind multiply-adds where there are enough of them.
      total = std::max(total, std::ceil(work.n / columns) * columns * work.element / kBytesPerCycle);
      // A tie goes to the wider block: fewer loads of the left operand.
      if (total < best_cost * 0.999 || (total <= best_cost * 1.001 && rows * vectors > best.rows * best.vectors)) {
        best_cost = std::min(best_cost, total);
        best = {rows, vectors};
      }
    }
  return best;
}

// Channels that become four adjacent bytes, read from planes: vectors run along the rows of the planes.
bool makes_words(const Graph& graph, const Region& region) {
  const Statement& s = region.statements[0];
  const RegionBuffer& out = region.buffers[s.out];
  if (region.statements.size() != 1 || !s.reduce_axes.empty() || !s.routine.empty() || !out.value.valid() || bits(out.type) != 8) return false;
  const std::vector<LayoutPart>& parts = graph.values[out.value].layout.parts;
  constexpr int64_t kBytesPerWord = 4;
  if (parts.size() < 2 || !region.pool.is_index(out.dims[static_cast<size_t>(parts.back().dim)], kBytesPerWord)) return false;
  const Expr inner = s.indices[static_cast<size_t>(parts.back().dim)], around = s.indices[static_cast<size_t>(parts[parts.size() - 2].dim)];
  std::vector<Expr> loads;
  region.pool.collect_loads(s.value, loads);
  return std::ranges::any_of(loads, [&](Expr load) {
    const ValueId from = region.buffers[region.pool.buffer(load)].value;
    if (!from.valid() || !graph.values[from].layout.row_major() || region.pool.operands(load).empty()) return false;
    const Expr last = region.pool.operands(load).back();
    return region.pool.depends_on(last, around) && !region.pool.depends_on(last, inner);
  });
}

// Some statement has a vector's worth of work in one step of the axes that all share. Where none has, vectors run
// across the steps instead, each statement by itself.
bool fills_vectors(const Region& region, int64_t attach, const Target& target) {
  const ExprPool& pool = region.pool;
  return std::ranges::any_of(region.statements, [&](const Statement& s) {
    double work = 1;
    for (size_t k = static_cast<size_t>(attach); k < s.axes.size(); ++k) work *= known(pool, pool.var(s.axes[k]).extent);
    for (Expr axis : s.reduce_axes) work *= known(pool, pool.var(axis).extent);
    return work >= target.lanes(region.buffers[s.out].type);
  });
}

// `most_rows`: of any product.
Knobs choose_knobs(const Graph& graph, const Region& region, const Target& target, double most_rows = INFINITY) {
  Knobs knobs;
  if (int64_t attach = max_attach(region); attach && fills_vectors(region, attach, target)) knobs.set(Knob::attach, attach);
  if (target.masked_memory && makes_words(graph, region)) knobs.set(Knob::lanes, 2);
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
      const bool words = type == DType::I32 && std::ranges::find(target.atoms, "vpdpbusd", &Atom::name) != target.atoms.end();
      knobs.set(Knob::rows, target.vector_registers >= 32 && !words ? 7 : 4);
      knobs.set(Knob::vectors, words ? 4 : 1);
      continue;
    }
    m = std::min(m, most_rows);
    Work work{.m = m, .n = n, .run = m};
    const bool windowed = axes->k.size() > 1 && !axes->m.empty();
    if (windowed) work.run = known(pool, pool.var(axes->m.back()).extent);
    work.symbolic = m < most_rows && std::ranges::any_of(axes->m, [&](Expr e) {
      return !pool.as_int(pool.var(e).extent) && (!windowed || e == axes->m.back());
    });
    if (type == DType::I32) work.extra = 2;  // byte products may need a sum of what flipping signs adds
    work.element = type == DType::I32 ? 1 : bits(type) / 8;
    work.column = k * work.element;
    // Weights that come from memory for few rows are what the tile would wait for: they are read ahead, as long as
    // two panels fit the cache; for very few rows, always.
    constexpr double kFewestRows = 16, kVeryFewRows = 64, kFewRows = 256, kPanelShare = 0.4, kLeastVectors = 2;
    const double l2 = static_cast<double>(target.l2_bytes);
    const bool from_memory = m > kFewestRows && m <= kFewRows && work.column * n > l2;
    if (from_memory) work.widest = std::max(kLeastVectors, std::floor(kPanelShare * l2 / (work.column * width)));
    const Block block = best_block(target, work, width);
    knobs.set(Knob::rows, block.rows);
    knobs.set(Knob::vectors, block.vectors);
    const double panel = work.column * static_cast<double>(block.vectors * width);
    if (from_memory && (m <= kVeryFewRows || panel <= kPanelShare * l2)) knobs.set(Knob::prefetch, 1);
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
    if (const std::string condition = few_rows(graph, region); !condition.empty()) {
      Variant few{condition, choose_knobs(graph, region, target, 1)};
      few.knobs.set(Knob::pack_b, 2);
      region_plan.schedule.variants.insert(region_plan.schedule.variants.begin(), std::move(few));
    }
    plan.regions.push_back(std::move(region_plan));
  }
  return plan;
}

}  // namespace tenon
