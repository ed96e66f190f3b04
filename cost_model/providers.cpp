#include "providers.h"

#include "tenon/provider.h"

namespace tenon {

void choose_providers(const Graph& graph, std::vector<RegionPlan>& regions, const Target& target, Providers providers, const Decider& decide) {
  constexpr double kLeastGain = 1.05;
  if (providers == Providers::None) return;
  for (RegionPlan& region : regions) {
    if (region.schedule.variants[0].knobs[Knob::attach_block] > 0) continue;
    const auto call = onednn_call(graph, region);
    if (!call) continue;
    const auto gain = target.onednn.find(call->work_class);
    const bool faster = providers == Providers::OneDnnEverywhere || (gain != target.onednn.end() && gain->second >= kLeastGain);
    const Question question{.kind = DecisionKind::provider, .subject = graph.nodes[static_cast<size_t>(region.nodes.back())].outputs[0], .answers = {"own", "onednn"}, .rules = faster ? size_t{1} : size_t{0}};
    if (decide(question) == 1) region.provider = Provider::OneDnn;
  }
}

}  // namespace tenon
