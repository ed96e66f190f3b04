#include "joins.h"

#include <algorithm>

namespace tenon {

std::vector<int> region_of_nodes(const Graph& graph, const std::vector<RegionPlan>& regions) {
  std::vector<int> region_of(graph.nodes.size(), -1);
  for (size_t r = 0; r < regions.size(); ++r)
    for (int n : regions[r].nodes) region_of[static_cast<size_t>(n)] = static_cast<int>(r);
  return region_of;
}

std::optional<ValueId> only_root(const RegionPlan& region) {
  std::optional<ValueId> found;
  for (auto [v, placement] : region.placed) {
    if (placement != Placement::Root) continue;
    if (found) return std::nullopt;
    found = v;
  }
  return found;
}

bool is_depthwise(const Graph& graph, const Node& node) {
  return node.op == Op::conv && node.attrs.get_or<Attr::groups>(1) > 1 && graph.pool.is_index(graph.values[node.inputs[1]].dims[1], 1);
}

RegionPlan joined(RegionPlan reader, const RegionPlan& producer, Placement placement) {
  reader.nodes.insert(reader.nodes.end(), producer.nodes.begin(), producer.nodes.end());
  std::ranges::sort(reader.nodes);
  for (auto [v, place] : producer.placed) reader.placed.emplace_back(v, place == Placement::Root ? placement : place);
  std::ranges::sort(reader.placed);
  return reader;
}

}  // namespace tenon
