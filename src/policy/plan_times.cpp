#include "tenon/plan_times.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "tenon/differences.h"
#include "tenon/hash.h"

namespace tenon {

namespace {

void add_bits(std::string& text, double number) {
  char bytes[sizeof number];
  std::memcpy(bytes, &number, sizeof number);
  text.append(bytes, sizeof bytes);
}

// Values that nodes of the region read or make.
std::vector<ValueId> values_of(const Graph& graph, const RegionPlan& region) {
  std::vector<ValueId> all;
  for (const int n : region.nodes) {
    const Node& node = graph.nodes[static_cast<size_t>(n)];
    for (const auto* values : {&node.inputs, &node.outputs})
      for (ValueId v : *values)
        if (v.valid() && std::ranges::find(all, v) == all.end()) all.push_back(v);
  }
  return all;
}

// What of the surroundings a region's facts are made of, and the knobs that its signature leaves out.
std::string key_of(const Graph& laid_out, const RegionPlan& region, const Surroundings& around) {
  std::string key = signature(laid_out, region);
  add_bits(key, around.before), add_bits(key, around.since_asked);
  for (const Variant& variant : region.schedule.variants) add_bits(key, static_cast<double>(variant.knobs[Knob::beyond])), add_bits(key, static_cast<double>(variant.knobs[Knob::beyond_from]));
  const std::vector<ValueId> values = values_of(laid_out, region);
  auto has = [&](ValueId v) { return std::ranges::find(values, v) != values.end(); };
  for (const auto& [value, distance] : around.distances)
    if (has(value)) key += 'd' + std::to_string(value.index), add_bits(key, distance);
  for (ValueId v : around.previous)
    if (has(v)) key += 'p' + std::to_string(v.index);
  for (const Part& part : around.parts)
    if (has(part.value) || has(part.whole)) key += 'w' + std::to_string(part.value.index) + ' ' + std::to_string(part.whole.index) + ' ' + std::to_string(part.dim) + ' ' + std::to_string(part.begin);
  return key;
}

double operations_of(const RegionFacts& facts) {
  double all = 0;
  for (const StatementFacts& s : facts.statements) all += (s.kind == StatementFacts::Kind::Product || s.kind == StatementFacts::Kind::Depthwise ? 2 : 1) * s.points * s.terms;
  return all;
}

}  // namespace

PlanTimes::PlanTimes(const Graph& graph, const Target& target, const PlanTimesOptions& options)
    : graph_(graph), target_(target), options_(options), device_(device_facts(target, options.threads)), users_(graph.users()) {
  for (size_t v = 0; v < graph.values.size(); ++v) values_.emplace(graph.values[ValueId(v)].name, ValueId(v));
}

Result<TimedPlanRef> PlanTimes::of(const Answers& answers) {
  auto timed = std::make_shared<TimedPlan>();
  TENON_TRY(timed->decided, decided_plan(graph_, target_, options_.precision, options_.providers, answers));
  const Plan& plan = timed->decided.plan;
  const Graph graph = laid_out(graph_, plan);
  std::string identity;
  for (size_t r = 0; r < plan.regions.size(); ++r) {
    const Surroundings around = surroundings(graph, plan, r);
    const std::string key = key_of(graph, plan.regions[r], around);
    auto known = known_.find(key);
    if (known == known_.end()) {
      TENON_TRY(const RegionOutlook outlook, one(graph, plan, r, around));
      known = known_.emplace(key, outlook).first;
    }
    timed->regions.push_back(known->second);
    timed->seconds += known->second.seconds;
    identity += std::to_string(key.size()) + ' ' + key;
  }
  timed->identity = hex(blake3(identity));
  return TimedPlanRef(std::move(timed));
}

Result<RegionOutlook> PlanTimes::one(const Graph& laid_out, const Plan& plan, size_t r, const Surroundings& around) const {
  const RegionPlan& region_plan = plan.regions[r];
  RegionOutlook outlook;
  if (region_plan.provider != Provider::Own) return outlook;
  TENON_TRY(Region region, build_region(laid_out, region_plan));
  TENON_TRY(const RegionFacts facts, region_facts(laid_out, region, region_plan, target_, around));
  if (facts.statements.empty()) return outlook;
  const Variant& variant = region_plan.schedule.variants.back();
  outlook.prior = prior(facts, variant, device_);
  outlook.operations = operations_of(facts);
  outlook.inputs = facts.inputs, outlook.weights = facts.weights, outlook.temporaries = facts.temporaries;
  outlook.seconds = outlook.prior.seconds;
  if (options_.model) {
    std::vector<float> features(feature_table().size());
    features_of(facts, variant, device_, features);
    outlook.seconds = std::exp(predict(*options_.model, features, outlook.prior.seconds).mean);
  }
  return outlook;
}

std::vector<size_t> PlanTimes::regions_about(const TimedPlan& plan, const Asked& asked) const {
  const ValueId v = subject(asked);
  std::vector<size_t> found;
  auto add = [&](int node) {
    const std::vector<RegionPlan>& regions = plan.decided.plan.regions;
    const auto at = std::ranges::find_if(regions, [&](const RegionPlan& r) { return std::ranges::binary_search(r.nodes, node); });
    const auto r = static_cast<size_t>(at - regions.begin());
    if (at != regions.end() && std::ranges::find(found, r) == found.end()) found.push_back(r);
  };
  if (const NodeId made = graph_.values[v].def; made.valid()) add(static_cast<int>(made.index));
  for (const int n : readers(v)) add(n);
  return found;
}

}  // namespace tenon
