#include <algorithm>

#include "tenon/policy.h"
#include "tiles.h"

namespace tenon {

namespace {

// Knob::parallel 2 makes as many bands. Of a depthwise convolution, which reads no more of constants for it, fewer pay as well: measured, 7 lines of
// 7 pixels took 0.8 of the time of tasks by channels, each pixel's lines of memory being half one core's, half the other's.
constexpr double kBands = 8, kFewestLines = 4;
// Parts of a window's rows, of at least so many: what is computed twice is at most a fourteenth of the producer's.
constexpr int64_t kFewParts = 2, kParts = 4, kRowsOfPart = 28;

// Bytes that the region reads of constants; of other values that it reads and writes.
struct Bytes {
  double constants = 0, others = 0;
};
Bytes traffic(const Graph& graph, const Region& region) {
  Bytes bytes;
  for (const RegionBuffer& buffer : region.buffers) {
    if (!buffer.is_input && !buffer.is_output) continue;
    const double size = bits(buffer.type) / 8.0 * elements(region.pool, buffer.dims);
    (buffer.value.valid() && graph.constant(buffer.value) ? bytes.constants : bytes.others) += size;
  }
  return bytes;
}

// Steps of the first row axis of a region whose lanes are its last statement's innermost axis.
void cut(const Graph& graph, Region& region, Variant& variant) {
  const ExprPool& pool = region.pool;
  Knobs& knobs = variant.knobs;
  const Bytes bytes = traffic(graph, region);
  // Every band goes through all constants.
  constexpr double kOfConstants = 2;
  if (knobs[Knob::parallel] == 0 || kOfConstants * bytes.constants >= bytes.others) return;
  const size_t last = region.statements.size() - 1;
  const Statement& s = region.statements[last];
  auto extent = [&](Expr axis) { return pool.as_int(pool.var(axis).extent).value_or(0); };
  if (knobs[Knob::attach_slide] == 1) {
    const std::vector<Expr> shared = shared_axes(graph, region, knobs);
    for (Expr axis : leading_axes(graph, region, last, s.axes.size())) {
      if (extent(axis) == 1 || std::ranges::find(shared, axis) != shared.end()) continue;
      const int64_t rows = extent(axis), parts = rows >= kParts * kRowsOfPart ? kParts : kFewParts;
      if (knobs[Knob::attach_rows] == 0 && rows >= kRowsOfPart) knobs.set(Knob::attach_rows, (rows + parts - 1) / parts);
      knobs.set(Knob::parallel, 2);
      return;
    }
    return;
  }
  if (knobs[Knob::attach] > 0 || knobs[Knob::order] == 1 || s.accumulators.empty()) return;
  const auto axes = classify(region, s, layout_of(graph, region.buffers[s.out]));
  if (!axes) return;
  double rows = 1, fewest = kBands;
  if (axes->vector_both) {
    fewest = kFewestLines;
    for (Expr axis : leading_axes(graph, region, last, s.axes.size()))
      if (extent(axis) != 1) {
        rows = static_cast<double>(extent(axis));
        break;
      }
  } else {
    rows = positions(pool, axes->m) / static_cast<double>(std::max<int64_t>(1, knobs[Knob::rows]));
  }
  if (rows >= fewest) knobs.set(Knob::parallel, 2);
}

}  // namespace

void cut_rows(const Graph& source, Plan& plan) {
  const Graph graph = laid_out(source, plan);
  for (RegionPlan& region_plan : plan.regions) {
    if (region_plan.provider != Provider::Own) continue;
    auto region = build_region(graph, region_plan);
    if (!region || region->statements.empty()) continue;
    for (Variant& variant : region_plan.schedule.variants) cut(graph, *region, variant);
  }
}

}  // namespace tenon
