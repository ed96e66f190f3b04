// Replaces composites that no kernel keeps whole by simpler nodes: those whose definition has a
// decomposition and no lowering. Guarantees: every node has a lowering. Cost: linear.
#include "rewrite.h"

namespace tenon {

Result<Graph> decompose(Graph graph) {
  return rewrite_to_fixpoint(std::move(graph), [](Graph& g, const Node& node) -> Result<std::vector<ValueId>> {
    DecomposeFn parts = definition(node.op).decompose;
    if (!parts) return {};
    return parts(g, node);
  });
}

}  // namespace tenon
