// Plans by a model whose boosters are code are those by its trees as data.
#include <gtest/gtest.h>

#include "../trees/synthetic.h"
#include "network.h"
#include "tenon/features.h"
#include "tenon/model_scorer.h"
#include "tenon/policies.h"

namespace tenon {

std::span<const NativeTrees> test_trees();  // written by the build, of stand_in()

namespace {

// A model of this build's features whose draft is code.
CostModel compiled_model() {
  CostModel model = stand_in();
  model.features = features_hash();
  return model;
}

TEST(Ranking, CodeAndDataDecideTheSame) {
  ASSERT_EQ(feature_table().size(), kStandInFeatures) << "tests/trees/synthetic.h has the features of another build";
  const testing::GraphMaker g = network();
  const Target target = *load_target("x86-64-v3");
  const CostModel model = compiled_model();
  ASSERT_EQ(ModelScorer(model, test_trees()).native(), host_tree_level() >= 0);
  ASSERT_FALSE(ModelScorer(model, {}).native());
  for (const Policy policy : {Policy::Model, Policy::Hybrid}) {
    const auto code = choose_plan(g.graph, target, {.policy = policy, .model = &model, .compiled = test_trees()});
    const auto data = choose_plan(g.graph, target, {.policy = policy, .model = &model, .compiled = {}});
    ASSERT_TRUE(code && data);
    EXPECT_EQ(print(code->plan, g.graph), print(data->plan, g.graph));
    ASSERT_EQ(code->decisions.size(), data->decisions.size());
    for (size_t k = 0; k < code->decisions.size(); ++k) {
      EXPECT_EQ(code->decisions[k].chosen, data->decisions[k].chosen);
      EXPECT_EQ(code->decisions[k].runner_up, data->decisions[k].runner_up);
      EXPECT_EQ(code->decisions[k].seconds, data->decisions[k].seconds);
      EXPECT_EQ(code->decisions[k].runner_up_seconds, data->decisions[k].runner_up_seconds);
      EXPECT_EQ(code->decisions[k].sigma, data->decisions[k].sigma);
    }
  }
}

TEST(Ranking, HybridLeavesDevicesThatTheModelDoesNotKnowToRules) {
  const testing::GraphMaker g = network();
  const Target target = *load_target("x86-64-v3");
  CostModel model = compiled_model();
  for (size_t f = 0; f < feature_table().size(); ++f)
    if (feature_table()[f].group == 'G') model.device_features.push_back(static_cast<int32_t>(f));
  model.devices = {std::vector<float>(model.device_features.size(), 1)};
  const auto rules = choose_plan(g.graph, target, {.policy = Policy::Rules}), hybrid = choose_plan(g.graph, target, {.policy = Policy::Hybrid, .model = &model});
  const auto asked = choose_plan(g.graph, target, {.policy = Policy::Model, .model = &model});
  ASSERT_TRUE(rules && hybrid && asked);
  EXPECT_TRUE(hybrid->unknown_device);
  EXPECT_FALSE(asked->unknown_device);
  EXPECT_EQ(print(hybrid->plan, g.graph), print(rules->plan, g.graph));
  EXPECT_NE(print(asked->plan, g.graph), print(rules->plan, g.graph)) << "or it would not matter";
}

TEST(Ranking, ScorersSayWhatBoostersSay) {
  const CostModel model = compiled_model();
  Synthetic make({.trees = 0, .features = kStandInFeatures}, 5);
  constexpr size_t kCount = 50;
  std::vector<float> rows;
  std::vector<double> margins;
  for (size_t k = 0; k < kCount; ++k) {
    const std::vector<float> row = make.row();
    rows.insert(rows.end(), row.begin(), row.end());
    margins.push_back(make.number() * 30);
  }
  for (const auto& compiled : {test_trees(), std::span<const NativeTrees>{}}) {
    const ModelScorer scorer(model, compiled);
    const ModelScorer::Candidates candidates{.rules = std::span(rows).first(kStandInFeatures), .ln_rules_prior = margins[0], .rows = rows, .ln_priors = margins};
    const std::vector<double> drafts = scorer.draft(candidates);
    const std::vector<std::vector<double>> all = scorer.predictions(candidates);
    for (size_t k = 0; k < kCount; ++k) {
      const auto row = std::span(rows).subspan(k * kStandInFeatures, kStandInFeatures);
      EXPECT_EQ(drafts[k], model.boosters[0].predict(row, static_cast<float>(margins[k])));
      ASSERT_EQ(all[k].size(), model.boosters.size());
      for (size_t b = 0; b < all[k].size(); ++b) EXPECT_EQ(all[k][b], model.boosters[b].predict(row, static_cast<float>(margins[k])));
    }
  }
}

TEST(Ranking, OrderBoostersSayWhatLiesBesideRules) {
  constexpr size_t kFeatures = 6, kCount = 20;
  Synthetic times({.trees = 20, .depth = 4, .features = kFeatures}, 5), order({.trees = 20, .depth = 4, .features = order_width(kFeatures)}, 7);
  const CostModel model{.features = {}, .names = std::vector<std::string>(kFeatures), .provenance = {}, .boosters = {times.booster(), times.booster()}, .order = {order.booster(), order.booster()}};
  std::vector<float> rows;
  std::vector<double> priors;
  for (size_t k = 0; k < kCount; ++k) {
    const std::vector<float> row = times.row();
    rows.insert(rows.end(), row.begin(), row.end());
    priors.push_back(std::log(1e-4 * (1 + static_cast<double>(k))));
  }
  const ModelScorer scorer(model, {});
  const auto all = scorer.predictions({.rules = std::span(rows).first(kFeatures), .ln_rules_prior = priors[0], .rows = rows, .ln_priors = priors});
  const Scheduled rules{std::span(rows).first(kFeatures), std::exp(priors[0])};
  const Prediction level = predict(model, rules.features, rules.prior);
  constexpr double kRounding = 1e-4;  // floats of magnitude 10, 20 trees, twice
  for (size_t k = 0; k < kCount; ++k) {
    const Prediction beside = relative(model, std::span(rows).subspan(k * kFeatures, kFeatures), std::exp(priors[k]), rules);
    EXPECT_NEAR((all[k][0] + all[k][1]) / 2, level.mean + beside.mean, kRounding);
    EXPECT_NEAR(std::abs((all[k][0] - all[0][0]) - (all[k][1] - all[0][1])) / 2, beside.sigma, kRounding);
  }
}

}  // namespace
}  // namespace tenon
