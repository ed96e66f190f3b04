// Contributions are Shapley values: by all subsets of features, and in sum.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>

#include "synthetic.h"
#include "tenon/contributions.h"

namespace tenon {
namespace {

// The expectation of a tree where the features of `known` are x's, and others are drawn by covers.
double expectation(const Booster& b, int32_t at, std::span<const float> x, unsigned known) {
  const TreeNode& n = b.nodes[static_cast<size_t>(at)];
  if (n.feature < 0) return n.value;
  auto of = [&](int32_t child) { return expectation(b, child, x, known); };
  if (known >> n.feature & 1) {
    const float v = x[static_cast<size_t>(n.feature)];
    return of((std::isnan(v) ? n.missing_left : v < n.value) ? n.left : n.right);
  }
  const double left = b.nodes[static_cast<size_t>(n.left)].cover, right = b.nodes[static_cast<size_t>(n.right)].cover;
  return (left * of(n.left) + right * of(n.right)) / (left + right);
}

// Of one feature, by the definition.
double shapley(const Booster& b, size_t features, std::span<const float> x, size_t feature) {
  auto value = [&](unsigned known) {
    double sum = 0;
    for (const int32_t root : b.roots) sum += expectation(b, root, x, known);
    return sum;
  };
  double sum = 0;
  for (unsigned known = 0; known < 1U << features; ++known) {
    if (known >> feature & 1) continue;
    const auto size = static_cast<double>(std::popcount(known)), n = static_cast<double>(features);
    const double weight = std::tgamma(size + 1) * std::tgamma(n - size) / std::tgamma(n + 1);
    sum += weight * (value(known | 1U << feature) - value(known));
  }
  return sum;
}

double largest_leaves(const Booster& b) {
  double sum = 0;
  for (size_t t = 0; t < b.roots.size(); ++t) {
    const size_t end = t + 1 < b.roots.size() ? static_cast<size_t>(b.roots[t + 1]) : b.nodes.size();
    double most = 0;
    for (size_t k = static_cast<size_t>(b.roots[t]); k < end; ++k)
      if (b.nodes[k].feature < 0) most = std::max(most, std::abs(static_cast<double>(b.nodes[k].value)));
    sum += most;
  }
  return sum;
}

TEST(Contributions, AreShapleyValues) {
  for (uint32_t seed = 0; seed < 60; ++seed) {
    // Few features, so that a path meets the same one again and again.
    const TreeShape shape{.trees = 3, .depth = 1 + static_cast<int>(seed % 7), .features = 1 + seed % 5};
    Synthetic make(shape, seed);
    const Booster booster = make.booster();
    for (int k = 0; k < 4; ++k) {
      const std::vector<float> x = make.row();
      const std::vector<double> found = contributions(booster, shape.features, x);
      ASSERT_EQ(found.size(), shape.features + 1);
      const double depth = shape.depth, most = depth * std::exp2(depth - 53) * largest_leaves(booster) + 1e-15;
      for (size_t f = 0; f < shape.features; ++f) EXPECT_NEAR(found[f], shapley(booster, shape.features, x, f), 4 * most) << seed << ": " << f;
      double expected = 0;
      for (const int32_t root : booster.roots) expected += expectation(booster, root, x, 0);
      EXPECT_NEAR(found.back(), expected, 4 * most);
    }
  }
}

TEST(Contributions, SumToThePrediction) {
  for (uint32_t seed = 0; seed < 20; ++seed) {
    const TreeShape shape{.trees = 100, .depth = 8, .features = 40};
    Synthetic make(shape, seed);
    CostModel model{.features = {}, .names = std::vector<std::string>(shape.features), .provenance = {}, .boosters = {make.booster(), make.booster()}};
    const std::vector<float> x = make.row();
    const double prior = 1e-4;
    const auto margin = static_cast<double>(static_cast<float>(std::log(prior)));
    double sum = 0, most = 0;
    for (const double c : contributions(model, x)) sum += c;
    for (const Booster& b : model.boosters)
      most = std::max(most, shape.trees * 0x1p-24 * (std::abs(margin) + largest_leaves(b)) + shape.depth * std::exp2(shape.depth - 53) * largest_leaves(b));
    EXPECT_NEAR(sum, predict(model, x, prior).mean - margin, most) << seed;
    EXPECT_LT(most, 1e-3);  // it says something
  }
}

TEST(Contributions, WhatNoTreeAsksForIsZero) {
  Booster booster{.nodes = {{.feature = 1, .value = 0.5F, .left = 1, .right = 2, .cover = 4}, {.value = 1, .cover = 3}, {.value = 5, .cover = 1}}, .roots = {0}};
  EXPECT_EQ(contributions(booster, 3, std::vector{0.0F, 0.0F, 0.0F}), (std::vector<double>{0, -1, 0, 2}));
  EXPECT_EQ(contributions(booster, 3, std::vector{0.0F, 1.0F, 0.0F}), (std::vector<double>{0, 3, 0, 2}));
}

TEST(Factors, SayWhyTimesDiffer) {
  const TreeShape shape{.trees = 30, .depth = 5, .features = 10};
  Synthetic make(shape, 3);
  CostModel model{.features = {}, .names = std::vector<std::string>(shape.features), .provenance = {}, .boosters = {make.booster()}};
  const std::vector<float> x = make.row();
  std::vector<float> y = x;
  EXPECT_TRUE(factors(model, {x, 1}, {y, 1}, {y, 1}).empty());
  y = make.row();
  const std::vector<Factor> found = factors(model, {x, 1}, {y, 1}, {y, 1});
  double product = 1, before = INFINITY;
  for (const Factor& f : found) {
    EXPECT_LT(f.feature, shape.features);
    EXPECT_LE(std::abs(std::log(f.factor)), before);
    before = std::abs(std::log(f.factor));
    product *= f.factor;
  }
  EXPECT_NEAR(std::log(product), predict(model, x, 1).mean - predict(model, y, 1).mean, 2 * 30 * 0x1p-24 * largest_leaves(model.boosters[0]));
}

TEST(Factors, OfOrderBoostersAreOfFeaturesAndTheirDifferences) {
  constexpr size_t kFeatures = 4;
  const TreeShape shape{.trees = 40, .depth = 5, .features = order_width(kFeatures)};
  Synthetic make(shape, 5);
  CostModel model{.features = {}, .names = std::vector<std::string>(kFeatures), .provenance = {}, .boosters = {Booster{}, Booster{}}, .order = {make.booster(), make.booster()}};
  auto row = [&] {
    std::vector<float> x = make.row();
    x.resize(kFeatures);
    return x;
  };
  const std::vector<float> x = row(), y = row(), rules = row();
  double product = 1, before = INFINITY;
  for (const Factor& f : factors(model, {x, 1}, {y, 3}, {rules, 2})) {
    EXPECT_LE(f.feature, kFeatures);
    EXPECT_LE(std::abs(std::log(f.factor)), before);
    before = std::abs(std::log(f.factor)), product *= f.factor;
  }
  const double predicted = relative(model, x, 1, {rules, 2}).mean - relative(model, y, 3, {rules, 2}).mean;
  EXPECT_NEAR(std::log(product), predicted, 4 * 40 * 0x1p-24 * (1 + largest_leaves(model.order[0]) + largest_leaves(model.order[1])));
  EXPECT_EQ(relative(model, rules, 2, {rules, 2}).mean, 0);
}

}  // namespace
}  // namespace tenon
