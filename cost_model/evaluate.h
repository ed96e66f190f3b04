// One candidate's tiles, cycles and bytes: what features and the prior are made of. Nothing here allocates.
#pragma once

#include <algorithm>
#include <array>

#include "tenon/features.h"

namespace tenon {

inline constexpr double kGiga = 1e9;
inline constexpr size_t kMostAxes = 12, kMostBuffers = 32, kCaches = 3;

// The innermost memory that holds so many bytes: 0 ... 2 a cache, 3 memory.
int level_of(const DeviceFacts& device, double bytes);

// A tile and how often there is one. Extents of axes are those that a block of the shared axes leaves.
struct TileUse {
  double rows = 1, vectors = 1, width = 1;       // rows, vectors of a row, elements of a vector
  double native = 1;                             // elements that a vector of the device holds
  bool lanes_reduce = false, scalar = false;
  std::array<double, kMostAxes> extent = {};     // of an axis, in all
  std::array<double, kMostAxes> block = {};      // of it in a tile
  double whole_rows = 1, rest_rows = 0;          // blocks of `rows`, per pass of the rows; rows of the last, shorter one
  double panels = 1, rest_vectors = 0;           // whole panels; vectors of the last one, in parts where units compute these
  double passes = 1;                             // of all rows and panels
  double blocks = 1;                             // of the shared axes
  double idle = 0;                               // lanes without work / lanes
  double executed = 0, tiles = 0, imperfect = 0; // points; tiles, not whole ones
  double row_remainder = 0;                      // rows in shorter blocks / rows
  bool symbolic_rows = false;                    // how many are left only a run knows
};
TileUse tile_of(const RegionFacts& facts, const StatementFacts& s, const Knobs& knobs, const Knobs& of_region, const DeviceFacts& device);

struct BufferUse {
  double touched = 0, unique = 0, lines = 0, stride = 0, run = 0, distance = 0, alignment = 0;
};

struct Evaluation {
  Knobs knobs = {}, region_knobs = {};           // of the heaviest statement; of the region
  TileUse tile = {};                             // of the heaviest statement
  double sum_parts = 1, copies = 0, packed = 0;
  OpCounts ops = {};                             // in all
  double macs[5] = {};                           // f32, halves, bytes, 4 bits, other integers
  double short_functions = 0;
  double executed = 0, points = 0;
  double cycles = 0;
  double read = 0, written = 0;                  // bytes between registers and L1
  double fills[kCaches] = {};                    // bytes into L1, L2, L3
  double tile_bytes = 0, pass_bytes = 0, region_bytes = 0;
  std::array<BufferUse, kMostBuffers> buffers = {};
  double calls = 0, tasks = 1;
  Prior prior = {};
};
void evaluate(const RegionFacts& facts, const Variant& variant, const DeviceFacts& device, Evaluation& e);

// The right factor lies in panels: packed at compile time or at run time.
inline bool packs_right(const StatementFacts& s, const Knobs& knobs) {
  return s.kind == StatementFacts::Kind::Product && (s.right_constant || knobs[Knob::pack_b] == 1 || (knobs[Knob::pack_b] == 0 && s.strided_right));
}
// Different elements that an access touches while every axis goes through so many positions.
inline double elements_touched(const AccessFacts& a, const std::array<double, kMostAxes>& extent) {
  double elements = 1;
  for (const AccessFacts::Dim& dim : a.dims) {
    double span = 1, positions = 1;
    for (const auto& [axis, by] : dim.steps)
      if (axis < static_cast<int>(kMostAxes)) span += by * (extent[static_cast<size_t>(axis)] - 1), positions *= extent[static_cast<size_t>(axis)];
    elements *= std::min({dim.affine ? span : dim.extent, dim.extent, positions});
  }
  return elements;
}
// Of the loads of a sum in whole vectors, the share that is executed. Where all steps stand in one straight line, rows whose windows
// overlap load once what they share, and registers keep from tile to tile what all rows of a panel read, if they hold it.
double loaded_share(const StatementFacts& s, const AccessFacts& a, const TileUse& t, const Knobs& knobs, const DeviceFacts& device);
// Axes of the result but the lanes', as bits; those that a tile takes rows of.
inline int64_t other_axes(const StatementFacts& s, const TileUse& t, bool rows) {
  const int lane = t.lanes_reduce ? s.reduce_lane : s.lane;
  int64_t axes = 0;
  for (int a = 0; a < std::min(s.outputs, static_cast<int>(kMostAxes)); ++a)
    if (a != lane && (!rows || t.block[static_cast<size_t>(a)] > 1)) axes |= int64_t{1} << a;
  return axes;
}
// Cycles of all tiles of a statement.
double cycles_of(const StatementFacts& s, const TileUse& tile, const Knobs& knobs, const DeviceFacts& device);
// Adds what the statement moves between registers and the caches.
void add_traffic(const StatementFacts& s, const TileUse& tile, const Knobs& knobs, const DeviceFacts& device, Evaluation& e, bool heaviest);

}  // namespace tenon
