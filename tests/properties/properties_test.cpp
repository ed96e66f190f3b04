// What must hold of every graph: text reads back, passes keep the meaning, plans of the rules fit, loops
// compute what the graph does. RAPIDCHECK_PARAMS="seed=... max_success=..." repeats or deepens a run.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>

#include "random_graph.h"
#include "routines.h"
#include "tenon/decisions.h"
#include "tenon/passes.h"
#include "tenon/policy.h"
#include "tenon/space.h"

namespace tenon::properties {
namespace {

using Bytes = std::vector<uint8_t>;

std::string message(const Diags& diags) {
  std::string text;
  for (const Diag& d : diags) text += std::string(code_name(d.code)) + ": " + d.message + '\n';
  return text;
}

template <class T>
T must(Result<T> result, const std::string& about) {
  if (!result) RC_FAIL(message(result.error()) + about);
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

std::vector<Tensor> results(const Graph& graph, const Binding& binding) {
  return must(evaluate(graph, binding.inputs, {.dims = binding.dims}), print(graph));
}

Target a_target() { return must(load_target("x86-64-v3"), ""); }

RC_GTEST_PROP(Text, GraphsReadBack, (Bytes bytes)) {
  const Graph graph = random_graph(bytes, bytes.size() % 2 ? Values::Exact : Values::Quantized);
  must(verify_ops(graph), print(graph));
  const std::string text = print(graph);
  const Graph again = must(parse_graph(text), text);
  RC_ASSERT(print(again) == text);
  must(verify_ops(again), text);
  // Small constants are written out: then the meaning is the same.
  if (text.find("hash(") != std::string::npos) return;
  const Binding binding = random_binding(graph, Values::Exact, 1);
  RC_ASSERT(difference(results(graph, binding), results(again, binding)) == 0.0);
}

// Plans, and the same plans with other knobs and more variants.
RC_GTEST_PROP(Text, PlansReadBack, (Bytes bytes)) {
  const Graph graph = must(run_graph_passes(random_graph(bytes, Values::Exact), {}), "");
  Plan plan = must(rules_policy(graph, a_target()), print(graph));
  must(verify_plan(graph, plan), print(graph) + print(plan, graph));
  plan.graph_hash = hash(graph);
  must(verify_plan(graph, plan), print(graph));
  for (RegionPlan& region : plan.regions) {
    Variant variant{.predicate = *rc::gen::element<std::string>("N == 1", "N + M >= 3 & N < 7"), .knobs = {}};
    for (size_t k = 0; k < knob_table().size(); ++k)
      if (*rc::gen::inRange(0, 3) == 0) variant.knobs.set(static_cast<Knob>(k), *rc::gen::inRange(0, 100));
    region.schedule.variants.insert(region.schedule.variants.begin(), std::move(variant));
  }
  const std::string text = print(plan, graph);
  const Plan again = must(parse_plan(text, graph), text);
  RC_ASSERT(print(again, graph) == text);
  RC_ASSERT(again.views == plan.views);
  RC_ASSERT(again.regions.size() == plan.regions.size());
  for (size_t r = 0; r < plan.regions.size(); ++r) {
    RC_ASSERT(again.regions[r].nodes == plan.regions[r].nodes);
    RC_ASSERT(again.regions[r].schedule == plan.regions[r].schedule);
  }
}

// Loops read back, and compute what the graph does: exactly, as all values are small integers and halves.
RC_GTEST_PROP(Text, LoopsReadBack, (Bytes bytes)) {
  const Graph graph = must(run_graph_passes(random_graph(bytes, Values::Exact), {.verify_each = true}), "");
  const Target target = a_target();
  const Plan plan = must(rules_policy(graph, target), print(graph));
  const Module module = must(build_module(graph, plan, target, {.verify_each = true}), print(graph));
  const std::string text = print(module);
  const Module again = must(parse_module(text), text);
  RC_ASSERT(print(again) == text);
  const Binding binding = random_binding(graph, Values::Exact, 2);
  std::vector<int64_t> symbols;
  for (Expr s : again.symbols) symbols.push_back(binding.dims.at(again.pool.var(s).name));
  auto run = evaluate_host(again, binding.inputs, symbols, [&](ConstantId c) { return tensor_of(graph.constants[c]); },
                           testing::run_routine);
  const std::vector<Tensor> got = must(std::move(run), print(graph) + text);
  if (difference(results(graph, binding), got) != 0.0) RC_FAIL(print(graph) + text);
}

// Whatever a policy answers, the plan fits, its loops compute what the graph does, and the same answers make the same plan.
void expect_same_under_any_decisions(const Bytes& bytes, Values values, const char* target_name) {
  const Graph graph = must(run_graph_passes(random_graph(bytes, values), {.verify_each = true}), "");
  const Target target = must(load_target(target_name), "");
  Answers answers;
  Planner planner(graph, target, Precision::Strict, Providers::None);  // keeps what it works out
  // Later questions depend on earlier answers: asked again after each.
  for (int turn = 0; turn < 6; ++turn) {
    const DecidedPlan before = must(planner.plan(answers), print(graph));
    if (before.asked.empty()) break;
    const Asked asked = *rc::gen::elementOf(before.asked);
    RC_ASSERT(asked.rules < asked.answers.size());
    answers[{asked.kind, asked.subject}] = *rc::gen::elementOf(asked.answers);
  }
  std::vector<std::string> unused;
  const DecidedPlan decided = must(decided_plan(graph, target, Precision::Strict, Providers::None, answers, &unused), print(graph));
  std::string text = print(graph) + print(decided.plan, graph);
  for (const auto& [key, answer] : answers) text += std::string(spelling(key.first)) + ' ' + key.second + ": " + answer + '\n';
  must(verify_plan(graph, decided.plan), text);
  const Module module = must(build_module(graph, decided.plan, target, {.verify_each = true}), text);
  const Binding binding = random_binding(graph, values, 5);
  std::vector<int64_t> symbols;
  for (Expr s : module.symbols) symbols.push_back(binding.dims.at(module.pool.var(s).name));
  auto run = evaluate_host(module, binding.inputs, symbols, [&](ConstantId c) { return tensor_of(graph.constants[c]); }, testing::run_routine);
  if (difference(results(graph, binding), must(std::move(run), text)) != 0.0) RC_FAIL(text + print(module));
  RC_ASSERT(unused.size() <= answers.size());
  const DecidedPlan again = must(planner.plan(answers), text);
  RC_ASSERT(again.asked == decided.asked);
  RC_ASSERT(print(again.plan, graph) == print(decided.plan, graph));
}

RC_GTEST_PROP(Decisions, AnyComputeTheSame, (Bytes bytes)) { expect_same_under_any_decisions(bytes, Values::Exact, "x86-64-v4"); }
RC_GTEST_PROP(Decisions, AnyOfBytesComputeTheSame, (Bytes bytes)) { expect_same_under_any_decisions(bytes, Values::Quantized, "x86-64-v3"); }

// Of the space, so that rows x vectors fit.
Knobs any_of(const TileSpace& space) {
  Knobs knobs;
  for (const KnobValues& k : space.knobs) knobs.set(k.knob, *rc::gen::elementOf(k.values));
  if (!space.has(knobs)) knobs.set(Knob::vectors, 1);
  RC_ASSERT(space.has(knobs));
  return knobs;
}

// Every schedule of the space lowers, and computes what the graph does: exactly, as all sums are.
void expect_same_under_any_schedule(const Bytes& bytes, Values values, const char* target_name) {
  const Graph graph = must(run_graph_passes(random_graph(bytes, values), {.verify_each = true}), "");
  const Target target = must(load_target(target_name), "");
  Plan plan = must(rules_policy(graph, target), print(graph));
  const std::vector<RegionSpace> spaces = must(schedule_spaces(graph, plan, target, Precision::Strict), print(graph));
  RC_ASSERT(spaces.size() == plan.regions.size());
  for (size_t r = 0; r < spaces.size(); ++r) {
    RC_ASSERT(spaces[r].name == plan.regions[r].name);
    RC_ASSERT(spaces[r].size() >= 1);
    Variant& variant = plan.regions[r].schedule.variants.back();
    for (const TileSpace& tile : spaces[r].tiles) {
      const Knobs drawn = any_of(tile);
      if (!tile.of.valid()) {
        for (const auto& [knob, value] : drawn.changed()) variant.knobs.set(knob, value);
        continue;
      }
      std::erase_if(variant.producers, [&](const auto& producer) { return producer.first == tile.of; });
      variant.producers.emplace_back(tile.of, drawn);
    }
  }
  const std::string text = print(graph) + print(plan, graph);
  must(verify_plan(graph, plan), text);
  const Module module = must(build_module(graph, plan, target, {.verify_each = true}), text);
  const Binding binding = random_binding(graph, values, 4);
  std::vector<int64_t> symbols;
  for (Expr s : module.symbols) symbols.push_back(binding.dims.at(module.pool.var(s).name));
  auto run = evaluate_host(module, binding.inputs, symbols, [&](ConstantId c) { return tensor_of(graph.constants[c]); }, testing::run_routine);
  if (difference(results(graph, binding), must(std::move(run), text)) != 0.0) RC_FAIL(text + print(module));
}

RC_GTEST_PROP(Spaces, AnyScheduleComputesTheSame, (Bytes bytes)) { expect_same_under_any_schedule(bytes, Values::Exact, "x86-64-v4"); }
RC_GTEST_PROP(Spaces, AnyScheduleOfBytesComputesTheSame, (Bytes bytes)) { expect_same_under_any_schedule(bytes, Values::Quantized, "sapphirerapids"); }

// Every row of GRAPH_PASS on one kind of graph; the bound is absolute.
void expect_kept(const Bytes& bytes, Values values, double bound) {
  const Graph graph = random_graph(bytes, values);
  const Binding binding = random_binding(graph, values, 3);
  const std::vector<Tensor> expected = results(graph, binding);
  for (const GraphPass& pass : graph_passes()) {
    const GraphPass one[] = {pass};
    const Graph after = must(run_graph_passes(graph, one, {.verify_each = true}), std::string(pass.name) + "\n" + print(graph));
    const double worst = difference(expected, results(after, binding));
    if (!(worst <= bound))
      RC_FAIL(std::string(pass.name) + " changes results by " + std::to_string(worst) + "\n" + print(graph) + print(after));
  }
  const Graph after = must(run_graph_passes(graph, {.verify_each = true}), print(graph));
  if (!(difference(expected, results(after, binding)) <= bound)) RC_FAIL("all passes change results\n" + print(graph) + print(after));
}

RC_GTEST_PROP(Passes, KeepExactValues, (Bytes bytes)) { expect_kept(bytes, Values::Exact, 0); }
RC_GTEST_PROP(Passes, KeepSmoothValues, (Bytes bytes)) { expect_kept(bytes, Values::Smooth, kSmoothBound); }
RC_GTEST_PROP(Passes, KeepQuantizedValues, (Bytes bytes)) { expect_kept(bytes, Values::Quantized, 0); }

// Any scales: a quantised product may fall on the other side of a tie, by one step, because its factor
// sx*sw/sy and its bias are rounded to f32 once.
RC_GTEST_PROP(Passes, RequantizeWithinOneStep, (Bytes bytes)) {
  bytes.resize(16, 1);
  auto scale = [&](size_t k) { return 1e-3 + bytes[k] / 255.0; };
  auto constant = [](Graph& g, DType type, std::vector<int64_t> dims, auto&& element) {
    Tensor t = Tensor::zeros(type, std::move(dims));
    for (size_t i = 0; i < t.f.size(); ++i) t.f[i] = element(i);
    for (size_t i = 0; i < t.i.size(); ++i) t.i[i] = static_cast<int64_t>(element(i));
    round_elements(t);
    return g.add_constant("c", {.type = type, .dims = t.dims, .bytes = tenon::Bytes::copy_of(encode(t))});
  };
  Graph g;
  g.name = "requantize";
  auto node = [&](Op op, std::vector<ValueId> inputs, Attrs attrs = {}) {
    return must(add_node(g, {.op = op, .inputs = std::move(inputs), .outputs = {}, .attrs = std::move(attrs)}), "");
  };
  auto number = [&](DType type, double x) { return constant(g, type, {}, [x](size_t) { return x; }); };
  g.inputs = {g.add_value("x", DType::U8, {g.pool.symbol("N"), g.pool.index(8)})};
  g.pool.var(g.pool.symbol("N")).lo = 1;
  ValueId x = node(Op::dequantize, {g.inputs[0], number(DType::F32, scale(0)), number(DType::U8, bytes[1])});
  ValueId q = constant(g, DType::I8, {8, 3}, [&](size_t i) { return static_cast<int8_t>(bytes[2 + i % 12] * 7 + i); });
  ValueId w = node(Op::dequantize, {q, constant(g, DType::F32, {3}, [&](size_t i) { return scale(3 + i); })}, Attrs().set<Attr::axis>(1));
  ValueId y = node(Op::add, {node(Op::dot, {x, w}), constant(g, DType::F32, {3}, [&](size_t i) { return bytes[7 + i] / 16.0 - 8; })});
  g.outputs = {node(Op::quantize, {y, number(DType::F32, 4 * scale(10)), number(DType::U8, bytes[11])})};
  const Binding binding = random_binding(g, Values::Quantized, bytes[12]);
  const Graph after = must(run_graph_passes(g, {.verify_each = true}), print(g));
  RC_ASSERT(std::ranges::none_of(after.nodes, [](const Node& n) { return n.op == Op::dequantize; }));
  RC_ASSERT(difference(results(g, binding), results(after, binding)) <= 1.0);
}

}  // namespace
}  // namespace tenon::properties
