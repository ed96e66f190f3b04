// Cycles of a statement's tiles: what its instructions take, what they wait for one another, and what comes once per tile.
#include <algorithm>
#include <cmath>

#include "evaluate.h"

namespace tenon {

namespace {

using Kind = StatementFacts::Kind;

constexpr double kMostUnrolled = 128;  // multiply-adds in one straight line
// Instructions of whole vectors, in units of a multiply-add, as compilers of ours expand them.
constexpr double kDivision = 8, kFunction = 26, kShortFunction = 16, kConversion = 1.5, kScalarFunction = 20;

double vector_ops(const OpCounts& o, bool short_functions) {
  const double brief = short_functions ? o.short_form : 0;
  return std::max(0.0, o.simple - o.divisions) + o.compares + kConversion * o.conversions + kDivision * o.divisions +
         kFunction * (o.transcendental - brief) + kShortFunction * brief;
}

struct Costs {
  double product = 0;        // cycles of one vector's product in a step
  double latency = 4;        // until its sum can be added to
  double step_ops = 0;       // other cycles per vector and step
  double point_ops = 0;      // per vector of results
  double row_loads = 0, fixed_loads = 0;  // per step: vectors that each row loads, that rows share; cycles each
  double broadcasts = 0, fixed_broadcasts = 0;  // scalars per row; for all
  double point_loads = 0;    // cycles per vector of results
  double asks = 0;           // cycles per vector and step of asking for lines ahead
  double steps = 1, parts = 0;   // of a sum
  double part_steps = INFINITY;  // of each of its parts
  double store = 1;          // cycles of a vector
  double per_iteration = 0;  // of the innermost loop
  double registers = 32;
};

// Cycles of a tile of rows x vectors: its arithmetic beside its loads and stores, and no less than the chain of its sums. Instructions
// of neighbouring tiles go on beside one that waits, as far as a core looks ahead.
double tile_cycles(const Costs& c, double rows, double vectors, bool lanes_reduce) {
  if (rows <= 0 || vectors <= 0) return 0;
  constexpr double kWindow = 256, kTile = 3, kHorizontal = 12, kHiddenLoad = 1.0 / 32, kSpilled = 4, kShared = 0.25;
  const double block = rows * vectors, results = lanes_reduce ? rows : block;
  const double each = block + rows * c.broadcasts + vectors, instructions = std::max(1.0, c.steps * each);
  // Each part of a sum is a chain of its own.
  const double hidden = std::max(1.0, kWindow / std::max(1.0, std::min(c.steps, c.part_steps) * each)), beside = std::min(1.0, kWindow / instructions);
  // Where vectors of the shared factor find no register, they are operands in memory for each row.
  const bool reloads = (rows + 1) * vectors + 1 > c.registers;
  const double loads = vectors * (rows * c.row_loads + c.fixed_loads * (reloads ? rows : 1) + c.asks) + (rows * c.broadcasts + c.fixed_broadcasts) / 2;
  const double spilled = std::max(0.0, std::ceil(vectors) * rows + 1 - c.registers);
  const double extra = kHiddenLoad * (rows * c.broadcasts + vectors * c.fixed_loads) + spilled * kSpilled * c.store + c.per_iteration;
  const double arithmetic = c.steps * block * (c.product + c.step_ops) + c.parts * block * c.product, chain = c.steps * c.latency / hidden;
  const double point_ops = results * c.point_ops, point_loads = results * c.point_loads, stores = results * c.store;
  const double apart = std::max({arithmetic, c.steps * loads, chain}) + std::max({point_ops, point_loads, stores});
  const double together = std::max({arithmetic + kShared * point_ops, point_ops, c.steps * loads + point_loads, chain, stores});
  return beside * together + (1 - beside) * apart + c.steps * extra + kTile + (lanes_reduce ? rows * kHorizontal / hidden : 0);
}

Costs costs_of(const StatementFacts& s, const TileUse& t, const Knobs& knobs, const DeviceFacts& d) {
  Costs c;
  const bool brief = knobs[Knob::functions] == 1, product = s.kind == Kind::Product || s.kind == Kind::Depthwise;
  // A vector narrower than the device's takes as long as the units that it fills.
  const double fill = std::clamp(t.width / t.native, d.unit_bytes / d.vector_bytes, 8.0);
  const double unit = t.scalar ? 0.5 : d.cycles * fill;
  c.registers = d.registers;
  c.store = t.scalar ? 1 : 2 * unit;
  c.steps = s.terms / s.steps_at_once;
  c.product = product ? unit * (d.fuses || !is_float(s.type) ? 1 : 2) : 0;
  // Additions and bounds have units of their own.
  constexpr double kBesideProducts = 0.6, kGuarded = 4;
  constexpr double kBytesAtOnce = 4, kLatencyOfBytes = 6, kFloatLatency = 4;
  if (product && s.type == DType::I32 && s.steps_at_once == kBytesAtOnce) {
    c.product = 2 * t.width * s.steps_at_once * d.gigahertz / d.gops_i8;
    c.latency = kLatencyOfBytes;
  } else if (product && s.factor_bits == 16 && s.steps_at_once == 2 && d.gops_pairs > 0) {
    c.product = 2 * t.width * s.steps_at_once * d.gigahertz / d.gops_pairs;
    c.latency = kLatencyOfBytes;
  }
  if (knobs[Knob::halves] == 1 && d.gflops_half > 0) c.steps = s.terms / 2, c.product = 4 * t.width * d.gigahertz / d.gflops_half;
  if (!s.sums || (!is_float(s.type) && !product)) c.latency = 1;
  else if (is_float(s.type)) c.latency = kFloatLatency;
  c.step_ops = unit * vector_ops(s.step, brief);
  c.point_ops = unit * kBesideProducts * vector_ops(s.point, brief);
  if (t.scalar) c.point_ops += kScalarFunction * s.point.transcendental, c.step_ops += kScalarFunction * s.step.transcendental;
  const double unroll = static_cast<double>(std::max<int64_t>(1, knobs[Knob::unroll]));
  constexpr double kLoop = 0.25;
  c.per_iteration = s.sums && s.terms * t.rows * t.vectors > kMostUnrolled ? kLoop / unroll : 0;
  const double k_block = static_cast<double>(knobs[Knob::k_block]);
  if (s.sums && is_float(s.type) && k_block > 0) c.parts = std::floor(s.terms / k_block), c.part_steps = k_block / s.steps_at_once;
  const int lane = t.lanes_reduce ? s.reduce_lane : s.lane;
  const int64_t rows = other_axes(s, t, true);
  const bool packed = packs_right(s, knobs);
  for (const AccessFacts& a : s.accesses) {
    if (a.write) continue;
    const double by = lane < 0 || a.steps.size() <= static_cast<size_t>(lane) ? 0 : a.steps[static_cast<size_t>(lane)];
    const bool varies = lane >= 0 && by != 0, by_row = a.uses & rows;
    constexpr double kFewSteps = 2, kPerElement = 0.75, kShuffled = 3, kAsk = 1;
    const bool straight = by == 1 || packed || a.constant;
    // A shorter element takes part of a load.
    const double vector = unit * (straight ? 1 : std::abs(by) <= kFewSteps ? kShuffled : kPerElement * t.width / unit);
    if (a.in_sum && a.guarded && !product) c.step_ops += kGuarded * unit;
    // Lines that steps ask for ahead take what loads take; blocks of rows share those of panels that come later.
    if (packed && varies && a.constant && a.in_sum) {
      const double blocks = std::max(1.0, t.whole_rows * t.passes);
      c.asks += kAsk * unit * ((knobs[Knob::ahead] > 0) + (static_cast<double>(knobs[Knob::beyond]) + (knobs[Knob::prefetch] > 0)) / blocks);
    }
    if (!a.in_sum) c.point_loads += a.copies * (varies ? vector : 0.5);
    else if (varies) (by_row ? c.row_loads : c.fixed_loads) += a.copies * vector * loaded_share(s, a, t, knobs, d);
    else (by_row ? c.broadcasts : c.fixed_broadcasts) += a.copies;
  }
  if (knobs[Knob::results_ahead] == 1) c.point_loads += 0.5;
  return c;
}

// In matrix registers: by how full they are. 0: not there.
double matrix_cycles(const StatementFacts& s, const TileUse& t, const Knobs& knobs, const DeviceFacts& d) {
  constexpr double kRows = 16, kLanes = 16, kParts = 3, kProducts = 6;
  const bool bytes = s.type == DType::I32, parts = knobs[Knob::parts] == static_cast<int64_t>(kParts);
  const double peak = bytes ? d.gops_matrix_i8 : d.gops_matrix_half;
  if (knobs[Knob::matrix] != 1 || s.kind != Kind::Product || peak <= 0) return 0;
  auto full = [](double n, double per) { return n / (std::ceil(n / per) * per); };
  const double columns = s.lane >= 0 ? t.extent[static_cast<size_t>(s.lane)] : 1;
  return 2 * s.points * s.terms * (parts ? kProducts : 1) * d.gigahertz / (peak * full(t.rows, kRows) * full(columns, kLanes));
}

}  // namespace

double loaded_share(const StatementFacts& s, const AccessFacts& a, const TileUse& t, const Knobs& knobs, const DeviceFacts& d) {
  if (s.terms * t.rows * t.vectors > kMostUnrolled || t.lanes_reduce || s.lane < 0) return 1;
  if (a.uses & other_axes(s, t, true)) return std::min(1.0, elements_touched(a, t.block) / t.block[static_cast<size_t>(s.lane)] / (t.rows * s.terms));
  const bool holds = (s.terms + t.rows) * t.vectors + 1 <= d.registers && knobs[Knob::order] == 0;
  return holds && !(a.uses & other_axes(s, t, false)) ? 0 : 1;
}

double cycles_of(const StatementFacts& s, const TileUse& t, const Knobs& knobs, const DeviceFacts& d) {
  if (s.kind == Kind::Routine || s.moved == 0) return 0;
  Costs c = costs_of(s, t, knobs, d);
  const int64_t winograd = s.winograd ? knobs[Knob::winograd] : 0;
  if (const double cycles = matrix_cycles(s, t, knobs, d); cycles > 0) return cycles + s.points / t.native * (c.point_ops + c.store);
  // Rows of one shape at a time: those of a symbolic rest come in powers of two, each as often as not.
  auto rows_cycles = [&](double vectors) {
    if (vectors <= 0) return 0.0;
    double cycles = t.whole_rows * tile_cycles(c, t.rows, vectors, t.lanes_reduce);
    if (!t.symbolic_rows) return cycles + tile_cycles(c, t.rest_rows, vectors, t.lanes_reduce);
    for (double part = 1; part < t.rows; part *= 2) cycles += tile_cycles(c, part, vectors, t.lanes_reduce) / 2;
    return cycles;
  };
  double cycles = 0;
  if (t.lanes_reduce) {
    // A row's sum goes through the lanes' axis, a panel at a time.
    const double along = t.extent[static_cast<size_t>(s.reduce_lane)], panel = t.vectors * t.width;
    c.steps = s.terms / along * std::ceil(along / panel);
    cycles = rows_cycles(t.vectors);
  } else {
    constexpr double kUnmasked = 2;  // a last vector without masks
    cycles = t.panels * rows_cycles(t.vectors) + rows_cycles(t.rest_vectors) * (d.masks ? 1 : kUnmasked);
  }
  cycles *= t.passes * t.blocks * s.moved;
  if (winograd > 0) {
    // Fewer products, in tiles that fill as well; their transforms are additions on both sides.
    const auto m = static_cast<double>(winograd), points = (m + 2) * (m + 2);
    const double tiles = s.points / (m * m), channels = s.terms / 9, share = points / (9 * m * m);
    const double transforms = 2 * (m + 2) * d.cycles / t.native * (tiles * points / 2 + tiles / std::max(1.0, s.n) * channels * points / 2);
    cycles = cycles * share + transforms;
  }
  return cycles;
}

}  // namespace tenon
