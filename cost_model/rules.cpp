// The planner: asks a decider, and knows what the rules would answer: no data, no measuring, always the same. Layouts, then the partition, then chains that
// share loops and convolutions over whose results a window slides, then margins, then parts of larger values, then the
// tiles of every region.
#include <algorithm>

#include "chains.h"
#include "expansions.h"
#include "few_rows.h"
#include "halos.h"
#include "padding.h"
#include "partition.h"
#include "parts.h"
#include "pitches.h"
#include "precision.h"
#include "planner.h"
#include "providers.h"
#include "read_ahead.h"
#include "short_rows.h"
#include "tenon/decisions.h"
#include "tenon/lay_out.h"
#include "tenon/policy.h"
#include "tiles.h"
#include "windows.h"
#include "winograd.h"

namespace tenon {

namespace {

// Channels that become four adjacent bytes, read from planes: vectors run along the rows of the planes.
bool makes_words(const Graph& graph, const Region& region) {
  const Statement& s = region.statements[0];
  const RegionBuffer& out = region.buffers[s.out];
  if (region.statements.size() != 1 || !s.reduce_axes.empty() || !s.routine.empty() || !out.value.valid() || bits(out.type) != 8) return false;
  const std::vector<LayoutPart>& parts = graph.values[out.value].layout.parts;
  constexpr int64_t kBytesPerWord = 4;
  if (parts.size() < 2 || !region.pool.is_index(out.dims[static_cast<size_t>(parts.back().dim)], kBytesPerWord)) return false;
  const Expr inner = s.indices[static_cast<size_t>(parts.back().dim)], around = s.indices[static_cast<size_t>(parts[parts.size() - 2].dim)];
  std::vector<Expr> loads;
  region.pool.collect_loads(s.value, loads);
  return std::ranges::any_of(loads, [&](Expr load) {
    const ValueId from = region.buffers[region.pool.buffer(load)].value;
    if (!from.valid() || !graph.values[from].layout.row_major() || region.pool.operands(load).empty()) return false;
    const Expr last = region.pool.operands(load).back();
    return region.pool.depends_on(last, around) && !region.pool.depends_on(last, inner);
  });
}

// Some statement has a vector's worth of work in one step of the axes that all share. Where none has, vectors run
// across the steps instead, each statement by itself.
bool fills_vectors(const Region& region, int64_t attach, const Target& target) {
  const ExprPool& pool = region.pool;
  return std::ranges::any_of(region.statements, [&](const Statement& s) {
    double work = 1;
    for (size_t k = static_cast<size_t>(attach); k < s.axes.size(); ++k) work *= known(pool, pool.var(s.axes[k]).extent);
    for (Expr axis : s.reduce_axes) work *= known(pool, pool.var(axis).extent);
    return work >= target.lanes(region.buffers[s.out].type);
  });
}

// How a product in such tiles reads the operand that its lanes share.
void choose_reading(const Graph& graph, Region& region, size_t statement, const Target& target, const Tile& tile, Knobs& knobs, const Blocks& blocks = {}) {
  if (reads_in_place(graph, region, statement, target, tile, blocks)) knobs.set(Knob::padding, 1);
  if (reads_window_of_input(graph, region, statement, knobs)) knobs.set(Knob::line_ahead, 1);
}

Knobs choose_knobs(const Graph& graph, Region& region, const Target& target, Precision precision, const Setting& setting) {
  Knobs knobs;
  if (int64_t attach = max_attach(graph, region); attach && fills_vectors(region, attach, target)) knobs.set(Knob::attach, attach);
  if (target.masked_memory && makes_words(graph, region)) knobs.set(Knob::lanes, 2);
  else if (has_short_rows(graph, region, target)) knobs.set(Knob::lanes, 3);
  for (size_t i = 0; i < region.statements.size(); ++i)
    if (auto tile = best_tile(graph, region, i, target, setting)) {
      if (precision == Precision::Fast && knobs[Knob::attach] == 0)
        if (auto faster = winograd_tile(graph, region, i, target, *tile)) tile = std::move(faster);
      for (const auto& [knob, value] : tile->knobs.changed()) knobs.set(knob, value);
      choose_reading(graph, region, i, target, *tile, knobs);
    }
  return knobs;
}

// A chain: the last product's tile is the region's, producers have their own. `chosen`: attach and attach_block.
Result<Variant> chain_variant(const Graph& graph, Region region, const Target& target, const Knobs& chosen, const Setting& setting) {
  constexpr int64_t kReducedRows = 4, kReducedVectors = 2;
  Variant variant{.predicate = {}, .knobs = chosen};
  const size_t last = region.statements.size() - 1;
  std::vector<Expr> shared = shared_axes(graph, region, chosen);
  TENON_TRY(Attachment attachment, attach(graph, region, std::move(shared)));
  for (size_t i = 0; i <= last; ++i) {
    const auto tile = best_tile(graph, region, i, target, setting, {&attachment, chosen[Knob::attach_block]});
    Knobs knobs = tile ? tile->knobs : Knobs{};
    if (tile) choose_reading(graph, region, i, target, *tile, knobs, {&attachment, chosen[Knob::attach_block]});
    if (chosen[Knob::attach_slide] == 1) knobs.set(Knob::order, 1);  // rows outside
    if (i == last) {
      for (const auto& [knob, value] : knobs.changed()) variant.knobs.set(knob, value);
      continue;
    }
    // Rows are reduced four at a time: what follows a row's last step waits less.
    if (!tile && !region.statements[i].reduce_axes.empty()) {
      knobs.set(Knob::rows, kReducedRows);
      knobs.set(Knob::vectors, kReducedVectors);
    }
    ValueId of = owner_of(region, region.statements[i].out);
    if (std::ranges::find(variant.producers, of, &std::pair<ValueId, Knobs>::first) == variant.producers.end())
      variant.producers.emplace_back(of, std::move(knobs));
  }
  return variant;
}

// All variants of a region: one for few rows where there may be few.
Result<std::vector<Variant>> choose_variants(const Graph& graph, Region region, const Target& target, Precision precision, DType rounded, const Knobs& chosen, double weights) {
  const bool chain = chosen[Knob::attach_block] > 0;
  auto choose = [&](double most_rows) -> Result<Variant> {
    const Setting setting = {.most_rows = most_rows, .weights = weights, .precision = rounded};
    if (chain) return chain_variant(graph, region, target, chosen, setting);
    return Variant{.predicate = {}, .knobs = choose_knobs(graph, region, target, precision, setting)};
  };
  std::vector<Variant> variants;
  if (std::string condition = few_rows(graph, region); !condition.empty()) {
    TENON_TRY(Variant few, choose(1));
    few.predicate = std::move(condition);
    few.knobs.set(Knob::pack_b, 2);
    for (auto& [value, knobs] : few.producers) knobs.set(Knob::pack_b, 2);
    variants.push_back(std::move(few));
  }
  TENON_TRY(Variant all, choose(INFINITY));
  variants.push_back(std::move(all));
  if (precision == Precision::Fast && std::ranges::any_of(region.statements, [&](const Statement& s) { return has_short_functions(region, s); }))
    for (Variant& variant : variants) variant.knobs.set(Knob::functions, 1);
  return variants;
}

Result<RegionMemo::Scheduled> schedule(const Graph& graph, const RegionPlan& plan, const Target& target, Precision precision, const Knobs& chosen, double weights, RegionMemo& memo) {
  const Result<Region>& region = memo.build(graph, plan);
  if (!region) return std::unexpected(region.error());
  RegionMemo::Scheduled made{.precision = rounds(*region, plan.precision) ? plan.precision : DType::F32, .view = {}};
  if (plan.provider != Provider::Own) {
    made.variants = Schedule{}.variants;
    return made;
  }
  if (made.view = view_source(graph, *region); made.view) return made;
  made.traffic = traffic_of(graph, *region, target);
  TENON_TRY(made.variants, choose_variants(graph, *region, target, precision, made.precision, chosen, weights));
  return made;
}

// The same, worked out once for regions that are alike where they lie.
const Result<RegionMemo::Scheduled>& scheduled(const Graph& graph, const RegionPlan& plan, const Target& target, Precision precision, const Knobs& chosen, double weights, RegionMemo& memo) {
  std::string key = key_of(graph, plan);
  add_knobs(key, chosen);
  return memo.scheduled.get(key, [&] { return schedule(graph, plan, target, precision, chosen, weights, memo); });
}

double bytes_of_constants(const Graph& graph) {
  double bytes = 0;
  for (const Constant& constant : graph.constants) bytes += static_cast<double>(constant.bytes.size);
  return bytes;
}

}  // namespace

Result<Plan> plan_by(Graph& graph, const Target& target, Precision precision, Providers providers, const Decider& decide, RegionMemo& memo) {
  TENON_DO(check_precision(target, precision));
  const double weights = bytes_of_constants(graph);
  Plan plan;
  plan.target = target.name;
  plan.layouts = channels_last(graph, decide);
  for (const auto& [value, layout] : plan.layouts) graph.values[value].layout = layout;
  std::vector<RegionPlan> regions = partition(graph, decide);
  for (RegionPlan& region_plan : regions) region_plan.precision = rounded_to(precision);
  regions = join_chains(graph, std::move(regions), target, decide, memo);
  choose_precisions(graph, regions, target, weights, decide, memo);
  regions = join_expansions(graph, std::move(regions), target, plan.layouts, decide);
  regions = join_windows(graph, std::move(regions), target, precision, plan.layouts, decide, memo);
  choose_providers(graph, regions, target, providers, decide);
  plan.layouts = add_halos(graph, regions, target, precision, std::move(plan.layouts), decide, memo);
  for (const auto& [value, layout] : plan.layouts) graph.values[value].layout = layout;
  choose_parts(graph, regions, target, plan, decide, memo);
  spread_pixels(graph, regions, target, plan, decide);
  lay_out(graph, plan);
  std::vector<Traffic> traffic;
  for (RegionPlan& region_plan : regions) {
    const Knobs& chosen = region_plan.schedule.variants[0].knobs;
    const Result<RegionMemo::Scheduled>& made = scheduled(graph, region_plan, target, precision, chosen, weights, memo);
    if (!made) return std::unexpected(made.error());
    if (made->view) {
      plan.views.emplace_back(region_plan.placed.back().first, *made->view);
      continue;
    }
    region_plan.precision = made->precision;
    region_plan.schedule.variants = made->variants;
    traffic.push_back(made->traffic);
    plan.regions.push_back(std::move(region_plan));
  }
  read_ahead(plan.regions, traffic, target);
  return plan;
}

Result<void> schedule_again(const Graph& source, const Target& target, Precision precision, Plan& plan) {
  const Graph graph = laid_out(source, plan);
  const double weights = bytes_of_constants(graph);
  RegionMemo memo;
  std::vector<Traffic> traffic;
  for (RegionPlan& region : plan.regions) {
    Knobs chosen;
    const Knobs& before = region.schedule.variants.back().knobs;
    for (Knob one : kBlockKnobs) chosen.set(one, before[one]);
    const Result<RegionMemo::Scheduled>& made = scheduled(graph, region, target, precision, chosen, weights, memo);
    if (!made) return std::unexpected(made.error());
    traffic.push_back(made->traffic);
    if (!made->view) region.schedule.variants = made->variants;
  }
  read_ahead(plan.regions, traffic, target);
  return {};
}

Result<Plan> rules_policy(const Graph& source, const Target& target, Precision precision, Providers providers) {
  Graph graph = source;
  RegionMemo memo;
  return plan_by(graph, target, precision, providers, as_rules, memo);
}

}  // namespace tenon
