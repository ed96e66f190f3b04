#include "providers.h"

#include "tenon/provider.h"

namespace tenon {

void choose_providers(const Graph& graph, std::vector<RegionPlan>& regions, const Target& target, Providers providers) {
  constexpr double kLeastGain = 1.05;
  if (providers == Providers::None) return;
  for (RegionPlan& region : regions) {
    if (region.schedule.variants[0].knobs[Knob::attach_block] > 0) continue;
    const auto call = onednn_call(graph, region);
    if (!call) continue;
    const auto gain = target.onednn.find(call->work_class);
    if (providers == Providers::OneDnnEverywhere || (gain != target.onednn.end() && gain->second >= kLeastGain)) region.provider = Provider::OneDnn;
  }
}

}  // namespace tenon
