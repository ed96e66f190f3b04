// Beam search and what leads it: on walks that are made by hand, where the best is known, and on a small network.
#include <gtest/gtest.h>

#include <cmath>

#include "network.h"
#include "tenon/policies.h"

namespace tenon {
namespace {

using Toy = std::map<std::string, std::string>;  // answers by subject: all of them, the rules' being "a"

// Questions of two answers each about those subjects; `seconds` of all answers.
Walk toy(std::vector<std::string> subjects, std::function<double(const Toy&)> seconds) {
  return {.evaluate = [=](const Answers& answers) -> Result<TimedPlanRef> {
            auto plan = std::make_shared<TimedPlan>();
            Toy all;
            for (const std::string& subject : subjects) {
              const auto at = answers.find({DecisionKind::fuse, subject});
              all[subject] = at == answers.end() ? "a" : at->second;
              plan->decided.asked.push_back({.kind = DecisionKind::fuse, .subject = subject, .answers = {"a", "b"}, .rules = 0, .chosen = all[subject] == "b"});
            }
            plan->seconds = seconds(all);
            return TimedPlanRef(std::move(plan));
          },
          .promise = [](const TimedPlan&, size_t, size_t) { return 0.0; }};
}

// Of two answers each alone is slower; together they are much faster.
double pays_together(const Toy& t) { return t.at("x") == "b" && t.at("y") == "b" ? 0.5 : t.at("x") == "b" || t.at("y") == "b" ? 1.2 : 1; }

TEST(Beam, FindsWhatPaysOnlyWithASecondAnswer) {
  const Walk walk = toy({"x", "y"}, pays_together);
  const auto narrow = beam_search(walk, {.width = 1, .budget = 100}), wide = beam_search(walk, {.width = 2, .budget = 100});
  ASSERT_TRUE(narrow && wide);
  EXPECT_EQ(narrow->best->seconds, 1);
  EXPECT_TRUE(narrow->answers.empty());
  EXPECT_EQ(wide->best->seconds, 0.5);
  EXPECT_EQ(wide->answers.size(), 2u);
}

// With the same width 1, hope keeps the first step.
TEST(Beam, HopeKeepsWhatIsToPayLater) {
  Walk walk = toy({"x", "y"}, pays_together);
  walk.hope = [](const TimedPlan&, const TimedPlan&, size_t question) { return question == 0 ? Hope{.gain = 0.8, .until = 1} : Hope{}; };
  const auto found = beam_search(walk, {.width = 1, .budget = 2});
  ASSERT_TRUE(found);
  EXPECT_EQ(found->best->seconds, 0.5);
}

TEST(Beam, SpendsWhatItHasOnWhatPromisesMost) {
  Walk walk = toy({"x", "y", "z"}, [](const Toy& t) { return t.at("z") == "b" ? 0.5 : 1; });
  int tried = 0;
  walk.tried = [&](const TimedPlanRef&, size_t question, size_t answer, const TimedPlanRef&) {
    ++tried;
    EXPECT_EQ(question, 2u);
    EXPECT_EQ(answer, 1u);
  };
  walk.promise = [](const TimedPlan&, size_t question, size_t) { return static_cast<double>(question); };
  const auto found = beam_search(walk, {.width = 1, .budget = 1});
  ASSERT_TRUE(found);
  EXPECT_EQ(found->best->seconds, 0.5);
  EXPECT_EQ(found->evaluations, 1);
  EXPECT_EQ(tried, 1);
  const auto nothing = beam_search(walk, {.width = 1, .budget = 0});
  ASSERT_TRUE(nothing);
  EXPECT_TRUE(nothing->answers.empty());
}

// Answers that make the code that is there already take no place in the beam.
TEST(Beam, WhatChangesNothingTakesNoPlace) {
  Walk walk = toy({"n", "m", "x", "y"}, pays_together);
  walk.evaluate = [inner = walk.evaluate](const Answers& answers) -> Result<TimedPlanRef> {
    auto plan = std::make_shared<TimedPlan>(**inner(answers));
    for (const Asked& asked : plan->decided.asked)
      if (asked.subject == "x" || asked.subject == "y") plan->identity += asked.answers[asked.chosen];
    return TimedPlanRef(std::move(plan));
  };
  const auto found = beam_search(walk, {.width = 2, .budget = 100});
  ASSERT_TRUE(found);
  EXPECT_EQ(found->best->seconds, 0.5);
  EXPECT_EQ(found->answers.size(), 2u);
}

TEST(Beam, WhatFailsIsTold) {
  Walk walk = toy({"x"}, [](const Toy&) { return 1; });
  walk.evaluate = [inner = walk.evaluate](const Answers& answers) -> Result<TimedPlanRef> {
    if (answers.empty()) return inner(answers);
    return fail(Code::E0403, "no");
  };
  const auto found = beam_search(walk, {});
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error()[0].code, Code::E0403);
}

// What is remembered is what is computed.
TEST(PlanTimes, OfAPlanAreThoseOfItsRegions) {
  const testing::GraphMaker g = network();
  const Target target = *load_target("x86-64-v3");
  PlanTimes times(g.graph, target, {});
  const TimedPlanRef rules = *times.of({});
  const size_t known = times.regions_known();
  for (const Asked& asked : rules->decided.asked)
    for (const std::string& answer : asked.answers) {
      const TimedPlanRef shared = *times.of({{{asked.kind, asked.subject}, answer}});
      PlanTimes fresh(g.graph, target, {});
      const TimedPlanRef alone = *fresh.of({{{asked.kind, asked.subject}, answer}});
      EXPECT_EQ(shared->seconds, alone->seconds) << asked.subject << ' ' << answer;
      EXPECT_EQ(shared->identity, alone->identity);
      double sum = 0;
      const auto features = plan_features(g.graph, shared->decided.plan, target);
      ASSERT_TRUE(features);
      for (const RegionFeatures& f : *features) sum += f.prior.seconds;
      EXPECT_NEAR(shared->seconds, sum, 1e-12 * sum);
      EXPECT_EQ(shared->identity == rules->identity, print(shared->decided.plan, g.graph) == print(rules->decided.plan, g.graph)) << asked.subject << ' ' << answer;
    }
  EXPECT_GT(times.regions_known(), known);
}

// One tree: answers of that place among the legal ones are worth so much.
QModel likes_answer(float place, float gain) {
  Booster booster;
  const auto row = std::ranges::find(q_feature_table(), "answer", &QFeatureInfo::name) - q_feature_table().begin();
  TreeNode root{.feature = static_cast<int32_t>(row), .value = place, .left = 1, .right = 2, .cover = 2}, no{.value = 0}, yes{.value = gain};
  booster.nodes = {root, no, yes};
  booster.roots = {0};
  return {.provenance = {"by hand"}, .boosters = {booster}};
}

TEST(QModel, ReadsBackAndIsNoCostModel) {
  const QModel model = likes_answer(0.5F, 0.25F);
  const auto again = parse_q_model(print(model));
  ASSERT_TRUE(again);
  EXPECT_EQ(*again, model);
  std::vector<float> x(q_feature_table().size());
  EXPECT_EQ(model.value(x), 0);
  EXPECT_EQ(q_features_hash().size(), features_hash().size());
  std::string other = print(model);
  other.replace(other.find(q_features_hash()), q_features_hash().size(), features_hash());
  const auto refused = parse_q_model(other);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error()[0].code, Code::E0703);
  EXPECT_FALSE(parse_q_model("nothing"));
  EXPECT_FALSE(parse_q_model(print(QModel{})));
}

