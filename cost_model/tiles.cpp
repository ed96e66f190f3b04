// A register block per product, from the tile's cost in cycles as the target's registers and issue rates give it.
#include "tiles.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "tenon/short_functions.h"

namespace tenon {

double known(const ExprPool& pool, Expr extent) {
  constexpr double kTypical = 64;  // a symbol's extent, where only its order of magnitude matters
  return static_cast<double>(pool.as_int(extent).value_or(static_cast<int64_t>(kTypical)));
}

double elements(const ExprPool& pool, std::span<const Expr> dims) {
  double all = 1;
  for (Expr dim : dims) all *= known(pool, dim);
  return all;
}

double multiply_add_cycles(const Target& target) {
  constexpr double kUnits = 2;
  return (target.computes_in_parts() ? static_cast<double>(target.vector_bytes) / target.unit_bytes : 1) / kUnits;
}

double positions(const ExprPool& pool, std::span<const Expr> axes) {
  double all = 1;
  for (Expr axis : axes) all *= known(pool, pool.var(axis).extent);
  return all;
}

Layout layout_of(const Graph& graph, const RegionBuffer& buffer) { return buffer.value.valid() ? graph.values[buffer.value].layout : Layout{}; }

namespace {

// What a contraction is to a block of registers.
struct Work {
  double m = 1, n = 1;    // rows and columns, in all
  double run = 1;         // rows that one axis has: where a window keeps the axes apart, blocks run along the last
  bool symbolic = false;  // `run` is a guess
  double column = 0;      // bytes of the right operand that one column takes
  int element = 4;        // bytes of one of its elements, which is read once from memory
  int together = 1;       // of them in a step, where that counts
  int64_t extra = 1;      // registers that each vector of columns takes beside its rows
  double widest = 6;      // vectors of a panel that the cache holds beside the next one
  int64_t most_rows = 8;  // of a block
  double fma = 0.5;       // cycles of one multiply-add of a vector
  double load = 0.5;      // of a load of one
  double least = 1;       // of a vector, what the shortest rest takes
  double latency = 4;     // until its sum can be added to
  double widening = 0;    // cycles of making a vector of the right operand wider
  bool joins = false;     // two rows' half vectors are summed as one
};

// Cycles per reduction step of a tile of rows x vectors: multiply-adds beside loads, of which two scalars go in a cycle, and no fewer
// cycles than the latency of one accumulator's chain. Loads that hide behind multiply-adds still take slots, more
// so (`vector_load`, in cycles) where they come from the second-level cache.
double step_cycles(const Work& work, double rows, double vectors, double vector_load) {
  constexpr double kHiddenLoad = 1.0 / 32;
  if (rows <= 0 || vectors <= 0) return 0;
  return std::max({rows * vectors * work.fma, rows / 2 + vectors * work.load, work.latency}) + kHiddenLoad * rows + vector_load * vectors;
}

// All rows in blocks of `rows`. What is left of a symbolic extent is taken in powers of two: the mean over all rests.
double rows_cycles(double m, const Work& work, int64_t rows, double vectors, double vector_load) {
  double block = static_cast<double>(rows), blocks = std::floor(m / block);
  double cycles = blocks * step_cycles(work, block, vectors, vector_load);
  if (!work.symbolic) return cycles + step_cycles(work, m - blocks * block, vectors, vector_load);
  for (int64_t rest = 1; rest < rows; ++rest)
    for (int64_t part = 1; part <= rest; part *= 2)
      if (rest & part) cycles += step_cycles(work, static_cast<double>(part), vectors, vector_load) / block;
  return cycles;
}

struct Block {
  int64_t rows = 4, vectors = 4;
  double cycles = 0;  // per reduction step, of all blocks
};

// Rows whose distance has a large power of two as a factor share few sets of the first-level cache: no more of them
// than those sets have ways for. Of a distance that is not known the worst is assumed. Beyond `most` rows loads of the
// right operand are too few to matter, and lines of the left one are missed all at once.
int64_t set_rows(const Target& target, std::optional<int64_t> distance, int64_t most = 14) {
  constexpr int64_t kPage = 4096, kFewWays = 8;
  const int64_t ways = std::max(kFewWays, target.l1d_bytes / kPage);
  return std::min(most, ways * (kPage / std::gcd(distance.value_or(kPage), kPage)));
}

// Rows of one line and the next lie apart.
bool has_margins(const Graph& graph, const Region& region, const Statement& s) {
  auto margins = [&](BufferId b) { return region.buffers[b].value.valid() && !graph.values[region.buffers[b].value].layout.halos.empty(); };
  std::vector<Expr> loads;
  region.pool.collect_loads(s.accumulators[0].update, loads);
  return margins(s.out) || std::ranges::any_of(loads, [&](Expr load) { return margins(region.pool.buffer(load)); });
}

// Bytes between neighbouring rows of the left operand.
std::optional<int64_t> row_distance(const Graph& graph, Region& region, const Statement& s, const ContractionAxes& axes) {
  if (axes.m.empty()) return std::nullopt;
  ExprPool& pool = region.pool;
  std::vector<Expr> loads;
  pool.collect_loads(s.accumulators[0].update, loads);
  for (Expr load : loads) {
    if (!pool.depends_on(load, axes.m.back())) continue;
    const RegionBuffer& buffer = region.buffers[pool.buffer(load)];
    const Layout layout = layout_of(graph, buffer);
    auto indices = pool.operands(load);
    auto split = pool.affine(physical_offset(pool, layout, buffer.dims, {indices.begin(), indices.end()}), axes.m.back());
    auto elements = split ? pool.as_int(split->first) : std::nullopt;
    return elements ? std::optional(*elements * bits(buffer.type) / 8) : std::nullopt;
  }
  return std::nullopt;
}

// Vectors of the last panel. A half vector beside whole ones takes half, and what joins two operands in one.
double vectors_of(const Work& work, double columns, int width) {
  constexpr double kHalf = 0.6;  // measured: 24 columns, 14 rows
  const double whole = std::floor(columns / width), rest = columns - whole * width;
  if (work.joins && whole >= 1 && 2 * rest == width) return whole + kHalf;
  return whole + std::ceil(rest / (work.least * width)) * work.least;
}

Block best_block(const Target& target, const Work& work, int width) {
  constexpr double kBytesPerCycle = 10, kFromL1 = 1.0 / 32, kFromL2 = 0.15;
  Block best;
  double best_cost = INFINITY;
  const auto most_vectors = static_cast<int64_t>(std::min({6.0, std::ceil(work.n / width), work.widest}));
  for (int64_t vectors = 1; vectors <= most_vectors; ++vectors)
    for (int64_t rows = 1; rows <= work.most_rows && (rows + work.extra) * vectors + 1 <= target.vector_registers; ++rows) {
      const double block = static_cast<double>(rows), columns = static_cast<double>(vectors * width);
      // A block longer than the axis takes whole runs.
      double m = work.m, times = 1;
      if (block <= work.run) m = work.run, times = work.m / work.run;
      else if (std::fmod(block, work.run) != 0) continue;
      const double panels = std::floor(work.n / columns), lane_tail = vectors_of(work, work.n - panels * columns, width);
      const double load = work.widening + (work.column * columns > static_cast<double>(target.l1d_bytes) / 2 ? kFromL2 : kFromL1);
      double total = times * (panels * rows_cycles(m, work, rows, static_cast<double>(vectors), load) +
                              rows_cycles(m, work, rows, lane_tail, load));
      // Hidden behind multiply-adds where there are enough of them.
      total = std::max(total, std::ceil(work.n / columns) * columns * work.element * work.together / kBytesPerCycle);
      // A tie goes to the wider block: fewer loads of the left operand.
      if (total < best_cost * 0.999 || (total <= best_cost * 1.001 && rows * vectors > best.rows * best.vectors)) {
        best_cost = std::min(best_cost, total);
        best = {rows, vectors, total};
      }
    }
  return best;
}

// What one of the factors of a product is in memory.
DType factor_type(const ExprPool& pool, const Statement& s) {
  const Expr factor = match_product(pool, s.accumulators)->a;
  return pool.op(factor) == SOp::Cast ? pool.type(pool.operands(factor)[0]) : pool.type(factor);
}

// A product of bytes or of bf16 in the target's tiles, where these are faster by what the target file says they compute and by
// how full they are.
std::optional<Tile> matrix_tile(const ExprPool& pool, const Statement& s, const Target& target, const Work& work, DType type, bool splits) {
  constexpr double kRows = 16, kLanes = 16, kWords = 16;
  constexpr int64_t kMostRows = 32, kMostVectors = 2;
  const DType from = factor_type(pool, s);
  const bool bytes = type == DType::I32 && bits(from) == 8, halves = type == DType::F32 && from == DType::BF16;
  const bool parts = type == DType::F32 && from == DType::F32 && splits;  // as six products of bf16
  constexpr int64_t kParts = 3, kProducts = 6;
  const Atom* tiles = target.find(bytes ? "tdpbssd" : "tdpbf16ps");
  if ((!bytes && !halves && !parts) || !tiles || tiles->gops == 0) return std::nullopt;
  double k = 1, all = 1;
  for (Expr axis : s.reduce_axes) k = std::max(k, known(pool, pool.var(axis).extent)), all *= known(pool, pool.var(axis).extent);
  const auto words = static_cast<int64_t>(std::ceil(k / (bytes ? 4 : 2)));
  int64_t step = std::min<int64_t>(words, static_cast<int64_t>(kWords));
  while (words % step != 0) --step;
  auto full = [](double n, double of) { return n / (std::ceil(n / of) * of); };
  const double rate = tiles->gops * full(work.run, kRows) * full(work.n, kLanes) * static_cast<double>(step) / kWords;
  const Atom* pairs = target.find("vdpbf16ps");
  const double vectors = bytes ? target.gops_i8 : std::max(target.gflops_f32, pairs ? pairs->gops : 0);
  if (rate <= vectors) return std::nullopt;
  const double operations = 2 * work.m * work.n * all, products = operations / rate * (parts ? kProducts : 1);
  if (parts) {
    // Three copies of the left operand, each read as f32 and written as bf16, through the cache that holds it.
    constexpr double kCopied = kParts * (4 + 2), kResident = 4 + kParts * 2;
    const double gb_per_s = work.m * k * kResident <= static_cast<double>(target.l2_bytes) ? target.l2_gb_per_s : target.l3_gb_per_s;
    if (products + work.m * k * kCopied / gb_per_s >= operations / vectors) return std::nullopt;
  }
  constexpr double kGiga = 1e9;
  Tile tile{.knobs = {}, .seconds = products / kGiga};
  if (parts) tile.knobs.set(Knob::parts, kParts);
  tile.knobs.set(Knob::matrix, 1);
  tile.knobs.set(Knob::rows, kMostRows);
  tile.knobs.set(Knob::vectors, kMostVectors);
  return tile;
}

// How a product is computed in vectors: elements of one, operations per second in billions, steps of the reduction at once.
struct Vectors {
  int width;
  double gops;
  int steps = 1;
};

// The block of registers and what goes with it. `k`: steps of the reduction, in all.
Tile vector_tile(const Target& target, Work work, double k, const Vectors& in, const Setting& setting) {
  Tile tile;
  Knobs& knobs = tile.knobs;
  const int width = in.width;
  const double m = work.m, n = work.n;
  work.column = k * work.element;
  constexpr double kFewestRows = 16, kFewRows = 256, kPanelShare = 0.4, kLeastVectors = 2, kLeastWait = 0.05, kAheadShare = 0.125;
  const double l2 = static_cast<double>(target.l2_bytes);
  if (m > kFewestRows && m <= kFewRows && work.column * n > l2) work.widest = std::max(kLeastVectors, std::floor(kPanelShare * l2 / (work.column * width)));
  const Block block = best_block(target, work, width);
  knobs.set(Knob::rows, block.rows);
  knobs.set(Knob::vectors, block.vectors);
  // Where the loop that sums is turned into four steps: within equal blocks 2.6 % faster (759 timings of f32 on Golden Cove, +-0.4 %; most winners on
  // Zen 4 as well), bytes none. In AVX-512, whose blocks are large; elsewhere nothing was measured.
  constexpr int64_t kLargeBlock = 15, kTurned = 4, kWidest = 64;
  if (in.steps == 1 && target.vector_bytes >= kWidest && block.rows * block.vectors >= kLargeBlock) knobs.set(Knob::unroll, kTurned);
  const double steps = k / in.steps, operations = 2 * width * in.steps / multiply_add_cycles(target);  // per cycle, the peak
  tile.seconds = block.cycles * steps * operations / (in.gops * 1e9);
  const double panel = work.column * static_cast<double>(block.vectors * width);
  // Weights that other kernels' replace in the second-level cache between runs are read ahead, where several blocks of rows share
  // what that costs, two panels fit, and the product would wait for them; so far ahead that the next kernels' are as well.
  const double wait = target.dram_gb_per_s > 0 ? work.column * n / (target.dram_gb_per_s * 1e9) : 0;
  if (setting.weights > l2 && m > kFewestRows && panel <= kPanelShare * l2 && wait > kLeastWait * tile.seconds)
    knobs.set(Knob::prefetch, std::max<int64_t>(1, static_cast<int64_t>(kAheadShare * l2 / panel)));
  // A panel that the first-level cache does not hold streams from the second.
  if (target.l1_ahead_bytes > 0 && panel > static_cast<double>(target.l1d_bytes) / 2)
    knobs.set(Knob::ahead, std::max<int64_t>(1, target.l1_ahead_bytes / (block.vectors * width * work.element * in.steps)));
  // Results of f32 that find no place in the second-level cache beside the weights.
  if (target.results_ahead && in.steps == 1 && m > kFewestRows && work.column * n + m * n * static_cast<double>(sizeof(float)) > l2)
    knobs.set(Knob::results_ahead, 1);
  // The operand that is larger is streamed once.
  constexpr int kHalf = 2, kWord = 4;
  const bool holds = k * n * (work.element == kHalf ? kHalf : kWord) <= l2 / 2, panels_outside = n > m || !holds;
  knobs.set(Knob::order, panels_outside ? 0 : 1);
  return tile;
}

// Operands that are no constants lie in runs along the reduction or, those of the columns, along the lanes: copies of others are slow.
bool in_runs(const Graph& graph, Region& region, const Statement& s, const ContractionAxes& axes) {
  constexpr double kLeast = 16;
  ExprPool& pool = region.pool;
  std::vector<Expr> loads;
  pool.collect_loads(s.accumulators[0].update, loads);
  return std::ranges::all_of(loads, [&](Expr load) {
    const RegionBuffer& buffer = region.buffers[pool.buffer(load)];
    if (buffer.value.valid() && graph.constant(buffer.value)) return true;
    const Layout layout = layout_of(graph, buffer);
    const auto indices = pool.operands(load);
    const Expr offset = physical_offset(pool, layout, buffer.dims, {indices.begin(), indices.end()});
    auto runs_along = [&](Expr axis) {
      const auto split = pool.affine(offset, axis);
      return split && pool.is_index(split->first, 1) && known(pool, pool.var(axis).extent) >= kLeast;
    };
    const bool varies = std::ranges::any_of(axes.k, [&](Expr axis) { return pool.depends_on(load, axis); });
    return !varies || std::ranges::any_of(axes.k, runs_along) || std::ranges::any_of(axes.n, runs_along);
  });
}

// Bytes that go through the cache where operands that are no constants are copied as f16.
double copied(const Graph& graph, const Region& region, const Statement& s) {
  constexpr double kReadAndWritten = 4 + 2;
  std::vector<Expr> loads;
  region.pool.collect_loads(s.accumulators[0].update, loads);
  double bytes = 0;
  for (Expr load : loads) {
    const RegionBuffer& buffer = region.buffers[region.pool.buffer(load)];
    if (buffer.type != DType::F32 || (buffer.value.valid() && graph.constant(buffer.value))) continue;
    bytes += kReadAndWritten * elements(region.pool, buffer.dims);
  }
  return bytes;
}

// Positions along an axis of a statement that one block of the shared axes takes.
double taken(const ExprPool& pool, Expr axis, const Span& span, const Blocks& blocks) {
  const double all = known(pool, pool.var(axis).extent);
  if (span.shared < 0) return all;
  const bool last = span.shared + 1 == static_cast<int>(blocks.attachment->shared.size());
  const int64_t steps = last ? std::max<int64_t>(1, blocks.steps) : 1;
  return std::min(all, static_cast<double>(span.step * (steps - 1) + span.reach + 1));
}

}  // namespace

namespace {

// Bytes of what one line of a depthwise convolution's results reads: all channels of the lines that its window covers. Infinite: not known.
double window_bytes(const Graph& graph, const Region& region, const Statement& s, const ContractionAxes& axes) {
  const ExprPool& pool = region.pool;
  std::vector<Expr> loads;
  pool.collect_loads(s.accumulators[0].update, loads);
  double least = INFINITY;
  for (Expr load : loads) {
    const RegionBuffer& buffer = region.buffers[pool.buffer(load)];
    if (buffer.value.valid() && graph.constant(buffer.value)) continue;
    const auto indices = pool.operands(load);
    if (indices.size() < 2) continue;
    double bytes = bits(buffer.type) / 8.0;
    for (Expr axis : axes.k) bytes *= pool.depends_on(indices[indices.size() - 2], axis) ? known(pool, pool.var(axis).extent) : 1;
    for (size_t d = 1; d < indices.size(); ++d) bytes *= d + 2 == indices.size() ? 1 : known(pool, buffer.dims[d]);
    least = std::min(least, bytes);
  }
  return least;
}

}  // namespace

std::optional<Factors> factors_of(const Region& region, const Statement& s, const Layout& layout) {
  const auto product = match_product(region.pool, s.accumulators);
  if (!product || s.axes.empty()) return std::nullopt;
  const bool along = region.pool.depends_on(product->b, innermost_index(s, layout));
  return along ? Factors{product->a, product->b} : Factors{product->b, product->a};
}

bool reads_window(const ExprPool& pool, Expr load, const ContractionAxes& axes) {
  auto moves = [&](Expr index, const std::vector<Expr>& with) { return std::ranges::any_of(with, [&](Expr axis) { return pool.depends_on(index, axis); }); };
  return std::ranges::any_of(pool.operands(load), [&](Expr index) { return moves(index, axes.m) && moves(index, axes.k); });
}

bool reads_constant(const Graph& graph, const Region& region, const Statement& s, const Layout& layout, bool lanes) {
  const ExprPool& pool = region.pool;
  const Expr lane = innermost_index(s, layout);
  std::vector<Expr> loads;
  pool.collect_loads(s.accumulators[0].update, loads);
  return std::ranges::any_of(loads, [&](Expr load) {
    const ValueId value = region.buffers[pool.buffer(load)].value;
    return value.valid() && graph.constant(value) && pool.depends_on(load, lane) == lanes;
  });
}

bool has_short_functions(const Region& region, const Statement& s) {
  auto has = [&](Expr e) { return e.valid() && has_short_form(region.pool, e); };
  return has(s.value) || std::ranges::any_of(s.accumulators, [&](const Accumulator& a) { return has(a.update); });
}

std::optional<Tile> best_tile(const Graph& graph, Region& region, size_t statement, const Target& target, const Setting& setting,
                              const Blocks& blocks) {
  Tile tile;
  Knobs& knobs = tile.knobs;
  const Statement& s = region.statements[statement];
  const Layout layout = layout_of(graph, region.buffers[s.out]);
  auto axes = classify(region, s, layout);
  if (!axes) return std::nullopt;
  const ExprPool& pool = region.pool;
  auto extent = [&](Expr axis) {
    auto at = std::ranges::find(s.axes, axis);
    if (!blocks.attachment || at == s.axes.end()) return known(pool, pool.var(axis).extent);
    return taken(pool, axis, blocks.attachment->axes[statement][static_cast<size_t>(at - s.axes.begin())], blocks);
  };
  DType type = pool.type(s.accumulators[0].var);
  int width = target.lanes(type);
  double m = 1, n = 1, k = 1;
  for (Expr e : axes->m) m *= extent(e);
  // Several open dims are seldom long at once: as many rows as a short text or one image has. Measured: what is best for them costs long ones
  // little, the other way round 12 % of bert_base at 128 tokens.
  constexpr double kTypicalRows = 128;
  double known_rows = 1;
  for (Expr e : axes->m) known_rows *= pool.as_int(pool.var(e).extent) ? extent(e) : 1;
  m = std::min(m, std::max(known_rows, kTypicalRows));
  for (Expr e : axes->n) n *= extent(e);
  for (Expr e : axes->k) k *= extent(e);
  if (axes->vector_both) {  // depthwise: reuse is along the window only
    const bool words = type == DType::I32 && target.has("vpdpbusd");
    knobs.set(Knob::rows, target.vector_registers >= 32 && !words ? 7 : 4);
    knobs.set(Knob::vectors, words ? 4 : 1);
    // Line by line through all channels, where the lines of a window stay in the second-level cache meanwhile: they come as they lie.
    constexpr double kStaysBehind = 0.25;
    const bool lines = !blocks.attachment && window_bytes(graph, region, s, *axes) <= kStaysBehind * static_cast<double>(target.l2_bytes);
    knobs.set(Knob::parallel, lines ? 1 : 2);
    return tile;
  }
  m = std::min(m, setting.most_rows);
  Work work{.m = m, .n = n, .run = m, .fma = multiply_add_cycles(target), .load = multiply_add_cycles(target)};
  if (target.computes_in_parts()) work.least = static_cast<double>(target.unit_bytes) / target.vector_bytes;
  const bool windowed = !axes->m.empty() && (axes->k.size() > 1 || has_margins(graph, region, s));
  if (windowed) work.run = extent(axes->m.back());
  work.symbolic = m < setting.most_rows && std::ranges::any_of(axes->m, [&](Expr e) {
    return !pool.as_int(pool.var(e).extent) && (!windowed || e == axes->m.back());
  });
  // Sums in parts are not attached, and read no constant on the left, whose rows would have to be copied.
  const bool splits = !blocks.attachment && s.reduce_axes.size() == axes->k.size() && !reads_constant(graph, region, s, layout, false);
  if (auto matrix = matrix_tile(pool, s, target, work, type, splits)) return matrix;
  const bool bytes = type == DType::I32, halves = setting.precision == DType::F16 && type == DType::F32 && factor_type(pool, s) == DType::F16;
  if (bytes) {
    constexpr double kLatency = 6;  // five, and what the two ports take them out of turn
    work.extra = 2;  // byte products may need a sum of what flipping signs adds
    work.latency = kLatency;
  }
  work.element = bytes ? 1 : bits(type) / 8;
  const auto distance = row_distance(graph, region, s, *axes);
  constexpr int64_t kMostOfBytes = 16;  // four rows share a line
  work.most_rows = bytes ? set_rows(target, distance, kMostOfBytes) : set_rows(target, distance);
  if (const Atom* pairs = target.find("vdpbf16ps"); pairs && type == DType::F32 && factor_type(pool, s) == DType::BF16) {
    constexpr int kPair = 2;
    work.element = 2;
    tile = vector_tile(target, work, k, {width, pairs->gops > 0 ? pairs->gops : kPair * target.gflops_f32, kPair}, setting);
    tile.seconds += copied(graph, region, s) / (target.l2_gb_per_s * 1e9);
    return tile;
  }
  work.joins = type == DType::F32 && !halves && target.fuses() && !target.computes_in_parts();
  if (!halves || reads_constant(graph, region, s, layout, false))
    return vector_tile(target, work, k, {width, bytes ? target.gops_i8 : target.gflops_f32, bytes ? 4 : 1}, setting);
  // Constants of f16 are made wider as they are read, or all is f16; the first errs less.
  Work wide = work;
  work.element = 2;
  if (reads_constant(graph, region, s, layout, true)) {
    constexpr double kWiden = 1;
    wide.element = 2;
    wide.widening = kWiden;
  }
  tile = vector_tile(target, wide, k, {width, target.gflops_f32}, setting);
  if (const Atom* half = target.half_fma(); half && in_runs(graph, region, s, *axes)) {
    // Each part is made wider and added, by seven operations.
    constexpr double kGain = 0.9, kOfPart = 7.0 / 2;
    constexpr int kPair = 2;
    work.together = kPair;
    work.fma += kOfPart * kPair / static_cast<double>(kHalfTerms);
    work.most_rows = set_rows(target, distance ? std::optional(*distance / 2) : std::nullopt);
    Tile narrow = vector_tile(target, work, k, {width, half->gops > 0 ? half->gops : 2 * target.gflops_f32, kPair}, setting);
    narrow.seconds += copied(graph, region, s) / (target.l2_gb_per_s * 1e9);
    if (narrow.seconds < kGain * tile.seconds) {
      tile = std::move(narrow);
      knobs.set(Knob::halves, 1);
    }
  }
  return tile;
}

double seconds_in_tiles(const Graph& graph, Region& region, const Target& target, const Setting& setting) {
  double seconds = 0;
  for (size_t i = 0; i < region.statements.size(); ++i)
    if (const auto tile = best_tile(graph, region, i, target, setting)) seconds += tile->seconds;
  return seconds;
}

}  // namespace tenon
