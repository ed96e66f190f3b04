#include "read_ahead.h"

#include <algorithm>
#include <cmath>

#include "tiles.h"

namespace tenon {

namespace {

constexpr double kGiga = 1e9, kKiB = 1024;

double bytes_of(const RegionBuffer& buffer, const ExprPool& pool) { return elements(pool, buffer.dims) * bits(buffer.type) / 8; }

}  // namespace

Traffic traffic_of(const Graph& graph, const Region& region, const Target& target) {
  constexpr double kFewestRows = 16;
  const ExprPool& pool = region.pool;
  Traffic traffic;
  for (const RegionBuffer& buffer : region.buffers)
    if (buffer.value.valid() && graph.constant(buffer.value)) traffic.constants += bytes_of(buffer, pool);
  if (traffic.constants <= 0) return traffic;
  for (const Statement& s : region.statements) {
    if (s.accumulators.empty()) continue;
    const Layout layout = layout_of(graph, region.buffers[s.out]);
    const auto axes = classify(region, s, layout);
    if (!axes) continue;
    const double rate = pool.type(s.accumulators[0].var) == DType::I32 ? target.gops_i8 : target.gflops_f32;
    traffic.seconds += 2 * positions(pool, s.axes) * positions(pool, s.reduce_axes) / (rate * kGiga);
    // Of a region with shared loops tiles read the constant more than once.
    if (region.statements.size() > 1 || axes->vector_both || !axes->batch.empty()) continue;
    if (positions(pool, axes->m) <= kFewestRows || !reads_constant(graph, region, s, layout, true)) continue;
    const double element = pool.type(s.accumulators[0].var) == DType::I32 ? 1 : 4;
    traffic.carrier = positions(pool, axes->n) * positions(pool, axes->k) * element;
  }
  return traffic;
}

void read_ahead(std::vector<RegionPlan>& regions, const std::vector<Traffic>& traffic, const Target& target) {
  // What waits is worth asking for if it is more than a few lines; what is asked for too early is gone when its turn comes.
  constexpr double kLeast = 64 * kKiB, kShareOfMemory = 0.75, kStays = 0.5, kMostTimes = 8;
  const double rate = target.dram_gb_per_s * kGiga, stays = kStays * static_cast<double>(target.l3_bytes);
  double all = 0;
  for (const Traffic& t : traffic) all += t.constants;
  if (rate <= 0 || all <= static_cast<double>(target.l2_bytes)) return;
  struct Range {
    double begin, end;  // bytes from the first constant of all
  };
  std::vector<Range> waiting;  // nearest last
  double begin = all;
  for (size_t i = regions.size(); i-- > 0;) {
    const Traffic& t = traffic[i];
    begin -= t.constants;
    const double spare = kShareOfMemory * rate * t.seconds - t.constants;
    if (t.constants >= kLeast && t.constants > rate * t.seconds) {
      if (!waiting.empty() && waiting.back().begin - (begin + t.constants) < kLeast) waiting.back().begin = begin;
      else waiting.push_back({begin, begin + t.constants});
    }
    Knobs& knobs = regions[i].schedule.variants.back().knobs;
    // With rows outside, tiles read the constant more than once.
    const bool carries = t.carrier > 0 && knobs[Knob::order] == 0 && knobs[Knob::matrix] == 0;
    if (!carries || spare < t.carrier || waiting.empty()) continue;
    Range& range = waiting.back();
    const double times = std::min({std::floor(spare / t.carrier), std::ceil((range.end - range.begin) / t.carrier), kMostTimes});
    const double from = std::max(range.begin, range.end - times * t.carrier);
    if (begin + stays < from) continue;
    knobs.set(Knob::beyond, static_cast<int64_t>(times));
    knobs.set(Knob::beyond_from, static_cast<int64_t>(std::max(0.0, from - begin - t.constants) / kKiB));
    range.end = from;
    if (range.end <= range.begin) waiting.pop_back();
  }
}

}  // namespace tenon
