// Who decides, and what is said of it: with cost models that are made by hand.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "network.h"
#include "tenon/features.h"
#include "tenon/ops.h"
#include "tenon/policies.h"

namespace tenon {
namespace {

// Boosters of one tree: tiles of at least so many rows take exp(-gains[b]) of the time that the prior says.
CostModel likes_rows(float rows, std::vector<float> gains) {
  CostModel model{.features = features_hash(), .names = {}, .provenance = {}, .boosters = {}};
  for (const FeatureInfo& feature : feature_table()) model.names.emplace_back(feature.name);
  for (const float gain : gains) {
    Booster booster;
    TreeNode root{.feature = static_cast<int32_t>(feature_index("tile_rows")), .value = rows, .left = 1, .right = 2}, no{.value = 0}, yes{.value = -gain};
    booster.nodes = {root, no, yes};
    booster.roots = {0};
    model.boosters.push_back(booster);
  }
  return model;
}

const Decision* schedule_of_largest(const PolicyPlan& plan) {
  const Decision* largest = nullptr;
  for (const Decision& d : plan.decisions)
    if (d.kind == "schedule" && (!largest || d.seconds * d.occurrences > largest->seconds * largest->occurrences)) largest = &d;
  return largest;
}

TEST(Policies, RulesMakeThePlanOfTheRules) {
  const testing::GraphMaker g = network();
  const Target target = *load_target("x86-64-v3");
  const auto chosen = choose_plan(g.graph, target, {});
  ASSERT_TRUE(chosen);
  EXPECT_EQ(print(chosen->plan, g.graph), print(*rules_policy(g.graph, target), g.graph));
  EXPECT_FALSE(chosen->decisions.empty());
  for (const Decision& d : chosen->decisions) {
    EXPECT_EQ(d.chosen, d.rules);
    EXPECT_EQ(d.decided_by, "rules");
    EXPECT_NE(d.runner_up, d.chosen) << d.kind << ' ' << d.subject;
  }
}

// Without a model nobody is sure.
TEST(Policies, HybridWithoutAModelIsRules) {
  const testing::GraphMaker g = network();
  const Target target = *load_target("x86-64-v3");
  const auto chosen = choose_plan(g.graph, target, {.policy = Policy::Hybrid});
  ASSERT_TRUE(chosen);
  EXPECT_EQ(print(chosen->plan, g.graph), print(*rules_policy(g.graph, target), g.graph));
  const Decision* largest = schedule_of_largest(*chosen);
  ASSERT_TRUE(largest);
  EXPECT_GT(largest->seconds, 0);
  EXPECT_FALSE(largest->runner_up.empty());
}

TEST(Policies, TheModelIsAskedAndSaysByHowMuch) {
  const testing::GraphMaker g = network();
  const Target target = *load_target("x86-64-v3");
  const auto rules = choose_plan(g.graph, target, {.policy = Policy::Hybrid});
  ASSERT_TRUE(rules);
  // Tiles of one row, which the rules have nowhere.
  CostModel model = likes_rows(1.5F, {3, 3, 3, 3, 3});
  for (Booster& booster : model.boosters) std::swap(booster.nodes[1].value, booster.nodes[2].value);
  const auto chosen = choose_plan(g.graph, target, {.policy = Policy::Hybrid, .model = &model});
  ASSERT_TRUE(chosen);
  const Decision* largest = schedule_of_largest(*chosen);
  ASSERT_TRUE(largest);
  EXPECT_EQ(largest->decided_by, "model");
  EXPECT_NE(largest->chosen, largest->rules);
  EXPECT_LE(largest->seconds, largest->runner_up_seconds);
  EXPECT_NE(print(chosen->plan, g.graph), print(rules->plan, g.graph));
  ASSERT_TRUE(verify_plan(g.graph, chosen->plan));
  // The same again.
  EXPECT_EQ(print(choose_plan(g.graph, target, {.policy = Policy::Hybrid, .model = &model})->plan, g.graph), print(chosen->plan, g.graph));
}

// Boosters that do not agree leave it to the rules; the one that asks for the model's opinion gets it.
TEST(Policies, HybridAbstains) {
  const testing::GraphMaker g = network();
  const Target target = *load_target("x86-64-v3");
  CostModel model = likes_rows(1.5F, {6, -3, 6, -3, 6});
  for (Booster& booster : model.boosters) std::swap(booster.nodes[1].value, booster.nodes[2].value);
  const auto hybrid = choose_plan(g.graph, target, {.policy = Policy::Hybrid, .model = &model});
  const auto all = choose_plan(g.graph, target, {.policy = Policy::Model, .model = &model});
  ASSERT_TRUE(hybrid && all);
  // Tiles of one row are what they do not agree on.
  auto has_one_row = [](const PolicyPlan& plan) { return schedule_of_largest(plan)->chosen.find("rows=1 ") != std::string::npos; };
  EXPECT_TRUE(has_one_row(*all));
  EXPECT_FALSE(has_one_row(*hybrid));
}

// Every decision has a reason, whose terms multiply to what the runner-up would take more; asking changes nothing.
TEST(Policies, ExplainWhatTheyDecide) {
  const testing::GraphMaker g = network();
  const Target target = *load_target("x86-64-v3");
  CostModel model = likes_rows(3.5F, {0.3F, 0.2F, 0.4F});
  for (Booster& booster : model.boosters) {
    booster.nodes[0].cover = 8;
    booster.nodes[1].cover = 5, booster.nodes[2].cover = 3;
  }
  for (const Policy policy : {Policy::Rules, Policy::Hybrid}) {
    PolicyOptions options{.policy = policy, .model = &model};
    const auto plain = choose_plan(g.graph, target, options);
    options.explain = [](const Decision&) { return true; };
    const auto explained = choose_plan(g.graph, target, options);
    ASSERT_TRUE(plain && explained);
    EXPECT_EQ(print(plain->plan, g.graph), print(explained->plan, g.graph));
    int schedules = 0;
    for (const Decision& d : explained->decisions) {
      ASSERT_TRUE(d.reason) << d.kind << ' ' << d.subject;
      if (d.seconds <= 0) continue;  // no other answer changes anything
      EXPECT_GT(d.reason->roofline, 0);
      double product = 1;
      for (const Reason::Term& t : d.reason->terms) product *= t.factor;
      // Predictions add three leaves in float to a margin of about 10.
      EXPECT_NEAR(std::log(product), std::log(d.runner_up_seconds / d.seconds), 1e-5) << d.kind << ' ' << d.subject;
      if (d.kind != "schedule") continue;
      ++schedules;
      EXPECT_FALSE(d.reason->bound.empty());
      EXPECT_FALSE(d.reason->nearest.empty());
    }
    EXPECT_GT(schedules, 0);
  }
}

TEST(Policies, AModelOfOtherFeaturesIsRefused) {
  const testing::GraphMaker g = network();
  CostModel model = likes_rows(1, {1});
  model.features = "0";
  const auto chosen = choose_plan(g.graph, *load_target("x86-64-v3"), {.policy = Policy::Hybrid, .model = &model});
  ASSERT_FALSE(chosen);
  EXPECT_EQ(chosen.error()[0].code, Code::E0703);
}

TEST(Decisions, AnswersAreTakenOrTold) {
  const testing::GraphMaker g = network();
  const Target target = *load_target("x86-64-v3");
  const DecidedPlan rules = *decided_plan(g.graph, target, Precision::Strict, Providers::None);
  const auto fused = std::ranges::find(rules.asked, DecisionKind::fuse, &Asked::kind);
  ASSERT_NE(fused, rules.asked.end());
  std::vector<std::string> unused;
  const DecidedPlan apart = *decided_plan(g.graph, target, Precision::Strict, Providers::None,
                                          {{{DecisionKind::fuse, fused->subject}, "apart"}, {{DecisionKind::fuse, "nobody"}, "apart"}, {{DecisionKind::halo, fused->subject}, "wide"}}, &unused);
  EXPECT_EQ(apart.plan.regions.size(), rules.plan.regions.size() + 1);
  EXPECT_EQ(unused.size(), 2u);
}

TEST(Decisions, KindsReadBack) {
  for (const char* name : {"layout", "fuse", "chain", "pitch"}) {
    const auto kind = parse_decision_kind(name);
    ASSERT_TRUE(kind);
    EXPECT_EQ(spelling(*kind), name);
    EXPECT_FALSE(meaning(*kind).empty());
  }
  EXPECT_FALSE(parse_decision_kind("nothing"));
}

}  // namespace
}  // namespace tenon
