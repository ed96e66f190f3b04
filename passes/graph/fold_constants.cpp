// Evaluates nodes whose operands are constants, and what shape arithmetic found to be numbers.
// Dequantised constants stay: fold_quantized wants their integers, and they are smaller.
// Why here: the passes after it look at constants. Cost: linear in the constants' bytes.
#include "constants.h"

namespace tenon {

namespace {

// The tensor that symbolic shape arithmetic found.
std::optional<ValueId> from_content(Graph& graph, ValueId v) {
  const Value& value = graph.values[v];
  if (!value.content) return std::nullopt;
  Tensor t{.type = value.type, .dims = {}};
  for (Expr d : value.dims) {
    auto extent = graph.pool.as_int(d);
    if (!extent) return std::nullopt;
    t.dims.push_back(*extent);
  }
  for (Expr e : *value.content) {
    if (is_float(value.type)) {
      auto number = graph.pool.as_double(e);
      if (!number) return std::nullopt;
      t.f.push_back(*number);
    } else {
      auto number = graph.pool.as_int(e);
      if (!number) return std::nullopt;
      t.i.push_back(*number);
    }
  }
  return add_tensor(graph, value.name, t);
}

}  // namespace

Result<Graph> fold_constants(Graph graph) {
  return rewrite(std::move(graph), [](Graph& g, const Node& node) -> Result<std::vector<ValueId>> {
    if (node.op == Op::dequantize) return {};
    if (node.outputs.size() == 1)
      if (auto known = from_content(g, node.outputs[0])) return std::vector{*known};
    return fold_node(g, node).value_or(std::vector<ValueId>{});
  });
}

}  // namespace tenon
