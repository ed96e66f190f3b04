#include "halos.h"

#include <algorithm>
#include <set>

#include "joins.h"
#include "partition.h"
#include "precision.h"
#include "tenon/ops.h"
#include "tiles.h"
#include "winograd.h"

namespace tenon {

bool widen(const ExprPool& pool, std::vector<Halo>& halos, const Node& reader, ValueId v) {
  if (reader.op != Op::conv || reader.inputs[0] != v || (reader.inputs.size() > 2 && reader.inputs[2].valid())) return false;
  constexpr int kFirstSpatial = 2;
  return widen_by(pool, halos, reader.attrs.get_or<Attr::pads_begin>({}), reader.attrs.get_or<Attr::pads_end>({}), kFirstSpatial);
}

bool widen_by(const ExprPool& pool, std::vector<Halo>& halos, const std::vector<Expr>& begin, const std::vector<Expr>& end, int first_dim) {
  bool wants = false;
  for (size_t d = 0; d < begin.size() && d < end.size(); ++d) {
    const int64_t before = pool.as_int(begin[d]).value_or(0), after = pool.as_int(end[d]).value_or(0);
    if (before <= 0 && after <= 0) continue;
    wants = true;
    const int dim = static_cast<int>(d) + first_dim;
    auto halo = std::ranges::find(halos, dim, &Halo::dim);
    if (halo == halos.end()) halo = halos.insert(halos.end(), Halo{.dim = dim});
    halo->before = std::max(halo->before, before);
    halo->after = std::max(halo->after, after);
  }
  return wants;
}

namespace {

class Halos {
 public:
  Halos(Graph& graph, const std::vector<RegionPlan>& regions, const Target& target, Precision precision, const Decider& decide, RegionMemo& memo)
      : graph_(graph), regions_(regions), target_(target), precision_(precision), decide_(decide), memo_(memo), users_(graph_.users()), region_of_(region_of_nodes(graph_, regions)), root_(graph_.values.size()) {
    for (const RegionPlan& region : regions)
      for (const auto& [value, placement] : region.placed) root_[static_cast<size_t>(value.index)] = placement == Placement::Root;
    for (ValueId v : graph_.outputs) root_[static_cast<size_t>(v.index)] = false;
  }

  // The layout with what margins pay for the value.
  Layout choose(ValueId v, Layout layout) {
    const Value& value = graph_.values[v];
    if (!root_[static_cast<size_t>(v.index)] || !value.def.valid() || !is_float(value.type)) return layout;
    if (of_library(value.def.index) || std::ranges::any_of(users_[static_cast<size_t>(v.index)], [&](int n) { return of_library(n); })) return layout;
    const auto& readers = users_[static_cast<size_t>(v.index)];
    auto moves = [&](int n) { return is_plain_movement(node(n).op); };
    if (moves(value.def.index) || std::ranges::any_of(readers, moves)) return layout;
    std::vector<Halo> halos;
    double copies = 0;
    const double bytes = bits(value.type) / 8.0 * elements(graph_.pool, value.dims);
    for (int n : readers)
      if (widen(graph_.pool, halos, node(n), v) && !copies_anyway(plan_of(n))) copies += copy_seconds(target_, bytes);
    if (halos.empty()) return layout;
    std::ranges::sort(halos, {}, &Halo::dim);
    std::set<int> around = {region_of_[static_cast<size_t>(value.def.index)]};
    for (int n : readers) around.insert(region_of_[static_cast<size_t>(n)]);
    const double before = product_seconds(graph_, regions_, around, target_, memo_);
    Layout wider = layout;
    wider.halos = std::move(halos);
    graph_.values[v].layout = wider;
    const bool pays = product_seconds(graph_, regions_, around, target_, memo_) - before < copies;
    if (decide_({.kind = DecisionKind::halo, .subject = v, .answers = {"plain", "margins"}, .rules = pays ? size_t{1} : size_t{0}}) == 1) return wider;
    graph_.values[v].layout = layout;
    return layout;
  }

 private:
  const Node& node(int n) const { return graph_.nodes[static_cast<size_t>(n)]; }

  const RegionPlan& plan_of(int n) const { return regions_[static_cast<size_t>(region_of_[static_cast<size_t>(n)])]; }
  bool of_library(int n) const { return plan_of(n).provider != Provider::Own; }

  // Its product reads a copy that has margins, because it is of bf16 or f16, or needs none, because it goes through Winograd's
  // transforms.
  bool copies_anyway(const RegionPlan& plan) const {
    return memo_.copies.get(key_of(graph_, plan), [&] { return copies(plan); });
  }

  bool copies(const RegionPlan& plan) const {
    Result<Region> region = memo_.build(graph_, plan);
    if (!region || (plan.precision != DType::F16 && rounds(*region, plan.precision))) return true;
    for (size_t i = 0; i < region->statements.size(); ++i)
      if (auto tile = best_tile(graph_, *region, i, target_, {.precision = plan.precision})) {
        if (tile->knobs[Knob::parts] > 1 || tile->knobs[Knob::halves] == 1) return true;
        if (precision_ == Precision::Fast && winograd_tile(graph_, *region, i, target_, *tile)) return true;
      }
    return false;
  }

  Graph& graph_;
  const std::vector<RegionPlan>& regions_;
  const Target& target_;
  Precision precision_;
  const Decider& decide_;
  RegionMemo& memo_;
  std::vector<std::vector<int>> users_;
  std::vector<int> region_of_;
  std::vector<bool> root_;
};

}  // namespace

double copy_rate(const Target& target, double bytes) {
  const double rate = 2 * bytes <= static_cast<double>(target.l2_bytes) ? target.l2_gb_per_s : target.l3_gb_per_s > 0 ? target.l3_gb_per_s : target.dram_gb_per_s;
  return rate * 1e9;
}

double copy_seconds(const Target& target, double bytes) { return 2 * bytes / copy_rate(target, bytes); }

double product_seconds(const Graph& graph, const std::vector<RegionPlan>& regions, const std::set<int>& which, const Target& target, RegionMemo& memo) {
  double seconds = 0;
  for (int r : which) {
    const RegionPlan& plan = regions[static_cast<size_t>(r)];
    const std::optional<double>& one = memo.products.get(key_of(graph, plan), [&]() -> std::optional<double> {
      Result<Region> region = memo.build(graph, plan);
      return region ? std::optional(seconds_in_tiles(graph, *region, target)) : std::nullopt;
    });
    if (one) seconds += *one;
  }
  return seconds;
}

std::vector<std::pair<ValueId, Layout>> add_halos(Graph& graph, const std::vector<RegionPlan>& regions, const Target& target,
                                                  Precision precision, std::vector<std::pair<ValueId, Layout>> layouts, const Decider& decide, RegionMemo& memo) {
  Halos halos(graph, regions, target, precision, decide, memo);
  for (auto& [value, layout] : layouts) layout = halos.choose(value, std::move(layout));
  return layouts;
}

}  // namespace tenon
