// The order of the graph passes is the order of their rows.
#include <chrono>

#include "tenon/passes.h"

namespace tenon {

namespace {

constexpr GraphPass kPasses[] = {
#define GRAPH_PASS(name, description) {#name, description, name},
#define LOOP_PASS(name, description)
#include "tenon/passes.def"
#undef GRAPH_PASS
#undef LOOP_PASS
};

}  // namespace

std::span<const GraphPass> graph_passes() { return kPasses; }

Result<Graph> run_graph_passes(Graph graph, const PassOptions& options) {
  using Clock = std::chrono::steady_clock;
  for (const GraphPass& pass : kPasses) {
    if (options.level == 0 && pass.run != decompose) continue;  // the one that code generation needs
    Clock::time_point start = Clock::now();
    TENON_TRY(graph, pass.run(std::move(graph)));
    if (options.timing) options.timing(pass.name, std::chrono::duration<double>(Clock::now() - start).count());
    if (options.after_graph) options.after_graph(pass.name, graph);
    if (!options.verify_each) continue;
    if (auto verified = verify(graph); !verified) {
      for (Diag& d : verified.error()) d.message = "after pass " + std::string(pass.name) + ": " + d.message;
      return std::unexpected(std::move(verified).error());
    }
  }
  return graph;
}

}  // namespace tenon
