// The table of features, its hash, and the features of a whole plan.
#include "tenon/features.h"

#include <algorithm>

#include "evaluate.h"
#include "feature_rows.h"
#include "tenon/hash.h"

namespace tenon {

namespace {

// Counts changes of what a feature means or of how it is computed; tests/loops/features_test.cpp pins values.
constexpr int kFeaturesVersion = 1;

constexpr FeatureInfo kTable[] = {
#define FEATURE(name, group, unit, meaning) {#name, #group[0], unit, meaning},
#include "features.def"
#undef FEATURE
};

// Compulsory bytes from the memory that holds them, operations at their peak rate.
double floor_of(const RegionFacts& facts, const DeviceFacts& device) {
  double compute = 0;
  for (const StatementFacts& s : facts.statements) {
    const double peak = s.type == DType::I32 && s.factor_bits <= 8 ? device.gops_i8 : device.gflops_f32;
    if (s.kind == StatementFacts::Kind::Product || s.kind == StatementFacts::Kind::Depthwise) compute += 2 * s.points * s.terms / (peak * kGiga);
  }
  const double activations = facts.compulsory - facts.weights;
  auto rate = [&](double bytes) { return device.gb_per_s[level_of(device, bytes)] * kGiga; };
  return std::max({compute, activations / rate(facts.compulsory), facts.weights / rate(std::max(facts.weights, facts.constants))});
}

}  // namespace

std::span<const FeatureInfo> feature_table() { return kTable; }

std::string features_hash() {
  std::string text = std::to_string(kFeaturesVersion);
  for (const FeatureInfo& f : kTable) ((((text += '\n') += f.name) += '\t') += f.unit).append("\t").append(f.meaning);
  for (const KnobInfo& k : knob_table()) (text += '\n') += k.name;
  constexpr size_t kDigits = 16;
  return hex(blake3(text)).substr(0, kDigits);
}

std::string features_id() { return hex(blake3(features_hash())); }

size_t feature_index(std::string_view name) {
  const auto found = std::ranges::find(kTable, name, &FeatureInfo::name);
  TENON_CHECK(found != std::end(kTable), "no such feature");
  return static_cast<size_t>(found - kTable);
}

std::string_view bound_name(int bound) {
  constexpr std::string_view kNames[] = {"compute", "L1", "L2", "L3", "memory"};
  return kNames[bound];
}

Result<std::vector<RegionFeatures>> plan_features(const Graph& source, const Plan& plan, const Target& target, unsigned threads) {
  const Graph graph = laid_out(source, plan);
  const DeviceFacts device = device_facts(target, threads);
  std::vector<RegionFeatures> all;
  for (size_t r = 0; r < plan.regions.size(); ++r) {
    const RegionPlan& region_plan = plan.regions[r];
    if (region_plan.provider != Provider::Own) continue;
    TENON_TRY(Region region, build_region(graph, region_plan));
    TENON_TRY(const RegionFacts facts, region_facts(graph, region, region_plan, target, surroundings(graph, plan, r)));
    if (facts.statements.empty()) continue;
    const Variant& variant = region_plan.schedule.variants.back();
    RegionFeatures& features = all.emplace_back(RegionFeatures{.name = region_plan.name, .nodes = {}, .predicate = variant.predicate, .knobs = variant.knobs,
                                                               .values = std::vector<float>(row::count), .prior = {}, .floor = floor_of(facts, device)});
    for (const NodeRef& node : region.origins)
      if (std::ranges::find(features.nodes, node.name) == features.nodes.end()) features.nodes.push_back(node.name);
    features.prior = features_of(facts, variant, device, features.values);
  }
  return all;
}

}  // namespace tenon
