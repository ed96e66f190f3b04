// Rows as their own index expressions, run by the region evaluator.
#include "rig.h"
#include "routines.h"

namespace tenon::testing {

Result<std::vector<Tensor>> run_lowered(const Graph& graph, std::span<const Tensor> inputs,
                                        const std::unordered_map<std::string, int64_t>& symbols,
                                        const std::function<void(Plan&)>&) {
  Region region = lower_node(graph, graph.nodes[0]);
  std::vector<Tensor> tensors(region.buffers.size()), results;
  for (size_t k = 0; k < inputs.size(); ++k)
    if (BufferId b = region.buffer_of(graph.inputs[k]); b.valid())
      tensors[static_cast<size_t>(b.index)] = inputs[k];
  auto routine = [](const Statement& s, std::vector<Tensor>& all, std::span<const int64_t> scalars) {
    std::vector<Tensor*> buffers;
    for (BufferId b : s.operands) buffers.push_back(&all[static_cast<size_t>(b.index)]);
    buffers.push_back(&all[static_cast<size_t>(s.out.index)]);
    for (BufferId b : s.more_outs) buffers.push_back(&all[static_cast<size_t>(b.index)]);
    EXPECT_TRUE(run_routine(s.routine, buffers, scalars));
  };
  TENON_DO(evaluate_region(region, tensors, symbols, routine));
  for (ValueId v : graph.outputs) results.push_back(tensors[static_cast<size_t>(region.buffer_of(v).index)]);
  return results;
}

}  // namespace tenon::testing
