#include "precision.h"

#include <algorithm>

#include "tiles.h"

namespace tenon {

Result<void> check_precision(const Target& target, Precision precision) {
  if (precision == Precision::Fp16 && !target.widens_halves())
    return fail(Code::E0405, "target " + target.name + " has no instruction that takes f16: --precision fp16 would round and not be faster",
                "choose a target with F16C, AVX512-FP16 or of Armv8 (`tenon targets`: x86-64-v3, goldencove, aarch64), or leave --precision out");
  if (precision != Precision::Bf16) return {};
  const bool has_products = std::ranges::any_of(target.atoms, [](const Atom& atom) { return atom.a == DType::BF16 && atom.b == DType::BF16; });
  if (has_products) return {};
  return fail(Code::E0405, "target " + target.name + " has no instruction that multiplies bf16: --precision bf16 would round and not be faster",
              "choose a target with AVX512-BF16 or AMX (`tenon targets`: znver5, sapphirerapids), or leave --precision out");
}

DType rounded_to(Precision precision) {
  return precision == Precision::Bf16 ? DType::BF16 : precision == Precision::Fp16 ? DType::F16 : DType::F32;
}

namespace {

// Seconds in which the constants that the region's products read arrive from memory, where caches do not hold all `weights`.
double seconds_to_read(const Graph& graph, const Region& region, const Target& target, DType precision, double weights) {
  double own = 0;
  if (target.dram_gb_per_s <= 0 || weights <= static_cast<double>(std::max(target.l2_bytes, target.l3_bytes))) return 0;
  for (const RegionBuffer& buffer : region.buffers) {
    if (!buffer.value.valid() || !graph.constant(buffer.value)) continue;
    own += elements(region.pool, buffer.dims) * bits(buffer.type == DType::F32 ? precision : buffer.type) / 8;
  }
  return own / (target.dram_gb_per_s * 1e9);
}

// Whether a product's lanes go across windows whose elements lie apart along them: then the reduction is vectorised instead, and takes
// no narrow products.
bool has_windows_across_lanes(const Graph& graph, const Region& region) {
  const ExprPool& pool = region.pool;
  return std::ranges::any_of(region.statements, [&](const Statement& s) {
    const Layout layout = layout_of(graph, region.buffers[s.out]);
    const auto factors = factors_of(region, s, layout);
    if (!factors) return false;
    const Expr lane = innermost_index(s, layout);
    std::vector<Expr> loads;
    pool.collect_loads(factors->along, loads);
    return std::ranges::any_of(loads, [&](Expr load) {
      const RegionBuffer& buffer = region.buffers[pool.buffer(load)];
      const Layout from = layout_of(graph, buffer);
      const auto indices = pool.operands(load);
      const size_t innermost = from.parts.empty() ? indices.size() - 1 : static_cast<size_t>(from.parts.back().dim);
      for (size_t d = 0; d < indices.size(); ++d)
        if (d != innermost && pool.depends_on(indices[d], lane) && std::ranges::any_of(s.reduce_axes, [&](Expr r) { return pool.depends_on(indices[d], r); }))
          return true;
      return false;
    });
  });
}

// Nothing: it cannot be.
std::optional<bool> pays_rounded(const Graph& graph, const RegionPlan& plan, const Target& target, double weights, RegionMemo& memo) {
  constexpr double kGain = 0.9;  // below which a less exact result is worth it
  RegionPlan exact = plan;
  exact.precision = DType::F32;
  Result<Region> narrow = memo.build(graph, plan), wide = memo.build(graph, exact);
  if (!narrow || !wide || !rounds(*narrow, plan.precision)) return std::nullopt;
  if (has_windows_across_lanes(graph, *narrow)) return std::nullopt;
  if (plan.precision == DType::F16 && overflows(graph, *narrow, DType::F16)) return std::nullopt;
  auto seconds = [&](Region& region, DType precision) {
    return std::max(seconds_in_tiles(graph, region, target, {.precision = precision}), seconds_to_read(graph, region, target, precision, weights));
  };
  return seconds(*narrow, plan.precision) < kGain * seconds(*wide, DType::F32);
}

}  // namespace

void choose_precisions(const Graph& graph, std::vector<RegionPlan>& regions, const Target& target, double weights, const Decider& decide, RegionMemo& memo) {
  for (RegionPlan& plan : regions) {
    if (plan.precision == DType::F32) continue;
    const auto pays = memo.rounded.get(key_of(graph, plan), [&] { return pays_rounded(graph, plan, target, weights, memo); });
    const Question question{.kind = DecisionKind::precision, .subject = plan.placed.back().first, .answers = {"f32", std::string(spelling(plan.precision))}, .rules = pays && *pays ? size_t{1} : size_t{0}};
    if (!pays || decide(question) == 0) plan.precision = DType::F32;
  }
}

bool rounds(const Region& region, DType to) {
  const ExprPool& pool = region.pool;
  return std::ranges::any_of(region.statements, [&](const Statement& s) {
    if (s.accumulators.size() != 1) return false;
    std::vector<Expr> open = {s.accumulators[0].update};
    for (int steps = 0; !open.empty() && steps < 8; ++steps) {  // acc + cast(cast(x)) * ...: near the root
      const Expr e = open.back();
      open.pop_back();
      if (pool.op(e) == SOp::Cast && pool.type(e) == DType::F32 && pool.type(pool.operands(e)[0]) == to && to != DType::F32 &&
          (to == DType::F16 || pool.op(pool.operands(e)[0]) == SOp::Cast))
        return true;
      if (pool.op(e) == SOp::Add || pool.op(e) == SOp::Mul)
        for (Expr operand : pool.operands(e)) open.push_back(operand);
    }
    return false;
  });
}

}  // namespace tenon
