#include "pitches.h"

#include <algorithm>

#include "joins.h"
#include "tenon/ops.h"

namespace tenon {

namespace {

class Pitches {
 public:
  Pitches(const Graph& graph, const std::vector<RegionPlan>& regions, const Target& target, Plan& plan, const Decider& decide)
      : graph_(graph), regions_(regions), target_(target), plan_(plan), decide_(decide), users_(graph.users()), region_of_(region_of_nodes(graph, regions)) {}

  void run() {
    for (size_t n = 0; n < graph_.nodes.size(); ++n) {
      const Node& node = graph_.nodes[n];
      if (node.op != Op::conv || !is_depthwise(graph_, node)) continue;
      consider(node.inputs[0]);
      if (const auto root = only_root(regions_[static_cast<size_t>(region_of_[n])])) consider(*root);
    }
  }

 private:
  static constexpr int kChannels = kChannelDim;

  void consider(ValueId v) {
    const auto row = std::ranges::find(plan_.layouts, v, &std::pair<ValueId, Layout>::first);
    if (row == plan_.layouts.end() || !has_own_memory(v)) return;
    Layout& layout = row->second;
    if (layout.parts.empty() || !layout.capacities.empty() || layout.parts.back() != LayoutPart{.dim = kChannels}) return;
    if (std::ranges::count(layout.halos, kChannels, &Halo::dim)) return;
    const auto extent = pitch(v);
    if (extent && decide_({.kind = DecisionKind::pitch, .subject = v, .answers = {"dense", "spread"}, .rules = 1}) == 1) layout.capacities.push_back({.dim = kChannels, .extent = std::to_string(*extent)});
  }

  // A buffer that is neither the caller's nor within another one, and that only arithmetic reads: a copy would move it as one piece.
  bool has_own_memory(ValueId v) const {
    const NodeId def = graph_.values[v].def;
    if (!def.valid() || std::ranges::count(graph_.outputs, v)) return false;
    if (std::ranges::any_of(plan_.parts, [&](const Part& p) { return p.value == v || p.whole == v; })) return false;
    return is_root(v, def.index) && works(def.index) && std::ranges::all_of(users_[static_cast<size_t>(v.index)], [&](int n) { return works(n); });
  }

  bool is_root(ValueId v, int def) const {
    const RegionPlan& region = regions_[static_cast<size_t>(region_of_[static_cast<size_t>(def)])];
    return std::ranges::count(region.placed, std::pair(v, Placement::Root)) > 0;
  }

  bool works(int n) const {
    const OpKind kind = definition(graph_.nodes[static_cast<size_t>(n)].op).kind;
    const RegionPlan& region = regions_[static_cast<size_t>(region_of_[static_cast<size_t>(n)])];
    return region.provider == Provider::Own && (kind == OpKind::Contraction || kind == OpKind::Elementwise || kind == OpKind::Reduction);
  }

  // Channels from one pixel to the next, where theirs are an even number of lines and an image is more than the cache holds.
  std::optional<int64_t> pitch(ValueId v) const {
    constexpr int64_t kLargestShare = 8;  // of what is added
    const Value& value = graph_.values[v];
    if (value.dims.size() != kImageRank || !is_float(value.type)) return std::nullopt;
    const auto image = image_bytes(graph_, v);
    if (!image) return std::nullopt;
    const int64_t channels = *graph_.pool.as_int(value.dims[kChannelDim]), line = target_.line_bytes * 8 / bits(value.type);
    if (line <= 0 || channels % (2 * line) != 0 || channels < kLargestShare * line || *image <= static_cast<double>(target_.l1d_bytes)) return std::nullopt;
    return channels + line;
  }

  const Graph& graph_;
  const std::vector<RegionPlan>& regions_;
  const Target& target_;
  Plan& plan_;
  const Decider& decide_;
  std::vector<std::vector<int>> users_;
  std::vector<int> region_of_;
};

}  // namespace

void spread_pixels(const Graph& graph, const std::vector<RegionPlan>& regions, const Target& target, Plan& plan, const Decider& decide) {
  Pitches(graph, regions, target, plan, decide).run();
}

}  // namespace tenon
