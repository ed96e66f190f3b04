// The passes and their order. One pass: one file, one function, one row of passes.def, one folder of
// golden tests, all of one name.
#pragma once

#include <functional>
#include <span>

#include "tenon/graph.h"
#include "tenon/loops.h"
#include "tenon/plan.h"
#include "tenon/target.h"

namespace tenon {

#define GRAPH_PASS(name, description) Result<Graph> name(Graph graph);
#define LOOP_PASS(name, description) Result<Module> name(Module module, const Target& target);
#include "tenon/passes.def"
#undef GRAPH_PASS
#undef LOOP_PASS

struct PassOptions {
  bool verify_each = false;
  std::function<void(std::string_view pass, const Graph&)> after_graph = {};
  std::function<void(std::string_view pass, const Module&)> after_loops = {};  // first after "lower"
  std::function<void(std::string_view pass, double seconds)> timing = {};
  int level = 2;  // -O
  bool unsigned_bytes = false;  // run relabel_bytes: prefers_unsigned_bytes()
};

struct GraphPass {
  std::string_view name, description;
  Result<Graph> (*run)(Graph graph);
};
struct LoopPass {
  std::string_view name, description;
  Result<Module> (*run)(Module module, const Target& target);
};
std::span<const GraphPass> graph_passes();  // the rows, in order
std::span<const LoopPass> loop_passes();

// Whether byte products of the target take an unsigned operand, so that signed activations cost more.
bool prefers_unsigned_bytes(const Target& target);

// The passes of the options' level, in order.
Result<Graph> run_graph_passes(Graph graph, const PassOptions& options);
// These passes.
Result<Graph> run_graph_passes(Graph graph, std::span<const GraphPass> passes, const PassOptions& options);
Result<Module> run_loop_passes(Module module, const Target& target, std::span<const LoopPass> passes,
                               const PassOptions& options);

// A region under one variant's knobs: one kernel, or several where its statements do not share loops.
struct KernelParam {
  ValueId value;           // a graph value ...
  int temporary = -1;      // ... or a temporary of the region, in workspace
  Layout packed = {};      // a constant in a layout of the kernel's choice; else the value's own layout holds
  std::optional<DType> rounded = {};  // a constant that is rounded to this type ...
  int64_t parts = 1;                  // ... or split into so many numbers of it; `packed` is the layout of each part
  int64_t winograd = 0;               // weights that are transformed for F(m,3): PackedConstant
  bool operator==(const KernelParam&) const = default;
};
struct BuiltKernel {
  Kernel kernel;
  std::vector<KernelParam> params;   // of the kernel's Param buffers, in order
};
// `memory`: the value in whose memory a value lies; empty: each in its own. Copies of what is there already are left out.
using MemoryOf = std::function<ValueId(ValueId)>;
Result<std::vector<BuiltKernel>> lower_region(const Region& region, const Graph& graph, const Variant& variant,
                                              const Target& target, const MemoryOf& memory = {});

// All regions and variants as kernels, plus the host program; no loop pass has run.
Result<Module> lower_graph(const Graph& graph, const Plan& plan, const Target& target);

// lower_graph, then the loop passes.
Result<Module> build_module(const Graph& graph, const Plan& plan, const Target& target, const PassOptions& options);

}  // namespace tenon
