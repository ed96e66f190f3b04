// Fitted Q-iteration on small networks: always the same bytes, never worse than rules by its own measure, and corrected by what was measured.
#include <gtest/gtest.h>

#include "../policy/network.h"
#include "tenon/fitted_q.h"
#include "tenon/policy_trials.h"

namespace tenon {
namespace {

// Rows are normalised and then multiplied: fusions, chains, layouts.
testing::GraphMaker rows(const char* name, const char* width) {
  testing::GraphMaker g{name};
  const ValueId x = g.input("x", {"64", width});
  ValueId y = g.node(Op::abs, {x});
  y = g.node(Op::dot, {y, g.constant({std::atoi(width), 48})});
  y = g.node(Op::abs, {y});
  g.output(g.node(Op::dot, {y, g.constant({48, 32})}));
  return g;
}

FittedQOptions quick() {
  FittedQOptions options{.sweeps = 2, .budget = 12, .width = 2};
  options.grow.rounds = 20;
  return options;
}

struct Models {
  testing::GraphMaker one = network(), two = rows("two", "96"), three = rows("three", "160");
  std::vector<PolicyTask> tasks = {{.name = "resnet_one", .graph = &one.graph, .measured = {}}, {.name = "bert_two", .graph = &two.graph, .measured = {}}, {.name = "kws_three", .graph = &three.graph, .measured = {}}};
};

TEST(FittedQ, TheSameTasksMakeTheSameBytesForAnyThreads) {
  const Models m;
  const Target target = *load_target("x86-64-v3");
  FittedQOptions options = quick();
  const auto one = fitted_q(m.tasks, target, {}, options);
  options.grow.threads = 2;
  const auto two = fitted_q(m.tasks, target, {}, options);
  ASSERT_TRUE(one && two);
  EXPECT_EQ(print(one->model), print(two->model));
  EXPECT_EQ(one->model.boosters.size(), 2u);
  EXPECT_GT(one->answers, 0);
  ASSERT_TRUE(parse_q_model(print(one->model)));
  options.grow.seed = 1;
  const auto other = fitted_q(m.tasks, target, {}, options);
  ASSERT_TRUE(other);
  EXPECT_NE(print(one->model), print(other->model));
}

// An answer that measured ten times faster than predicted is worth it afterwards.
TEST(FittedQ, LearnsFromWhatWasMeasured) {
  Models m;
  const Target target = *load_target("x86-64-v3");
  PlanTimes times(m.two.graph, target, {});
  const TimedPlanRef rules = *times.of({});
  const auto fused = std::ranges::find(rules->decided.asked, DecisionKind::fuse, &Asked::kind);
  ASSERT_NE(fused, rules->decided.asked.end());
  const auto question = static_cast<size_t>(fused - rules->decided.asked.begin());
  const Answers apart = {{{DecisionKind::fuse, fused->subject}, "apart"}};
  const std::vector<float> x = q_features(times, *rules, question, 1);
  const auto before = fitted_q(m.tasks, target, {}, quick());
  for (PolicyTask& task : m.tasks) {
    PlanTimes of(*task.graph, target, {});
    const TimedPlanRef plan = *of.of({});
    for (const Asked& asked : plan->decided.asked)
      if (asked.kind == DecisionKind::fuse) task.measured.push_back({.answers = {{{asked.kind, asked.subject}, "apart"}}, .ratio = 0.1});
  }
  const auto after = fitted_q(m.tasks, target, {}, quick());
  ASSERT_TRUE(before && after);
  // Twenty rounds learn a part of ln 10.
  EXPECT_LT(before->model.value(x), 0.05);
  EXPECT_GT(after->model.value(x), 0.2);
}

TEST(FittedQ, OneModelIsTooFew) {
  const Models m;
  const auto report = fitted_q(std::span(m.tasks).first(1), *load_target("x86-64-v3"), {}, quick());
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error()[0].code, Code::E0703);
}

TEST(PolicyTrials, LeaveFamiliesOutAndCountEqually) {
  const Models m;
  const Target target = *load_target("x86-64-v3");
  TrialOptions options{.budgets = {4, 16}, .width = 2, .learn = quick()};
  int measured = 0;
  options.measure = [&](size_t, const Answers& answers) -> Result<double> {
    ++measured;
    EXPECT_FALSE(answers.empty());
    return 0.5;
  };
  const auto report = policy_trials(m.tasks, target, {}, options);
  ASSERT_TRUE(report);
  ASSERT_EQ(report->trials.size(), 6u);
  for (const PolicyTrial& t : report->trials) {
    EXPECT_LE(t.beam.evaluations, t.budget);
    EXPECT_LE(t.rl.evaluations, t.budget);
    EXPECT_LE(t.beam.seconds, t.rules_seconds);
    EXPECT_LE(t.rl.seconds, t.rules_seconds);
    ASSERT_TRUE(t.rl.measured);
    EXPECT_EQ(*t.rl.measured, t.rl.answers.empty() ? 1 : 0.5);
  }
  ASSERT_EQ(report->figures.size(), 2u);
  for (const TrialFigures& f : report->figures) {
    EXPECT_EQ(f.models, 3u);
    EXPECT_LE(f.rl_over_beam.low, f.rl_over_beam.value);
    EXPECT_GE(f.rl_over_beam.high, f.rl_over_beam.value);
  }
  EXPECT_LE(measured, 12);
  // Two families leave one model each: nothing can be learnt.
  const auto few = policy_trials(std::span(m.tasks).first(2), target, {}, options);
  ASSERT_FALSE(few);
  EXPECT_EQ(few.error()[0].code, Code::E0703);
}

// The rule is one of every budget, and of what was measured where something was.
TEST(PolicyTrials, TheRuleOfHybrid) {
  TrialsReport report;
  EXPECT_FALSE(report.joins_hybrid());
  report.figures = {{.budget = 1, .rl_over_beam = {.value = 1.05}}, {.budget = 2, .rl_over_beam = {.value = 1.04}}};
  EXPECT_TRUE(report.joins_hybrid());
  report.figures[1].measured_rl_over_beam = Gain{.value = 1.01};
  EXPECT_FALSE(report.joins_hybrid());
  report.figures[1].measured_rl_over_beam = Gain{.value = 1.03};
  EXPECT_TRUE(report.joins_hybrid());
}

}  // namespace
}  // namespace tenon
