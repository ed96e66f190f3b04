// Rows as the loops that the rules policy makes of them, run by the evaluator of Loops.
#include "../ops/rig.h"
#include "routines.h"
#include "tenon/passes.h"
#include "tenon/policy.h"

namespace tenon::testing {

Result<std::vector<Tensor>> run_lowered(const Graph& graph, std::span<const Tensor> inputs,
                                        const std::unordered_map<std::string, int64_t>& symbols,
                                        const std::function<void(Plan&)>& edit) {
  Target target;
  target.name = "test";
  target.vector_bytes = 32;
  target.vector_registers = 16;
  target.l2_bytes = 1 << 20;
  TENON_TRY(Plan plan, rules_policy(graph, target));
  if (edit) edit(plan);
  TENON_TRY(Module module, build_module(graph, plan, target, {.verify_each = true}));
  std::vector<int64_t> values;
  for (Expr s : module.symbols) values.push_back(symbols.at(module.pool.var(s).name));
  return evaluate_host(
      module, inputs, values, [&](ConstantId c) { return tensor_of(graph.constants[c]); }, run_routine);
}

}  // namespace tenon::testing
