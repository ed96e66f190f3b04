// The vocabulary that shape inference is written in.
#pragma once

#include "tenon/ops.h"

namespace tenon {

using Types = std::vector<ValueType>;

inline bool has_input(const Node& node, size_t i) { return i < node.inputs.size() && node.inputs[i].valid(); }
inline const Value& input(const Graph& graph, const Node& node, size_t i) {
  return graph.values[node.inputs[i]];
}
inline ValueType type_of(const Graph& graph, const Node& node, size_t i) {
  return {input(graph, node, i).type, input(graph, node, i).dims};
}
inline size_t rank(const Graph& graph, const Node& node, size_t i) {
  return input(graph, node, i).dims.size();
}

inline std::unexpected<Diags> shape_error(std::string message) {
  return fail(Code::E0204, std::move(message));
}
inline std::unexpected<Diags> type_error(std::string message) {
  return fail(Code::E0205, std::move(message));
}
inline std::unexpected<Diags> attr_error(std::string message) {
  return fail(Code::E0206, std::move(message));
}

// Types of the node's outputs, checked and with all replacements applied; what add_node records.
Result<Types> infer_types(Graph& graph, const Node& node);
// Attribute `axis`, counted from the front, in [0, rank).
Result<size_t> axis_of(const Node& node, size_t rank);
// Operands a and b have one element type, or E0205.
Result<void> same_type(const Graph& graph, const Node& node, size_t a, size_t b);

}  // namespace tenon
