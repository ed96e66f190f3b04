// A candidate as a whole: its statements, the copies that the lowering makes for them, tasks, and the roofline prior.
#include "evaluate.h"

#include <algorithm>
#include <cmath>

namespace tenon {

namespace {

using Kind = StatementFacts::Kind;

void add(OpCounts& to, const OpCounts& from, double times) {
  to.simple += times * from.simple;
  to.flops += times * from.flops;
  to.integer += times * from.integer;
  to.transcendental += times * from.transcendental;
  to.short_form += times * from.short_form;
  to.divisions += times * from.divisions;
  to.compares += times * from.compares;
  to.conversions += times * from.conversions;
  to.index += times * from.index;
}

void add_work(const StatementFacts& s, const TileUse& t, const Knobs& knobs, Evaluation& e) {
  const double executed = s.kind == Kind::Routine ? s.points : t.executed, sums = executed * s.terms;
  add(e.ops, s.point, executed);
  add(e.ops, s.step, sums);
  if (knobs[Knob::functions] == 1) e.short_functions += executed * s.point.short_form + sums * s.step.short_form;
  e.executed += executed, e.points += s.points * s.moved;
  if (s.kind != Kind::Product && s.kind != Kind::Depthwise) return;
  constexpr double kByte = 8, kHalf = 16;
  const bool is_real = is_float(s.type);
  (is_real ? e.ops.flops : e.ops.integer) += 2 * sums;
  const bool rounded = is_real && s.factor_bits <= kHalf;
  e.macs[rounded ? 1 : is_real ? 0 : s.factor_bits < kByte ? 3 : s.factor_bits == kByte ? 2 : 4] += sums;
}

// Copies that come before a product: with zeros around, in panels. Each reads and writes what it copies.
void add_copies(const StatementFacts& s, const Knobs& knobs, const DeviceFacts& d, bool heaviest, Evaluation& e) {
  const bool pads = s.padded && knobs[Knob::padding] == 0 && s.sums, packs = packs_right(s, knobs) && !s.right_constant;
  for (const AccessFacts& a : s.accesses) {
    if (!a.in_sum || a.write || a.constant || s.lane < 0) continue;
    const bool right = a.uses >> s.lane & 1;
    if (!(pads && a.guarded && (!right || s.kind == Kind::Depthwise)) && !(packs && right)) continue;
    constexpr double kStrided = 8;  // cycles of a vector that is gathered
    const double bytes = a.total, vectors = bytes / d.vector_bytes;
    e.cycles += vectors * (packs && right && s.strided_right ? kStrided : 3 * d.cycles);
    e.read += bytes, e.written += bytes;
    for (size_t c = 0; c < kCaches; ++c)
      if (2 * bytes > d.bytes[c]) e.fills[c] += 2 * bytes;
    e.copies += heaviest;
    ++e.calls;
  }
}

// As make_tasks cuts the outermost loop, and the one inside where that gives more.
double tasks_of(const StatementFacts& s, const TileUse& t, const Knobs& knobs) {
  if (knobs[Knob::parallel] == 0 || s.kind == Kind::Routine) return 1;
  constexpr double kOpsPerMicrosecond = 1000, kGrain = 20, kFewTasks = 64, kBands = 8;
  const auto grain = static_cast<double>(knobs[Knob::grain]);
  const double least = kOpsPerMicrosecond * (grain < 0 ? 0 : grain > 0 ? grain : kGrain), work = s.points * s.terms;
  if (work < least) return 1;
  double steps = 1;
  int taken = 0;
  for (size_t a = 0; a < static_cast<size_t>(std::min(s.outputs, static_cast<int>(kMostAxes))); ++a) {
    const double trips = std::ceil(t.extent[a] / std::max(1.0, t.block[a]));
    if (trips <= 1) continue;
    steps *= knobs[Knob::parallel] == 2 && taken == 1 ? std::min(trips, kBands) : trips;
    if (++taken == 2 || steps >= kFewTasks) break;
  }
  steps = std::max(steps, t.blocks);
  return std::clamp(std::floor(work / std::max(1.0, least)), 1.0, std::max(1.0, steps));
}

Prior prior_of(const DeviceFacts& d, const Evaluation& e) {
  // Starting a kernel, and each of its tasks.
  constexpr double kCall = 0.1e-6, kTask = 0.01e-6, kMicro = 1e-6;
  Prior p;
  const double threads = std::max(1.0, std::min(d.threads, e.tasks));
  const double share = std::ceil(e.tasks / threads) / e.tasks;  // of the work, what the busiest thread has
  p.compute = e.cycles / (d.gigahertz * kGiga) * share;
  const double bytes[] = {e.read + e.written, e.fills[0], e.fills[1], e.fills[2]};
  for (size_t l = 0; l <= kCaches; ++l) {
    // A cache that is not there is no level.
    const bool missing = l > 0 && d.bytes[l - 1] <= 0;
    p.levels[l] = missing ? 0 : bytes[l] / (d.gb_per_s[l] * kGiga) * (l < kCaches ? share : 1);
  }
  p.overhead = e.calls * kCall + e.tasks * kTask + (threads > 1 ? d.fork_us * kMicro : 0);
  double slowest = p.compute, second = 0;
  for (int l = 0; l <= static_cast<int>(kCaches); ++l) {
    if (p.levels[l] > slowest) second = slowest, slowest = p.levels[l], p.bound = l + 1;
    else second = std::max(second, p.levels[l]);
  }
  p.second = slowest > 0 ? second / slowest : 0;
  p.seconds = slowest + p.overhead;
  return p;
}

}  // namespace

void evaluate(const RegionFacts& facts, const Variant& variant, const DeviceFacts& device, Evaluation& e) {
  e.region_knobs = e.knobs = variant.knobs;
  e.calls = 0;
  for (size_t i = 0; i < facts.statements.size(); ++i) {
    const StatementFacts& s = facts.statements[i];
    const bool heaviest = i == facts.heaviest;
    Knobs knobs = e.region_knobs;
    if (s.owner.valid())
      for (const auto& [value, own] : variant.producers)
        if (value == s.owner) knobs = own;
    const TileUse tile = tile_of(facts, s, knobs, e.region_knobs, device);
    if (heaviest) {
      e.knobs = knobs, e.tile = tile;
      e.packed = packs_right(s, knobs);
      const auto k_block = static_cast<double>(knobs[Knob::k_block]);
      e.sum_parts = k_block > 0 ? std::ceil(s.terms / k_block) : 1;
      e.tasks = tasks_of(s, tile, e.region_knobs);
    }
    add_work(s, tile, knobs, e);
    e.cycles += cycles_of(s, tile, knobs, device);
    add_traffic(s, tile, knobs, device, e, heaviest);
    if (facts.shared.empty() || s.before) e.calls += s.moved > 0;
    add_copies(s, knobs, device, heaviest, e);
  }
  if (!facts.shared.empty()) ++e.calls;
  e.prior = prior_of(device, e);
}

Prior prior(const RegionFacts& facts, const Variant& variant, const DeviceFacts& device) {
  Evaluation e;
  evaluate(facts, variant, device, e);
  return e.prior;
}

}  // namespace tenon
