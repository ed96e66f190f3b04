#include "islands.h"

#include "tenon/ops.h"

namespace tenon {

namespace {

// Whether v is a dequantised value, seen through nodes that only move elements.
bool is_dequantized(const Graph& graph, ValueId v) {
  for (;;) {
    const NodeId def = graph.values[v].def;
    if (!def.valid()) return false;
    const Node& node = graph.nodes[static_cast<size_t>(def.index)];
    if (node.op == Op::dequantize) return true;
    if (definition(node.op).kind != OpKind::Movement || node.inputs.empty()) return false;
    v = node.inputs[0];
  }
}

}  // namespace

Diags float_islands(const Graph& graph) {
  Diags found;
  for (const Node& node : graph.nodes) {
    if (definition(node.op).kind != OpKind::Contraction || !is_float(graph.values[node.outputs[0]].type)) continue;
    if (!is_dequantized(graph, node.inputs[0]) && !is_dequantized(graph, node.inputs[1])) continue;
    Diag diag{.code = Code::E0305, .severity = Severity::Warning, .message = node.origin.op + " of dequantised operands is computed in floats",
              .hint = "per-tensor activations and constant weights with one scale per output channel have an integer form", .node = node.origin};
    for (ValueId input : node.inputs) diag.shapes.push_back(graph.values[input].name + ": " + type_text(graph, input));
    found.push_back(std::move(diag));
  }
  return found;
}

}  // namespace tenon
