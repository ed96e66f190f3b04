// The loop passes in the order of passes.def.
#include <chrono>

#include "tenon/passes.h"

namespace tenon {

namespace {

Result<void> verified(const Module& module, const std::string& when) {
  Result<void> result = verify(module);
  if (!result)
    for (Diag& d : result.error()) d.message = when + ": " + d.message;
  return result;
}

}  // namespace

Result<Module> run_loop_passes(Module module, const Target& target, const PassOptions& options) {
  using Clock = std::chrono::steady_clock;
  struct Row {
    std::string_view name;
    Result<Module> (*run)(Module, const Target&);
  };
  constexpr Row rows[] = {
#define GRAPH_PASS(name, description)
#define LOOP_PASS(name, description) {#name, name},
#include "tenon/passes.def"
#undef GRAPH_PASS
#undef LOOP_PASS
  };
  if (options.verify_each) TENON_DO(verified(module, "as lowered"));
  for (const Row& row : rows) {
    auto start = Clock::now();
    TENON_TRY(Module next, row.run(std::move(module), target));
    module = std::move(next);
    if (options.timing) options.timing(row.name, std::chrono::duration<double>(Clock::now() - start).count());
    if (options.after_loops) options.after_loops(row.name, module);
    if (options.verify_each) TENON_DO(verified(module, "after pass " + std::string(row.name)));
  }
  return module;
}

}  // namespace tenon
