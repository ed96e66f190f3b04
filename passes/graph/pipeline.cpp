// The order of the graph passes is the order of their rows.
#include <algorithm>
#include <chrono>

#include "tenon/ops.h"
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

Result<void> verified(const Graph& graph, const std::string& when) {
  Result<void> result = verify_ops(graph);
  if (!result)
    for (Diag& d : result.error()) d.message = when + ": " + d.message;
  return result;
}

}  // namespace

std::span<const GraphPass> graph_passes() { return kPasses; }

bool prefers_unsigned_bytes(const Target& target) {
  for (const Atom& atom : target.atoms) {
    if (atom.name == "vpdpbusd" || atom.name == "pmaddwd") return true;
    if (atom.name == "sdot") return false;
  }
  return false;
}

Result<Graph> run_graph_passes(Graph graph, std::span<const GraphPass> passes, const PassOptions& options) {
  using Clock = std::chrono::steady_clock;
  if (options.verify_each) TENON_DO(verified(graph, "before the passes"));
  for (const GraphPass& pass : passes) {
    Clock::time_point start = Clock::now();
    TENON_TRY(graph, pass.run(std::move(graph)));
    if (options.timing) options.timing(pass.name, std::chrono::duration<double>(Clock::now() - start).count());
    if (options.after_graph) options.after_graph(pass.name, graph);
    if (options.verify_each) TENON_DO(verified(graph, "after pass " + std::string(pass.name)));
  }
  return graph;
}

Result<Graph> run_graph_passes(Graph graph, const PassOptions& options) {
  auto needed = std::ranges::find(kPasses, "decompose", &GraphPass::name);  // by code generation
  std::vector<GraphPass> chosen(options.level == 0 ? needed : std::begin(kPasses), options.level == 0 ? needed + 1 : std::end(kPasses));
  if (!options.unsigned_bytes) std::erase_if(chosen, [](const GraphPass& pass) { return pass.name == "relabel_bytes"; });
  return run_graph_passes(std::move(graph), chosen, options);
}

}  // namespace tenon
