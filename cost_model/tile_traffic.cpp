// Bytes between registers and the caches: which part of every operand a loop touches, and whether it is still there when the loop
// around comes back to it.
#include <algorithm>
#include <cmath>

#include "evaluate.h"

namespace tenon {

namespace {

using Kind = StatementFacts::Kind;
constexpr size_t kMostLoops = kMostAxes + 3;

struct Loop {
  int axis = -1;       // -1: the blocks of the shared axes
  double trips = 1, extent = 1;  // of the axis, once it is done
};

struct Touched {
  double bytes = 0, lines = 0, run = 0;  // different ones; bytes of the lines that hold them; in a row
};

// What an access touches while every axis goes through so many positions.
Touched touched_by(const AccessFacts& a, const std::array<double, kMostAxes>& extent, double line, bool packed) {
  double elements = 1, runs = 1, run = 1;
  bool whole = true;  // all dims inside are taken whole: the next one goes on where they end
  for (size_t d = a.dims.size(); d-- > 0;) {
    const AccessFacts::Dim& dim = a.dims[d];
    double span = 1, positions = 1;
    for (const auto& [axis, by] : dim.steps) {
      const double n = axis < static_cast<int>(kMostAxes) ? extent[static_cast<size_t>(axis)] : 1;
      span += by * (n - 1), positions *= n;
    }
    if (!dim.affine) span = dim.extent;
    const double reach = std::min(span, dim.extent), count = std::min(reach, positions);
    elements *= count;
    if (whole) run *= reach;
    else runs *= count;
    whole = whole && reach >= dim.extent;
  }
  Touched p{.bytes = elements * a.element};
  p.run = packed ? p.bytes : run * a.element;
  p.lines = packed ? p.bytes : std::max(p.bytes, runs * std::ceil(p.run / line) * line);
  // Of a run that skips elements, no more lines than elements.
  if (!packed) p.lines = std::min(p.lines, std::max(p.bytes, elements * line));
  return p;
}

// From the outermost to the innermost, without those of one step.
size_t loops_of(const StatementFacts& s, const TileUse& t, const Knobs& knobs, std::array<Loop, kMostLoops>& loops) {
  size_t count = 0;
  const int outputs = std::min(s.outputs, static_cast<int>(kMostAxes)), lane = t.lanes_reduce ? s.reduce_lane : s.lane;
  auto put = [&](int axis, double from, double to) {
    if (to > from) loops[count++] = {axis, to / from, to};
  };
  const bool panels_outside = s.sums && knobs[Knob::order] == 0;
  int last_row = -1;
  for (int a = 0; a < outputs; ++a)
    if (a != lane && t.block[static_cast<size_t>(a)] > 1) last_row = a;
  double cache_block = 0;
  if (const auto wanted = static_cast<double>(knobs[Knob::row_block]); last_row >= 0 && wanted > t.block[static_cast<size_t>(last_row)]) {
    cache_block = std::min(t.extent[static_cast<size_t>(last_row)], wanted);
    put(last_row, cache_block, t.extent[static_cast<size_t>(last_row)]);
  }
  auto full = [&](int a) { return a == last_row && cache_block > 0 ? cache_block : t.extent[static_cast<size_t>(a)]; };
  auto put_axes = [&](bool sharing, bool not_sharing, bool rows) {
    for (int a = 0; a < outputs; ++a) {
      const auto at = static_cast<size_t>(a);
      if (a == lane || (t.block[at] > 1) != rows || !(s.axes[at].shares ? sharing : not_sharing)) continue;
      put(a, t.block[at], full(a));
    }
  };
  const bool lane_loop = lane >= 0 && !t.lanes_reduce;
  auto put_lane = [&] {
    if (lane_loop) put(lane, t.block[static_cast<size_t>(lane)], t.extent[static_cast<size_t>(lane)]);
  };
  if (panels_outside) {
    put_axes(false, true, false), put_lane(), put_axes(true, false, false), put_axes(true, true, true);
  } else {
    put_axes(true, true, false), put_axes(true, true, true), put_lane();
  }
  return count;
}

// Which share of a cache's hits are lost where so much is touched before a use comes back.
double lost(double bytes, double cache) { return cache <= 0 ? 1 : std::clamp(2 * bytes / cache - 1.5, 0.0, 1.0); }

}  // namespace

void add_traffic(const StatementFacts& s, const TileUse& t, const Knobs& knobs, const DeviceFacts& d, Evaluation& e, bool heaviest) {
  if (s.moved == 0) return;
  std::array<Loop, kMostLoops> loops;
  const size_t count = s.kind == Kind::Routine ? 0 : loops_of(s, t, knobs, loops);
  constexpr size_t kMostAccesses = 24;
  struct Moving {
    Touched tile, now;
    double fills[kCaches] = {};
    double distance = 0;
  };
  std::array<Moving, kMostAccesses> states;
  const size_t accesses = std::min(s.accesses.size(), kMostAccesses);
  std::array<double, kMostAxes> extent = t.block;
  const bool packs = packs_right(s, knobs);
  auto is_packed = [&](const AccessFacts& a) { return packs && a.in_sum && !a.write && s.lane >= 0 && (a.uses >> s.lane & 1); };
  double body = 0;
  for (size_t k = 0; k < accesses; ++k) {
    const AccessFacts& a = s.accesses[k];
    Moving& state = states[k];
    state.tile = s.kind == Kind::Routine ? Touched{a.total, a.total, a.total} : touched_by(a, extent, d.line_bytes, is_packed(a));
    state.now = state.tile;
    for (double& fill : state.fills) fill = state.tile.lines;
    body += state.tile.lines;
  }
  if (heaviest) e.tile_bytes = body, e.pass_bytes = body;
  auto go = [&](double trips, auto&& grow) {
    double lose[kCaches];
    for (size_t c = 0; c < kCaches; ++c) lose[c] = lost(body, d.bytes[c]);
    double next = 0;
    for (size_t k = 0; k < accesses; ++k) {
      Moving& state = states[k];
      const Touched after = grow(s.accesses[k], state.now);
      if (after.bytes == state.now.bytes && state.distance == 0) state.distance = body;
      for (size_t c = 0; c < kCaches; ++c) {
        const double kept = std::max(state.fills[c], after.lines), again = std::max(after.lines, state.fills[c] * trips);
        state.fills[c] = (1 - lose[c]) * kept + lose[c] * again;
      }
      state.now = after;
      next += after.lines;
    }
    if (heaviest) e.pass_bytes = body;
    body = next;
  };
  for (size_t l = count; l-- > 0;) {
    extent[static_cast<size_t>(loops[l].axis)] = loops[l].extent;
    go(loops[l].trips, [&](const AccessFacts& a, const Touched&) { return touched_by(a, extent, d.line_bytes, is_packed(a)); });
  }
  if (t.blocks > 1)
    go(t.blocks, [&](const AccessFacts& a, Touched now) {
      const double most = a.temporary ? now.lines : std::max(now.lines, std::min(now.lines * t.blocks, a.total));
      return Touched{std::max(now.bytes, std::min(most, now.bytes * t.blocks)), most, now.run};
    });
  if (heaviest) e.region_bytes = std::max(e.region_bytes, body);
  // Registers: what each step of a tile loads.
  const double steps = s.kind == Kind::Routine ? 1 : s.terms / s.steps_at_once, rows = t.rows;
  const int lane = t.lanes_reduce ? s.reduce_lane : s.lane;
  const double vectors_in_all = s.kind == Kind::Routine ? s.points : t.executed / t.rows;  // x rows: elements of results, idle ones too
  for (size_t k = 0; k < accesses; ++k) {
    const AccessFacts& a = s.accesses[k];
    Moving& state = states[k];
    double touched = s.kind == Kind::Routine ? a.total : 0;
    if (s.kind != Kind::Routine) {
      const bool by_row = a.uses & other_axes(s, t, true);
      const bool varies = lane >= 0 && (a.uses >> lane & 1);
      // Elements: per row or for all rows of a tile, per lane or for all lanes.
      const double lanes = t.lanes_reduce ? 1 : std::max(1.0, t.vectors * t.width);
      const double results = vectors_in_all * (by_row || a.write ? rows : 1) / (varies || a.write || lane < 0 ? 1 : lanes);
      touched = results * (a.in_sum ? steps * s.steps_at_once : 1) * a.element * a.copies * (a.in_sum && varies ? loaded_share(s, a, t, knobs, d) : 1);
    }
    (a.write ? e.written : e.read) += touched;
    // What the kernels before left in a cache need not come; a result's line is read before it is written, and goes back.
    constexpr double kComesAndGoes = 2;
    double fills[kCaches];
    for (size_t c = 0; c < kCaches; ++c) {
      const double cold = std::min(state.now.lines, state.fills[c]);
      const double away = a.temporary ? lost(state.now.bytes, d.bytes[c]) : lost(a.comes_after + (a.constant ? 0 : a.total), d.bytes[c]);
      fills[c] = (state.fills[c] - cold + cold * away) * s.moved;
      if (a.write && c > 0) fills[c] *= kComesAndGoes;
      e.fills[c] += fills[c];
    }
    BufferUse& use = e.buffers[std::min(static_cast<size_t>(a.buffer), kMostBuffers - 1)];
    const bool first = use.touched == 0;
    use.touched += touched;
    use.unique = std::max(use.unique, state.now.bytes);
    use.lines += fills[0] / d.line_bytes;
    use.distance = std::max(use.distance, state.distance > 0 ? state.distance : e.tile_bytes);
    if (!first) continue;
    use.run = state.tile.run;
    use.stride = lane < 0 || a.steps.size() <= static_cast<size_t>(lane) ? 0 : is_packed(a) && (a.uses >> lane & 1) ? a.element : std::abs(a.steps[static_cast<size_t>(lane)]) * a.element;
    double apart = 0;
    for (int x = std::min(s.outputs, static_cast<int>(kMostAxes)); x-- > 0 && apart == 0;)
      if (x != lane && static_cast<size_t>(x) < a.steps.size() && !std::isnan(a.steps[static_cast<size_t>(x)])) apart = std::abs(a.steps[static_cast<size_t>(x)]) * a.element;
    use.alignment = apart > 0 ? std::min(d.line_bytes, std::exp2(std::floor(std::log2(static_cast<double>(static_cast<int64_t>(apart) & -static_cast<int64_t>(apart)) + 0.5)))) : d.line_bytes;
  }
}

}  // namespace tenon
