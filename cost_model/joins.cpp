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

std::optional<size_t> only_producer(const Graph& graph, const std::vector<RegionPlan>& regions, const std::vector<int>& region_of, ValueId v, int reader) {
  const NodeId def = graph.values[v].def;
  if (!def.valid() || std::ranges::count(graph.outputs, v) > 0) return std::nullopt;
  const auto users = graph.users();
  if (!std::ranges::all_of(users[static_cast<size_t>(v.index)], [&](int u) { return u == reader; })) return std::nullopt;
  const auto region = static_cast<size_t>(region_of[static_cast<size_t>(def.index)]);
  if (region == static_cast<size_t>(region_of[static_cast<size_t>(reader)])) return std::nullopt;
  return only_root(regions[region]) == v ? std::optional(region) : std::nullopt;
}

std::optional<double> image_bytes(const Graph& graph, ValueId v) {
  const Value& value = graph.values[v];
  double bytes = bits(value.type) / 8.0;
  for (size_t d = 1; d < value.dims.size(); ++d) {
    const auto extent = graph.pool.as_int(value.dims[d]);
    if (!extent) return std::nullopt;
    bytes *= static_cast<double>(*extent);
  }
  return bytes;
}

RegionPlan joined(RegionPlan reader, const RegionPlan& producer, Placement placement) {
  reader.nodes.insert(reader.nodes.end(), producer.nodes.begin(), producer.nodes.end());
  std::ranges::sort(reader.nodes);
  for (auto [v, place] : producer.placed) reader.placed.emplace_back(v, place == Placement::Root ? placement : place);
  std::ranges::sort(reader.placed);
  return reader;
}

}  // namespace tenon
