#include "beyond_f16.h"

namespace tenon {

Diags beyond_f16(const Graph& graph, const Plan& plan) {
  Diags found;
  const Graph laid = laid_out(graph, plan);
  for (const RegionPlan& exact : plan.regions) {
    if (exact.precision != DType::F32 || exact.provider != Provider::Own) continue;
    RegionPlan narrow = exact;
    narrow.precision = DType::F16;
    if (auto region = build_region(laid, narrow); region && overflows(graph, *region, DType::F16))
      found.push_back({.code = Code::E0405, .severity = Severity::Warning, .message = "region " + exact.name + " stays in f32: it has weights beyond 65504, which f16 does not hold",
                       .hint = "--precision bf16 has the range of f32", .node = graph.nodes[static_cast<size_t>(exact.nodes.front())].origin});
  }
  return found;
}

}  // namespace tenon
