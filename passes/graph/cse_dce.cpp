// Merges nodes that are equal, operands and attributes included, and constants of equal bytes; drops what
// nobody reads. Why here: last, so that it sees what the other passes left. Cost: linear.
#include <cstring>
#include <map>

#include "rewrite.h"

namespace tenon {

namespace {

// Byte-equal small constants become one, so that nodes over them can be equal.
constexpr size_t kComparedBytes = 4096;

using ConstantKey = std::tuple<DType, std::vector<int64_t>, bool, std::string>;

std::unordered_map<ValueId, ValueId> equal_constants(const Graph& graph) {
  std::map<ConstantKey, ValueId> first;
  std::unordered_map<ValueId, ValueId> same;
  for (size_t k = 0; k < graph.values.size(); ++k) {
    ValueId v(k);
    const Constant* c = graph.constant(v);
    if (!c || c->bytes.size > kComparedBytes || c->type == DType::String) continue;
    std::string bytes(reinterpret_cast<const char*>(c->bytes.data), c->bytes.size);
    ValueId kept = first.try_emplace({c->type, c->dims, c->splat, std::move(bytes)}, v).first->second;
    if (kept != v) same.emplace(v, kept);
  }
  return same;
}

}  // namespace

Result<Graph> cse_dce(Graph graph) {
  auto same = equal_constants(graph);
  for (Node& node : graph.nodes)
    for (ValueId& v : node.inputs)
      if (auto it = same.find(v); it != same.end()) v = it->second;
  // Nodes of one op with the same operands are few: attributes are compared one by one.
  std::map<std::pair<Op, std::vector<ValueId>>, std::vector<Node>> seen;
  return rewrite(std::move(graph), [&](Graph&, const Node& node) -> Result<std::vector<ValueId>> {
    std::vector<Node>& candidates = seen[{node.op, node.inputs}];
    for (const Node& earlier : candidates)
      if (node.bodies.empty() && earlier.attrs == node.attrs && earlier.outputs.size() >= node.outputs.size())
        return std::vector(earlier.outputs.begin(), earlier.outputs.begin() + static_cast<int64_t>(node.outputs.size()));
    candidates.push_back(node);
    return {};
  });
}

}  // namespace tenon
