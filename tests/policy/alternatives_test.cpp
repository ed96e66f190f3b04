// What is worked out once for all plans of a graph is what each plan by itself would give, bit by bit.
#include "tenon/alternatives.h"

#include <gtest/gtest.h>

#include "network.h"
#include "tenon/differences.h"
#include "tenon/features.h"
#include "tenon/ops.h"

namespace tenon {
namespace {

// A depthwise convolution, branches and what joins them: questions of many kinds.
testing::GraphMaker branches() {
  testing::GraphMaker g{"branches"};
  const ValueId x = g.node(Op::abs, {g.node(Op::conv, {g.input("x", {"1", "8", "56", "56"}), g.constant({64, 8, 3, 3})}, g.conv({1, 1}, {1, 1}))});
  const ValueId a = g.node(Op::abs, {g.node(Op::conv, {x, g.constant({64, 1, 3, 3})}, g.conv({1, 1}, {1, 1}, 64))});
  const ValueId b = g.node(Op::abs, {g.node(Op::conv, {a, g.constant({32, 64, 1, 1})}, g.conv({1, 1}, {0, 0}))});
  const ValueId c = g.node(Op::abs, {g.node(Op::conv, {a, g.constant({32, 64, 3, 3})}, g.conv({1, 1}, {1, 1}))});
  const ValueId both = g.node(Op::concat, {b, c}, Attrs().set<Attr::axis>(1));
  g.output(g.node(Op::conv, {both, g.constant({16, 64, 3, 3})}, g.conv({2, 2}, {1, 1})));
  return g;
}

// Of regions of one plan, without anything kept.
double seconds(const Graph& graph, const Plan& plan, const Target& target, const std::vector<size_t>& regions) {
  const Graph laid = laid_out(graph, plan);
  double all = 0;
  for (const size_t r : regions) {
    Region region = *build_region(laid, plan.regions[r]);
    const RegionFacts facts = *region_facts(laid, region, plan.regions[r], target, surroundings(laid, plan, r));
    all += prior_seconds(facts, plan.regions[r].schedule.variants.back(), device_facts(target, 2));
  }
  return all;
}

void expect_as_each_by_itself(const Graph& graph, const char* name) {
  const Target target = *load_target(name);
  Planner planner(graph, target, Precision::Strict, Providers::None);
  std::set<DecisionKind> kinds;
  // From what the rules answer, and from another answer.
  Answers answers;
  for (int turn = 0; turn < 2; ++turn) {
    const DecidedPlan base = *decided_plan(graph, target, Precision::Strict, Providers::None, answers);
    auto comparison = Comparison::of(planner, answers, 2);
    ASSERT_TRUE(comparison);
    ASSERT_EQ(comparison->asked(), base.asked);
    for (const Asked& asked : base.asked)
      for (size_t a = 0; a < asked.answers.size(); ++a) {
        if (a == asked.chosen) continue;
        kinds.insert(asked.kind);
        SCOPED_TRACE(std::string(spelling(asked.kind)) + ' ' + asked.subject + ' ' + asked.answers[a]);
        const auto kept = comparison->with(asked, a);
        Answers other = answers;
        other[{asked.kind, asked.subject}] = asked.answers[a];
        const DecidedPlan plain = *decided_plan(graph, target, Precision::Strict, Providers::None, other);
        EXPECT_EQ(print(planner.plan(other)->plan, graph), print(plain.plan, graph));
        Alternative wanted;
        for (const Difference& d : differences(graph, base.plan, plain.plan)) {
          wanted.nodes.insert(d.nodes.begin(), d.nodes.end());
          wanted.before += seconds(graph, base.plan, target, d.before), wanted.after += seconds(graph, plain.plan, target, d.after);
        }
        ASSERT_TRUE(kept);
        EXPECT_EQ(kept->nodes, wanted.nodes);
        EXPECT_EQ(kept->before, wanted.before);
        EXPECT_EQ(kept->after, wanted.after);
      }
    const Asked& last = base.asked.back();
    answers[{last.kind, last.subject}] = last.answers[last.chosen == 0 ? 1 : 0];
  }
  EXPECT_GT(kinds.size(), 2u);
}

TEST(Alternatives, AreWhatEachPlanByItselfGives) {
  for (const char* target : {"x86-64-v3", "x86-64-v4"}) {
    expect_as_each_by_itself(network().graph, target);
    expect_as_each_by_itself(branches().graph, target);
  }
}

// A planner that made other plans before is none the wiser.
TEST(Alternatives, OfAPlannerThatIsShared) {
  const testing::GraphMaker g = branches();
  const Target target = *load_target("x86-64-v4");
  Planner planner(g.graph, target, Precision::Strict, Providers::None);
  constexpr size_t kAll = 1000;
  const auto fresh = alternatives(g.graph, target, Precision::Strict, Providers::None, {}, INFINITY, kAll, 1);
  for (int turn = 0; turn < 2; ++turn) {
    const auto shared = alternatives(planner, {}, INFINITY, kAll, 1);
    ASSERT_TRUE(fresh && shared);
    ASSERT_FALSE(fresh->empty());
    ASSERT_EQ(fresh->size(), shared->size());
    for (size_t k = 0; k < fresh->size(); ++k) {
      const Alternative &one = (*fresh)[k], &two = (*shared)[k];
      EXPECT_EQ(one.subject + ' ' + one.answer, two.subject + ' ' + two.answer);
      EXPECT_EQ(one.nodes, two.nodes);
      EXPECT_EQ(one.before, two.before);
      EXPECT_EQ(one.after, two.after);
    }
  }
}

}  // namespace
}  // namespace tenon
