#include "tenon/ops.h"

namespace tenon {

const OpDef& definition(Op op) {
  static constexpr const OpDef* kDefinitions[] = {
#define OP(name, family) &def_##name,
#include "tenon/ops.def"
#undef OP
  };
  return *kDefinitions[static_cast<size_t>(op)];
}

Region lower_node(const Graph& graph, const Node& node) {
  Region region;
  ExprPool::Importer importer{graph.pool};
  auto dim = [&](Expr e) { return region.pool.import(importer, e); };
  auto buffer = [&](ValueId v, bool is_input) -> BufferId {
    if (!v.valid()) return {};
    if (BufferId known = region.buffer_of(v); known.valid()) return known;
    const Value& value = graph.values[v];
    std::vector<Expr> dims;
    for (Expr d : value.dims) dims.push_back(dim(d));
    return region.buffers.push({value.name, v, value.type, std::move(dims), is_input, !is_input});
  };
  std::vector<BufferId> inputs, outputs;
  for (ValueId v : node.inputs) inputs.push_back(buffer(v, true));
  for (ValueId v : node.outputs) outputs.push_back(buffer(v, false));
  LowerInput in{region, graph, node, inputs, outputs, dim};
  definition(node.op).lower(in);
  region.name = spelling(node.op);
  region.origins.push_back(node.origin);
  return region;
}

}  // namespace tenon
