#include "opt.h"

#include <algorithm>
#include <charconv>

#include "tenon/ops.h"
#include "tenon/policy.h"

namespace tenon::opt {

namespace {

struct Chosen {
  std::vector<GraphPass> graph;
  std::vector<LoopPass> loops;
};

Result<Chosen> choose(const std::vector<std::string>& names) {
  Chosen chosen;
  for (const std::string& name : names) {
    auto graph = std::ranges::find(graph_passes(), name, &GraphPass::name);
    auto loops = std::ranges::find(loop_passes(), name, &LoopPass::name);
    if (loops != loop_passes().end()) {
      chosen.loops.push_back(*loops);
    } else if (graph == graph_passes().end()) {
      return fail(Code::E0601, "no pass is named " + name, "`tenon-opt --list` lists them");
    } else if (!chosen.loops.empty()) {
      return fail(Code::E0601, name + " works on graphs: it cannot follow " + std::string(chosen.loops.back().name));
    } else {
      chosen.graph.push_back(*graph);
    }
  }
  return chosen;
}

Result<void> set_knobs(Plan& plan, std::string_view list) {
  while (!list.empty()) {
    std::string_view item = list.substr(0, list.find(','));
    list.remove_prefix(std::min(item.size() + 1, list.size()));
    auto knob = std::ranges::find(knob_table(), item.substr(0, item.find('=')), &KnobInfo::name);
    int64_t value = 0;
    const char* end = item.data() + item.size();
    const char* begin = item.data() + std::min(item.find('=') + 1, item.size());
    if (knob == knob_table().end() || begin == end || std::from_chars(begin, end, value).ptr != end)
      return fail(Code::E0601, "--knobs: `" + std::string(item) + "` is not understood", "--knobs rows=4,attach=1; docs/plan.md lists the knobs");
    for (RegionPlan& region : plan.regions)
      for (Variant& variant : region.schedule.variants) variant.knobs.set(static_cast<Knob>(knob - knob_table().begin()), value);
  }
  return {};
}

bool is_module(std::string_view text) {
  while (text.starts_with("//") || text.starts_with('\n')) text.remove_prefix(std::min(text.find('\n') + 1, text.size()));
  return text.starts_with("module");
}

Result<std::string> run_on_loops(Module module, const Target& target, const Chosen& chosen, const Arguments& a) {
  TENON_TRY(module, run_loop_passes(std::move(module), target, chosen.loops, a.options));
  return print(module);
}

Result<std::string> run_on_graph(Graph graph, const Target& target, const Chosen& chosen, const Arguments& a) {
  TENON_TRY(graph, run_graph_passes(std::move(graph), chosen.graph, a.options));
  if (a.to == To::Same && chosen.loops.empty()) return print(graph);
  Result<Plan> made = a.plan.empty() ? rules_policy(graph, target) : parse_plan(a.plan, graph);
  TENON_TRY(Plan plan, std::move(made));
  if (!a.plan.empty()) TENON_DO(verify_plan(graph, plan));
  TENON_DO(set_knobs(plan, a.knobs));
  if (a.to == To::Plan) return print(plan, graph);
  TENON_TRY(Module module, lower_graph(graph, plan, target));
  if (a.options.after_loops) a.options.after_loops("lower", module);
  return run_on_loops(std::move(module), target, chosen, a);
}

}  // namespace

Result<std::string> run(std::string_view text, const Arguments& arguments) {
  TENON_TRY(const Chosen chosen, choose(arguments.passes));
  if (arguments.to == To::Plan && !chosen.loops.empty())
    return fail(Code::E0601, "a plan is made before " + std::string(chosen.loops[0].name) + " can run");
  TENON_TRY(const Target target, load_target(arguments.target));
  if (is_module(text)) {
    if (!chosen.graph.empty() || arguments.to == To::Plan)
      return fail(Code::E0601, "the text is a module: graph passes and plans need a graph");
    TENON_TRY(Module module, parse_module(text));
    return run_on_loops(std::move(module), target, chosen, arguments);
  }
  TENON_TRY(Graph graph, parse_graph(text));
  TENON_DO(verify_ops(graph));
  return run_on_graph(std::move(graph), target, chosen, arguments);
}

std::string pass_list() {
  std::string text;
  auto row = [&](std::string_view name, const char* on, std::string_view description) {
    text += std::string(name) + std::string(std::max<size_t>(18, name.size() + 2) - name.size(), ' ') + on + "  " + std::string(description) + '\n';
  };
  for (const GraphPass& pass : graph_passes()) row(pass.name, "graph", pass.description);
  for (const LoopPass& pass : loop_passes()) row(pass.name, "loops", pass.description);
  return text;
}

}  // namespace tenon::opt
