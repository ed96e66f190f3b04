// Padding of a product's operand: a copy with zeros around it, or conditions in the tiles beside the border.
#include "padding.h"

#include <algorithm>
#include <cmath>

#include "halos.h"

namespace tenon {

namespace {

constexpr double kUnknown = -1;

// What the tiles of a product know of the operand whose elements its rows share.
struct Operand {
  ExprPool& pool;
  const Statement& s;
  const ContractionAxes& axes;
  std::vector<Expr> indices, dims;
  Expr offset;  // in memory

  // Columns of a line for which some tap lies outside; kUnknown: more of the loads have conditions than those.
  double border(int64_t part) const {
    const Expr column = axes.m.back();
    double found = 0;
    for (size_t d = 0; d < indices.size(); ++d) {
      if (pool.provably_nonnegative(indices[d]) && pool.provably_less(indices[d], dims[d])) continue;
      const auto taps = std::ranges::find_if(s.reduce_axes, [&](Expr axis) { return pool.depends_on(indices[d], axis); });
      if (taps == s.reduce_axes.end() || std::ranges::count_if(s.reduce_axes, [&](Expr axis) { return pool.depends_on(indices[d], axis); }) != 1)
        return kUnknown;
      if (!pool.depends_on(indices[d], column)) {  // whole rows of taps are left out, where their sum is not cut there
        if (cuts(*taps, part)) return kUnknown;
        continue;
      }
      const auto split = pool.affine(indices[d], column);
      const auto step = split ? pool.as_int(split->first) : std::nullopt, extent = pool.as_int(dims[d]), columns = pool.as_int(pool.var(column).extent);
      if (!step || *step <= 0 || !extent || !columns) return kUnknown;
      const auto [low, high] = pool.bounds(split->second);
      if (low <= -kIndexMax || high >= kIndexMax) return kUnknown;
      auto steps = [&](int64_t outside) { return std::ceil(static_cast<double>(std::max<int64_t>(0, outside)) / static_cast<double>(*step)); };
      found += steps(-low) + steps(high + *step * (*columns - 1) - *extent + 1);
    }
    return found;
  }

 private:
  // Whether a sum in parts of so many terms goes from one part to the next along the axis (tile_nest.cpp).
  bool cuts(Expr axis, int64_t part) const {
    auto distance = [&](Expr along) {
      const auto split = pool.affine(offset, along);
      return split ? pool.as_int(split->first).value_or(kIndexMax) : kIndexMax;
    };
    double inside = 1, total = 1;
    for (Expr other : s.reduce_axes) {
      total *= known(pool, pool.var(other).extent);
      if (other != axis && distance(other) < distance(axis)) inside *= known(pool, pool.var(other).extent);
    }
    const auto most = static_cast<double>(part), longest = total <= most ? total : std::min(most, std::ceil(total / 2));
    return inside <= longest && inside * known(pool, pool.var(axis).extent) > longest;
  }
};

}  // namespace

bool reads_in_place(const Graph& graph, Region& region, size_t statement, const Target& target, const Tile& tile, const Blocks& blocks) {
  constexpr double kConditionCycles = 5, kGiga = 1e9;  // measured: two borders of 7x7 taps
  ExprPool& pool = region.pool;
  const Statement& s = region.statements[statement];
  const RegionBuffer& out = region.buffers[s.out];
  const Layout layout = layout_of(graph, out);
  const auto axes = classify(region, s, layout);
  if (!axes || axes->vector_both || axes->m.empty() || pool.type(s.accumulators[0].var) != DType::F32) return false;
  if (tile.knobs[Knob::matrix] == 1 || tile.knobs[Knob::halves] == 1 || tile.knobs[Knob::winograd] > 0 || tile.knobs[Knob::row_block] > 0) return false;
  const Expr select = factors_of(region, s, layout)->shared;
  if (pool.op(select) != SOp::Select || pool.op(pool.operands(select)[1]) != SOp::Load) return false;
  const Expr load = pool.operands(select)[1];
  const RegionBuffer& read = region.buffers[pool.buffer(load)];
  if (!read.value.valid() || read.type != DType::F32 || pool.as_double(pool.operands(select)[2]) != 0.0) return false;
  if (std::ranges::find(region.statements, pool.buffer(load), &Statement::out) != region.statements.end()) return false;
  const Layout& from = graph.values[read.value].layout;
  // Rows of a tile lie in one line, of which a block has all.
  const Expr column = axes->m.back();
  const auto columns = pool.as_int(pool.var(column).extent);
  const auto position = static_cast<size_t>(std::ranges::find(s.axes, column) - s.axes.begin());
  if (blocks.attachment && blocks.attachment->axes[statement][position].shared >= 0) return false;
  const int64_t rows = std::max<int64_t>(1, tile.knobs[Knob::rows]);
  if (!from.halos.empty() || !columns || *columns < rows) return false;
  Operand operand{pool, s, *axes, {pool.operands(load).begin(), pool.operands(load).end()}, read.dims, {}};
  operand.offset = physical_offset(pool, from, read.dims, operand.indices);
  const double border = operand.border(tile.knobs[Knob::k_block] > 0 ? tile.knobs[Knob::k_block] : target.terms_at_once());
  if (border < 0 || target.gflops_f32 <= 0) return false;
  const double m = positions(pool, axes->m), n = positions(pool, axes->n), k = positions(pool, axes->k);
  const double bytes = bits(read.type) / 8.0 * elements(pool, read.dims);
  const double width = target.lanes(DType::F32), cycles_per_second = target.gflops_f32 * kGiga * multiply_add_cycles(target) / (2 * width);
  const double panels = std::ceil(n / (width * static_cast<double>(std::max<int64_t>(1, tile.knobs[Knob::vectors]))));
  const double conditions = m / static_cast<double>(*columns) * border * k * panels;
  // A model's input comes from memory, copied or not; its copy has to go through the caches once more.
  const bool input = std::ranges::count(graph.inputs, read.value) > 0 && target.dram_gb_per_s > 0;
  const double copied = input ? bytes / (target.dram_gb_per_s * kGiga) : copy_seconds(target, bytes);
  return conditions * kConditionCycles / cycles_per_second < copied;
}

bool reads_window_of_input(const Graph& graph, const Region& region, size_t statement, const Knobs& knobs) {
  const ExprPool& pool = region.pool;
  const Statement& s = region.statements[statement];
  const Layout layout = layout_of(graph, region.buffers[s.out]);
  const auto axes = classify(region, s, layout);
  if (!axes || axes->vector_both || knobs[Knob::matrix] == 1) return false;
  Expr factor = factors_of(region, s, layout)->shared;
  if (pool.op(factor) == SOp::Select && knobs[Knob::padding] == 1) factor = pool.operands(factor)[1];
  return pool.op(factor) == SOp::Load && std::ranges::count(graph.inputs, region.buffers[pool.buffer(factor)].value) > 0 && reads_window(pool, factor, *axes);
}

}  // namespace tenon
