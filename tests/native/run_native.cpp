// Rows as native code for this machine.
#include "../llvm/run_module.h"
#include "../ops/rig.h"
#include "tenon/policy.h"

namespace tenon::testing {

Result<std::vector<Tensor>> run_lowered(const Graph& graph, std::span<const Tensor> inputs,
                                        const std::unordered_map<std::string, int64_t>& symbols,
                                        const std::function<void(Plan&)>& edit) {
  const TestTarget target = tenon::target(host_targets().back());
  TENON_TRY(Plan plan, rules_policy(graph, target));
  if (edit) edit(plan);
  TENON_TRY(Module module, build_module(graph, plan, target, {.verify_each = true}));
  if (auto code = generate_code(module, target, {.runtime_bitcode = runtime_bitcode(RuntimePart::Model, target.triple.substr(0, target.triple.find('-')))}); !code)
    return std::unexpected(std::move(code).error());
  return run_module(std::move(module), graph, target, inputs, symbols);
}

}  // namespace tenon::testing
