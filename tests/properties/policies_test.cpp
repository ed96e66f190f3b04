// Whatever leads the search through the planner's answers, the plan fits and its loops compute what the graph does.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "random_graph.h"
#include "routines.h"
#include "tenon/passes.h"
#include "tenon/q_policy.h"

namespace tenon::properties {
namespace {

using Bytes = std::vector<uint8_t>;

template <class T>
T must(Result<T> result, const std::string& about) {
  if (!result) RC_FAIL(result.error()[0].message + '\n' + about);
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

// A tree that means nothing: one split on any feature.
QModel any_q() {
  Booster booster;
  TreeNode root{.feature = *rc::gen::inRange<int32_t>(0, static_cast<int32_t>(q_feature_table().size())), .value = static_cast<float>(*rc::gen::inRange(-2, 20)), .left = 1, .right = 2, .cover = 2};
  booster.nodes = {root, {.value = static_cast<float>(*rc::gen::inRange(-3, 3))}, {.value = static_cast<float>(*rc::gen::inRange(-3, 3))}};
  booster.roots = {0};
  return {.provenance = {}, .boosters = {booster}};
}

RC_GTEST_PROP(Policies, PlansOfBeamsComputeTheSame, (Bytes bytes)) {
  const Graph graph = must(run_graph_passes(random_graph(bytes, Values::Exact), {.verify_each = true}), "");
  const Target target = must(load_target("x86-64-v4"), "");
  const QModel q = any_q();
  PlanTimes times(graph, target, {});
  // What is found by chance: the fastest by times that are turned around, so that there is much to change.
  Walk walk = *rc::gen::arbitrary<bool>() ? q_walk(times, q) : plain_walk(times);
  const bool slowest = *rc::gen::arbitrary<bool>();
  if (slowest)
    walk.evaluate = [&](const Answers& answers) -> Result<TimedPlanRef> {
      TENON_TRY(const TimedPlanRef plan, times.of(answers));
      auto turned = std::make_shared<TimedPlan>(*plan);
      turned->seconds = 1 / std::max(plan->seconds, 1e-12);
      return TimedPlanRef(std::move(turned));
    };
  const BeamOptions options{.width = *rc::gen::inRange(1, 4), .budget = 16};
  const Walked walked = must(beam_search(walk, options), print(graph));
  RC_ASSERT(walked.evaluations <= options.budget);
  RC_ASSERT(walked.best->seconds <= walked.rules->seconds);
  std::vector<std::string> unused;
  const DecidedPlan decided = must(decided_plan(graph, target, Precision::Strict, Providers::None, walked.answers, &unused), print(graph));
  const std::string text = print(graph) + print(decided.plan, graph);
  RC_ASSERT(print(decided.plan, graph) == print(walked.best->decided.plan, graph));
  must(verify_plan(graph, decided.plan), text);
  const Module module = must(build_module(graph, decided.plan, target, {.verify_each = true}), text);
  const Binding binding = random_binding(graph, Values::Exact, 5);
  std::vector<int64_t> symbols;
  for (Expr s : module.symbols) symbols.push_back(binding.dims.at(module.pool.var(s).name));
  auto run = evaluate_host(module, binding.inputs, symbols, [&](ConstantId c) { return tensor_of(graph.constants[c]); }, testing::run_routine);
  const std::vector<Tensor> expected = must(evaluate(graph, binding.inputs, {.dims = binding.dims}), text);
  if (difference(expected, must(std::move(run), text)) != 0.0) RC_FAIL(text + print(module));
  // The same walk again.
  PlanTimes fresh(graph, target, {});
  if (!slowest) RC_ASSERT(must(fresh.of(walked.answers), text)->seconds == walked.best->seconds);
}

}  // namespace
}  // namespace tenon::properties
