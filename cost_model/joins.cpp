#include "joins.h"

#include <algorithm>

#include "tenon/ops.h"

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

std::optional<int> only_work(const Graph& graph, const RegionPlan& region) {
  std::optional<int> found;
  for (int n : region.nodes) {
    if (definition(graph.nodes[static_cast<size_t>(n)].op).kind == OpKind::Elementwise) continue;
    if (found) return std::nullopt;
    found = n;
  }
  return found;
}

std::optional<int> only_convolution(const Graph& graph, const RegionPlan& region) {
  const auto found = only_work(graph, region);
  if (!found) return std::nullopt;
  const Node& node = graph.nodes[static_cast<size_t>(*found)];
  return node.op == Op::conv && graph.constant(node.inputs[1]) ? found : std::nullopt;
}

std::optional<size_t> only_producer(const Graph& graph, const std::vector<std::vector<int>>& users, const std::vector<RegionPlan>& regions,
                                    const std::vector<int>& region_of, ValueId v, int reader) {
  const NodeId def = graph.values[v].def;
  if (!def.valid() || std::ranges::count(graph.outputs, v) > 0) return std::nullopt;
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

std::optional<Layout> channels_innermost(const Graph& graph, ValueId v, const RegionPlan& reader) {
  const auto root = std::ranges::find(reader.placed, Placement::Root, &std::pair<ValueId, Placement>::second);
  const Layout& layout = graph.values[v].layout;
  if (layout.parts.empty() || layout.parts.back().dim != static_cast<int>(kChannelDim) || graph.values[root->first].layout.parts != layout.parts) return std::nullopt;
  return layout;
}

bool lines_hold_tiles(const Graph& graph, ValueId v) {
  constexpr int64_t kMostRows = 14, kFewest = 2;
  auto extent = [&](size_t dim) { return graph.pool.as_int(graph.values[v].dims[dim]).value_or(0); };
  return extent(kRowDim) >= kFewest && extent(kColumnDim) >= kMostRows;
}

RegionPlan joined(RegionPlan reader, const RegionPlan& producer, Placement placement) {
  reader.nodes.insert(reader.nodes.end(), producer.nodes.begin(), producer.nodes.end());
  std::ranges::sort(reader.nodes);
  for (auto [v, place] : producer.placed) reader.placed.emplace_back(v, place == Placement::Root ? placement : place);
  std::ranges::sort(reader.placed);
  return reader;
}

void attach_producer(RegionPlan& reader, RegionPlan& producer, std::vector<int>& region_of, const std::pair<ValueId, Layout>& between,
                     std::vector<std::pair<ValueId, Layout>>& layouts) {
  reader = joined(std::move(reader), producer, Placement::Attached);
  for (int n : producer.nodes) region_of[static_cast<size_t>(n)] = region_of[static_cast<size_t>(reader.nodes.back())];
  producer.nodes.clear();
  for (auto& [v, layout] : layouts)
    if (v == between.first) layout = between.second;
}

}  // namespace tenon
