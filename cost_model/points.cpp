#include <algorithm>
#include <array>

#include "tenon/ops.h"
#include "tenon/points.h"
#include "tenon/policy.h"

namespace tenon {

namespace {

constexpr auto kFormKnobs = std::to_array<Knob>({Knob::vectors, Knob::pack_b, Knob::padding, Knob::lanes, Knob::matrix, Knob::parts, Knob::halves, Knob::winograd, Knob::width});

bool same_form(const Knobs& a, const Knobs& b) {
  return std::ranges::all_of(kFormKnobs, [&](Knob knob) { return a[knob] == b[knob]; });
}

bool same_forms(const Variant& a, const Variant& b) {
  return same_form(a.knobs, b.knobs) && std::ranges::equal(a.producers, b.producers, [](const auto& x, const auto& y) { return x.first == y.first && same_form(x.second, y.second); });
}

}  // namespace

std::span<const Knob> form_knobs() { return kFormKnobs; }

bool packs_constants(const Graph& graph, const RegionPlan& region) {
  return std::ranges::any_of(region.nodes, [&](int n) {
    const Node& node = graph.nodes[static_cast<size_t>(n)];
    return definition(node.op).kind == OpKind::Contraction && std::ranges::any_of(node.inputs, [&](ValueId v) { return v.valid() && graph.constant(v); });
  });
}

Result<Plan> rules_at(const Graph& bound, const Target& target, Precision precision, const Plan& plan, const Point& point, bool workers) {
  TENON_TRY(const Plan before, plan_at(plan, point.all()));
  Plan at = before;
  TENON_DO(schedule_again(bound, target, precision, at));
  if (workers) cut_rows(bound, at);
  for (size_t r = 0; r < at.regions.size(); ++r) {
    const Variant& widest = plan.regions[r].schedule.variants.back();
    if (packs_constants(bound, at.regions[r]) && !same_forms(widest, at.regions[r].schedule.variants.back())) at.regions[r].schedule = before.regions[r].schedule;
  }
  return at;
}

}  // namespace tenon
