// The tile that knobs give a statement, as passes/loop chooses and cuts it, and how many there are.
#include <algorithm>
#include <cmath>

#include "evaluate.h"

namespace tenon {

namespace {

using Kind = StatementFacts::Kind;

// Positions along the axis in one block of the shared axes.
double taken(const StatementFacts::Axis& axis, const RegionFacts& facts, double steps) {
  if (axis.span.shared < 0) return axis.extent;
  const bool last = axis.span.shared + 1 == static_cast<int>(facts.shared.size());
  return std::min(axis.extent, static_cast<double>(axis.span.step) * ((last ? steps : 1) - 1) + static_cast<double>(axis.span.reach) + 1);
}

// Rows from the innermost axes along which a vector operand is the same; any axes where there is no such.
void choose_rows(const StatementFacts& s, double wanted, int lane, TileUse& t) {
  const int outputs = std::min(s.outputs, static_cast<int>(kMostAxes));
  bool reuse = false;
  for (int a = 0; a < outputs; ++a) reuse = reuse || (a != lane && s.axes[static_cast<size_t>(a)].shares);
  double left = wanted;
  for (int a = outputs; a-- > 0;) {
    const auto at = static_cast<size_t>(a);
    const double extent = t.extent[at];
    if (a == lane || left <= 1 || (reuse && !s.axes[at].shares)) continue;
    const double block = std::clamp(extent, 1.0, left);
    t.block[at] = block;
    t.rows *= block;
    left = extent <= left ? std::floor(left / block) : 1;
    if (block < extent || s.axes[at].symbolic) {
      t.whole_rows = std::floor(extent / block);
      t.symbolic_rows = s.axes[at].symbolic && block > 1;
      t.rest_rows = (extent - t.whole_rows * block) * (t.rows / block);
      t.row_remainder = t.symbolic_rows ? std::min(1.0, (block - 1) / 2 / extent) : (extent - t.whole_rows * block) / extent;
    }
  }
}

}  // namespace

TileUse tile_of(const RegionFacts& facts, const StatementFacts& s, const Knobs& knobs, const Knobs& of_region, const DeviceFacts& device) {
  TileUse t;
  const int axes = std::min(static_cast<int>(s.axes.size()), static_cast<int>(kMostAxes)), outputs = std::min(s.outputs, axes);
  const bool attached = !facts.shared.empty() && !s.before;
  const double steps = static_cast<double>(std::max<int64_t>(1, of_region[Knob::attach_block]));
  for (int a = 0; a < axes; ++a) {
    const auto at = static_cast<size_t>(a);
    t.extent[at] = std::max(1.0, attached && a < outputs ? taken(s.axes[at], facts, steps) : s.axes[at].extent);
    t.block[at] = a < outputs ? 1 : t.extent[at];
  }
  if (attached)
    for (size_t a = 0; a < facts.shared.size(); ++a) t.blocks *= std::ceil(facts.shared[a] / (a + 1 == facts.shared.size() ? steps : 1));
  constexpr double kBitsPerByte = 8, kVectors = 4, kRows = 4;
  constexpr int64_t kWords = 2, kJoined = 3;
  const int64_t lanes_knob = knobs[Knob::lanes];
  t.native = std::max(1.0, device.vector_bytes * kBitsPerByte / std::max(8, bits(s.type)));
  t.width = knobs[Knob::width] > 0 ? static_cast<double>(knobs[Knob::width]) : t.native;
  int lane = s.lane;
  if (s.sums && !s.ordered && s.reduce_lane >= 0 && (lanes_knob == 1 || (s.prefers_reduction && !packs_right(s, knobs)))) lane = s.reduce_lane, t.lanes_reduce = true;
  if (lane >= axes) lane = -1;
  t.scalar = lane < 0;
  const double asked_vectors = knobs[Knob::vectors] > 0 ? static_cast<double>(knobs[Knob::vectors]) : kVectors;
  const double asked_rows = knobs[Knob::rows] > 0 ? static_cast<double>(knobs[Knob::rows]) : t.lanes_reduce ? 1 : kRows;
  if (t.scalar) t.width = 1;
  else if (s.sums) choose_rows(s, asked_rows, lane, t);
  double along = lane < 0 ? 1 : t.extent[static_cast<size_t>(lane)];
  // The axis around is taken with the innermost one.
  if (!s.sums && lane > 0 && (lanes_knob == kJoined || lanes_knob == kWords)) {
    along *= t.extent[static_cast<size_t>(lane - 1)];
    t.block[static_cast<size_t>(lane - 1)] = t.extent[static_cast<size_t>(lane - 1)];
  }
  t.vectors = t.scalar ? 1 : std::clamp(std::ceil(along / t.width), 1.0, asked_vectors);
  const double panel = t.vectors * t.width, part = device.unit_bytes / device.vector_bytes;
  t.panels = std::floor(along / panel);
  const double rest = along - t.panels * panel;
  t.rest_vectors = std::ceil(rest / (part * t.width)) * part;
  if (lane >= 0 && !t.lanes_reduce) t.block[static_cast<size_t>(lane)] = std::min(panel, t.extent[static_cast<size_t>(lane)]);
  const double lanes = t.panels * panel + t.rest_vectors * t.width;
  t.idle = (lanes - along) / lanes;
  for (int a = 0; a < outputs; ++a)
    if (a != lane) t.passes *= t.block[static_cast<size_t>(a)] > 1 ? 1 : t.extent[static_cast<size_t>(a)];
  double points = 1;
  for (int a = 0; a < outputs; ++a) points *= t.extent[static_cast<size_t>(a)];
  t.executed = points * t.blocks * (t.lanes_reduce ? 1 : lanes / along) * s.moved;
  const double row_tiles = t.whole_rows + (t.rest_rows > 0 ? 1 : 0), lane_tiles = t.lanes_reduce ? 1 : t.panels + (t.rest_vectors > 0 ? 1 : 0);
  t.tiles = t.passes * t.blocks * row_tiles * lane_tiles;
  const double whole = t.passes * t.blocks * t.whole_rows * (t.lanes_reduce ? 1 : t.panels);
  t.imperfect = t.tiles > 0 ? (t.tiles - whole) / t.tiles : 0;
  return t;
}

}  // namespace tenon
