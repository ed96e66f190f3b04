// The order of the loop passes is the order of their rows.
#include <chrono>

#include "tenon/passes.h"

namespace tenon {

namespace {

constexpr LoopPass kPasses[] = {
#define GRAPH_PASS(name, description)
#define LOOP_PASS(name, description) {#name, description, name},
#include "tenon/passes.def"
#undef GRAPH_PASS
#undef LOOP_PASS
};

Result<void> verified(const Module& module, const std::string& when) {
  Result<void> result = verify(module);
  if (!result)
    for (Diag& d : result.error()) d.message = when + ": " + d.message;
  return result;
}

}  // namespace

std::span<const LoopPass> loop_passes() { return kPasses; }

Result<Module> run_loop_passes(Module module, const Target& target, std::span<const LoopPass> passes,
                               const PassOptions& options) {
  using Clock = std::chrono::steady_clock;
  if (options.verify_each) TENON_DO(verified(module, "before the passes"));
  for (const LoopPass& pass : passes) {
    Clock::time_point start = Clock::now();
    TENON_TRY(module, pass.run(std::move(module), target));
    if (options.timing) options.timing(pass.name, std::chrono::duration<double>(Clock::now() - start).count());
    if (options.after_loops) options.after_loops(pass.name, module);
    if (options.verify_each) TENON_DO(verified(module, "after pass " + std::string(pass.name)));
  }
  return module;
}

}  // namespace tenon
