// The passes and their order. One pass: one file, one function, one row of passes.def, one folder of
// golden tests, all of one name.
#pragma once

#include <functional>

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
  std::function<void(std::string_view pass, const Module&)> after_loops = {};
  std::function<void(std::string_view pass, double seconds)> timing = {};
  int level = 2;  // -O
};

Result<Graph> run_graph_passes(Graph graph, const PassOptions& options);

// Applies a plan: one region per RegionPlan, as index expressions with inlining done ...
Result<Region> build_region(const Graph& graph, const Plan& plan, const RegionPlan& region);
// ... and as a kernel, under one variant's knobs.
struct BuiltKernel {
  Kernel kernel;
  std::vector<ValueId> params;               // the graph values of the kernel's Param buffers
  std::vector<std::pair<size_t, Layout>> packed;  // params that are constants in a layout of the kernel's choice
};
Result<BuiltKernel> lower_region(const Region& region, const Graph& graph, const Knobs& knobs, const Target& target);
// All regions, equal kernels shared, plus the host program. Runs the loop passes.
Result<Module> build_module(const Graph& graph, const Plan& plan, const Target& target, const PassOptions& options);

}  // namespace tenon
