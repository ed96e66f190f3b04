// When Winograd's transforms pay. The products take (m+2)^2 / 9 m^2 of the multiplications; against that stand the transforms,
// what is transformed going through the caches, weights that are larger, and tiles that reach beyond the result.
#include "winograd.h"

#include <algorithm>
#include <array>

#include "tenon/winograd.h"

namespace tenon {

namespace {

constexpr double kGiga = 1e9;

double nonzero(double rate, double otherwise) { return rate > 0 ? rate : otherwise; }

class Estimate {
 public:
  Estimate(const Graph& graph, const Region& region, const WinogradConv& conv, const Target& target)
      : graph_(graph), conv_(conv), target_(target), vectors_(target) {
    const ExprPool& pool = region.pool;
    channels_ = known(pool, pool.var(conv.c).extent);
    outputs_ = known(pool, pool.var(conv.o).extent);
    for (Expr axis : conv.others) images_ *= known(pool, pool.var(axis).extent);
    vectors_.atoms.clear();  // the products are of f32, in vectors
  }

  // The whole convolution by F(m,3), `rows` of tiles at a time; 0: in turn.
  std::optional<Tile> run(int64_t m, int64_t rows) {
    const double points = static_cast<double>((m + 2) * (m + 2));
    const auto ceil = [&](int64_t n) { return (n + m - 1) / m; };
    const int64_t across = ceil(conv_.width), down = ceil(conv_.height);
    const double tiles = images_ * static_cast<double>(across * down);
    const double block = rows == 0 ? tiles : static_cast<double>(rows * across);
    const double blocks = rows == 0 ? 1 : images_ * static_cast<double>((down + rows - 1) / rows);
    auto product = product_tile(block);
    if (!product) return std::nullopt;
    // Vectors of channels per tile: 2 operations per point and dimension, two a cycle, and what is loaded and stored.
    constexpr double kCyclesPerPoint = 3, kOperationsPerCycle = 4;
    const double lanes = target_.lanes(DType::F32), hertz = target_.gflops_f32 * kGiga / (kOperationsPerCycle * lanes);
    const double transforms = tiles * points * kCyclesPerPoint * (std::ceil(channels_ / lanes) + std::ceil(outputs_ / lanes)) / hertz;
    constexpr double kElement = 4, kResident = 0.75;
    const double moved = points * block * (channels_ + outputs_) * kElement, weights = points * channels_ * outputs_ * kElement;
    const double l2 = kResident * static_cast<double>(target_.l2_bytes), l3 = kResident * static_cast<double>(target_.l3_bytes);
    const double dram = target_.dram_gb_per_s * kGiga, far = nonzero(target_.l3_gb_per_s * kGiga, dram);
    auto rate = [&](double bytes) { return bytes <= l2 ? target_.l2_gb_per_s * kGiga : bytes <= l3 ? far : dram; };
    // Written and read; weights once from memory, and again for every block unless the cache holds them beside it.
    const double traffic = blocks * 2 * moved / rate(moved), again = moved + weights <= l2 ? 0 : (blocks - 1) * weights / rate(weights);
    Tile tile{.knobs = product->knobs, .seconds = blocks * points * product->seconds + transforms + traffic + again + weights / dram};
    tile.knobs.set(Knob::winograd, m);
    if (rows > 0) tile.knobs.set(Knob::attach, 2);
    if (rows > 1) tile.knobs.set(Knob::attach_block, rows);
    return tile;
  }

  double direct(double seconds) const {
    constexpr double kTaps = 9, kElement = 4;
    return seconds + kTaps * channels_ * outputs_ * kElement / (target_.dram_gb_per_s * kGiga);
  }

 private:
  // Of one point's product for all tiles of a block.
  std::optional<Tile> product_tile(double tiles) {
    Region region;
    ExprPool& pool = region.pool;
    auto axis = [&](const char* name, double extent) { return pool.axis(name, pool.index(static_cast<int64_t>(extent))); };
    const Expr t = axis("t", tiles), o = axis("o", outputs_), c = axis("c", channels_);
    auto buffer = [&](Expr row, Expr column) {
      return region.buffers.push({"", {}, DType::F32, {pool.var(row).extent, pool.var(column).extent}});
    };
    const BufferId x = buffer(t, c), w = buffer(c, o);
    Statement s{.out = buffer(t, o), .axes = {t, o}, .indices = {t, o}, .reduce_axes = {c}};
    Accumulator sum{.var = pool.new_var({.name = "acc", .type = DType::F32, .lo = -kIndexMax}), .init = pool.constant(DType::F32, 0), .update = {}, .monoid = Monoid::Sum};
    sum.update = pool.binary(SOp::Add, sum.var, pool.binary(SOp::Mul, pool.load(x, DType::F32, std::array{t, c}), pool.load(w, DType::F32, std::array{c, o})));
    s.value = sum.var;
    s.accumulators = {sum};
    region.statements.push_back(std::move(s));
    return best_tile(graph_, region, 0, vectors_);
  }

  const Graph& graph_;
  const WinogradConv& conv_;
  const Target& target_;
  Target vectors_;
  double channels_ = 1, outputs_ = 1, images_ = 1;
};

// Vectors run along the channels of both.
bool channels_last(const Graph& graph, const Region& region, const Statement& s, const WinogradConv& conv) {
  auto innermost = [&](BufferId b) -> std::optional<size_t> {
    const ValueId v = region.buffers[b].value;
    if (!v.valid() || graph.values[v].layout.parts.empty() || graph.values[v].layout.parts.back().modulo != 0) return std::nullopt;
    return static_cast<size_t>(graph.values[v].layout.parts.back().dim);
  };
  const auto x = innermost(conv.x), out = innermost(s.out);
  return x && out && conv.at[*x] == conv.c && s.indices[*out] == conv.o;
}

}  // namespace

std::optional<Tile> winograd_tile(const Graph& graph, Region& region, size_t statement, const Target& target, const Tile& direct) {
  constexpr double kGain = 0.9;  // below which a less exact result is worth it
  constexpr int64_t kMostRows = 16;
  const Statement& s = region.statements[statement];
  const auto conv = match_winograd(graph, region, s);
  if (!conv || !channels_last(graph, region, s, *conv) || target.dram_gb_per_s <= 0 || target.l2_gb_per_s <= 0 || direct.seconds <= 0)
    return std::nullopt;
  Estimate estimate(graph, region, *conv, target);
  std::optional<Tile> best;
  double least = kGain * estimate.direct(direct.seconds);
  for (int64_t m : {2, 4})
    for (int64_t rows = 0; rows <= std::min(kMostRows, (conv->height + m - 1) / m); ++rows)
      if (auto tile = estimate.run(m, rows); tile && tile->seconds < least) {
        least = tile->seconds;
        best = std::move(tile);
      }
  return best;
}

}  // namespace tenon