TEST(Policies, BeamAndRlAreNeverPredictedSlowerThanRules) {
  const testing::GraphMaker g = network();
  const Target target = *load_target("x86-64-v3");
  const QModel q = likes_answer(0.5F, 0.25F);
  PlanTimes times(g.graph, target, {});
  const double rules = (*times.of({}))->seconds;
  for (const Policy policy : {Policy::Beam, Policy::Rl}) {
    const PolicyOptions options{.policy = policy, .q_model = &q, .beam = {.width = 3, .budget = 40}};
    const auto chosen = choose_plan(g.graph, target, options);
    ASSERT_TRUE(chosen);
    ASSERT_TRUE(verify_plan(g.graph, chosen->plan));
    Answers answers;
    for (const Decision& d : chosen->decisions) {
      const auto kind = parse_decision_kind(d.kind);
      if (!kind || d.chosen == d.rules) continue;
      EXPECT_EQ(d.decided_by, spelling(policy));
      answers[{*kind, d.subject}] = d.chosen;
    }
    EXPECT_LE((*times.of(answers))->seconds, rules);
    EXPECT_EQ(print(choose_plan(g.graph, target, options)->plan, g.graph), print(chosen->plan, g.graph));
  }
  const auto without = choose_plan(g.graph, target, {.policy = Policy::Rl});
  ASSERT_FALSE(without);
  EXPECT_EQ(without.error()[0].code, Code::E0601);
}

}  // namespace
}  // namespace tenon
