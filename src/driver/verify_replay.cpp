// Which node makes a region wrong: the plan is kept but for the regions in question, which fall apart into their
// nodes. What the evaluator then finds wrong first is named.
#include <algorithm>
#include <ranges>
#include <set>

#include "scratch_folder.h"
#include "tenon/ops.h"
#include "verify_layers.h"

namespace tenon {

namespace {

// One region per node; of the schedule, which was one for them all, a convolution keeps the algorithm.
std::vector<RegionPlan> apart(const RegionPlan& region, const Graph& graph) {
  std::vector<RegionPlan> parts;
  for (int n : region.nodes) {
    const Node& node = graph.nodes[static_cast<size_t>(n)];
    RegionPlan part{.name = graph.values[node.outputs[0]].name, .nodes = {n}, .placed = {}, .schedule = {}};
    for (ValueId v : node.outputs) part.placed.emplace_back(v, Placement::Root);
    part.precision = region.precision;
    const Knobs& knobs = region.schedule.variants.back().knobs;
    if (node.op == Op::conv)
      for (Knob knob : {Knob::winograd, Knob::attach, Knob::attach_block})
        if (knobs[Knob::winograd] > 0) part.schedule.variants[0].knobs.set(knob, knobs[knob]);
    parts.push_back(std::move(part));
  }
  return parts;
}

bool makes(const RegionPlan& region, const Graph& graph, const std::set<std::string>& names) {
  return std::ranges::any_of(region.placed, [&](const auto& placed) {
    return placed.second == Placement::Root && names.contains(graph.values[placed.first].name);
  });
}

std::string text(const NodeRef& node) { return node.op + " `" + node.name + "`, node " + std::to_string(node.index); }

}  // namespace

Result<void> name_wrong_nodes(std::vector<OutputError>& layers, const Lowered& model, const CompileOptions& options,
                              const std::vector<Tensor>& inputs, const Dims& dims, const ExactValues& exact) {
  std::set<std::string> wrong;
  for (const OutputError& layer : layers)
    if (!layer.within) wrong.insert(layer.name);
  if (wrong.empty()) return {};

  Lowered split{model.target, model.graph, model.plan, {}};
  split.plan.regions.clear();
  for (const RegionPlan& region : model.plan.regions) {
    if (!makes(region, model.graph, wrong)) split.plan.regions.push_back(region);
    else std::ranges::move(apart(region, model.graph), std::back_inserter(split.plan.regions));
  }
  TENON_TRY(split.module, build_module(split.graph, split.plan, split.target, {}));
  const ScratchFolder scratch;
  TENON_TRY(const ArtifactSummary made, generate_artifact(split, (scratch.path() / "apart").string(), options));
  TENON_TRY(const std::unique_ptr<Artifact> artifact, open_artifact(made.folder));
  TENON_TRY(const Reference reference, judge_regions(split, inputs, dims, exact));
  TENON_TRY(const std::vector<OutputError> nodes, verify_regions(*artifact, split, reference, inputs, dims));

  for (const RegionPlan& region : model.plan.regions)
    for (OutputError& layer : layers) {
      if (layer.within || !makes(region, model.graph, {layer.name})) continue;
      layer.node = "no single node: each is right by itself; it is in how they are fused, or in the artifact's files";
      for (int n : region.nodes | std::views::reverse) {
        const Node& node = model.graph.nodes[static_cast<size_t>(n)];
        auto found = std::ranges::find(nodes, model.graph.values[node.outputs[0]].name, &OutputError::name);
        if (found != nodes.end() && !found->within) layer.node = text(node.origin);
      }
    }
  return {};
}

}  // namespace tenon
