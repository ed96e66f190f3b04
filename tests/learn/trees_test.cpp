// Trees as plain data predict what the library that grew them does; learning is the same bytes for any number of threads.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "tenon/learn.h"

namespace tenon {
namespace {

// Times that are the prior's but for a factor by two features; groups of 20.
std::vector<Timing> synthetic(size_t count, uint64_t seed) {
  std::mt19937_64 dice(seed);
  auto unit = [&] { return static_cast<double>(dice() >> 11) * 0x1p-53; };
  std::vector<Timing> timings;
  for (size_t k = 0; k < count; ++k) {
    Timing t{.features = {}, .prior = std::exp(-10 * unit()), .noise = 0.01, .group = static_cast<int>(k / 20)};
    for (int f = 0; f < 5; ++f) t.features.push_back(static_cast<float>(unit()));
    if (k % 7 == 0) t.features[3] = NAN;
    t.seconds = t.prior * (t.features[0] > 0.5F ? 1.6 : 1.1) * std::exp(0.4 * static_cast<double>(t.features[1]) + 0.01 * (unit() - 0.5));
    timings.push_back(std::move(t));
  }
  return timings;
}

const std::vector<std::string> kNames = {"a", "b", "c", "d", "e"};

TEST(Grow, LearnsWhatThePriorLacks) {
  const auto timings = synthetic(2000, 1), unseen = synthetic(500, 2);
  const auto model = grow("hash", kNames, timings, {.rounds = 200});
  ASSERT_TRUE(model) << model.error()[0].message;
  ASSERT_EQ(model->boosters.size(), 5U);
  double error = 0, prior = 0;
  for (const Timing& t : unseen) {
    const Prediction p = predict(*model, t.features, t.prior);
    EXPECT_GE(p.sigma, 0);
    error += std::abs(p.mean - std::log(t.seconds)), prior += std::abs(std::log(t.prior / t.seconds));
  }
  EXPECT_LT(error / 500, 0.03);
  EXPECT_GT(prior / 500, 0.3);
}

TEST(Grow, SameBytesForAnyNumberOfThreads) {
  const auto timings = synthetic(600, 3);
  const std::string one = print(*grow("hash", kNames, timings, {.rounds = 15, .threads = 1}));
  for (int threads : {2, 4}) EXPECT_EQ(print(*grow("hash", kNames, timings, {.rounds = 15, .threads = threads})), one);
  EXPECT_NE(print(*grow("hash", kNames, timings, {.rounds = 15, .seed = 1})), one);
}

TEST(Grow, RefusesWhatCanBeNoTiming) {
  auto with = [](auto change) {
    auto timings = synthetic(200, 4);
    change(timings[50]);
    const auto model = grow("hash", kNames, timings, {.rounds = 2});
    return !model && model.error()[0].code == Code::E0703;
  };
  EXPECT_FALSE(with([](Timing&) {}));
  EXPECT_TRUE(with([](Timing& t) { t.seconds = 0; }));
  EXPECT_TRUE(with([](Timing& t) { t.seconds = -1; }));
  EXPECT_TRUE(with([](Timing& t) { t.seconds = NAN; }));
  EXPECT_TRUE(with([](Timing& t) { t.prior = INFINITY; }));
  EXPECT_TRUE(with([](Timing& t) { t.features.pop_back(); }));
  EXPECT_TRUE(with([](Timing& t) { t.features[0] = INFINITY; }));
  EXPECT_FALSE(grow("hash", kNames, synthetic(40, 4), {}));  // two groups
}

TEST(Trees, TextGivesTheModelBack) {
  CostModel model = *grow("hash", kNames, synthetic(400, 5), {.boosters = 2, .rounds = 10});
  model.provenance = {"of 400 timings", ""};
  const std::string text = print(model);
  const auto again = parse_cost_model(text);
  ASSERT_TRUE(again) << again.error()[0].message;
  EXPECT_EQ(*again, model);
  for (size_t cut = 0; cut < text.size(); cut += 97) EXPECT_FALSE(parse_cost_model(text.substr(0, cut))) << cut;
  for (const auto& [from, to] : {std::pair("tree 0\n", "tree 999999\n"), {"node ", "node -1"}, {"leaf ", "leaf 7f800000 "}, {"tenon-cost-model 2", "tenon-cost-model 1"}}) {
    std::string changed = text;
    changed.replace(changed.find(from), std::string_view(from).size(), to);
    EXPECT_FALSE(parse_cost_model(changed)) << to;
  }
  // A cycle: a child before its parent.
  std::string cycle = text;
  const size_t node = cycle.find("node "), line = cycle.find('\n', node);
  cycle.replace(node, line - node, "node 0 0 0 0 l");
  EXPECT_FALSE(parse_cost_model(cycle));
}

TEST(Trees, MissingGoesWhereTheTreeSays) {
  Booster booster;
  booster.roots = {0};
  booster.nodes = {{.feature = 0, .value = 0.5F, .left = 1, .right = 2, .missing_left = true}, {.value = 1}, {.value = 2}};
  EXPECT_EQ(booster.predict(std::vector{0.4F}, 10), 11);
  EXPECT_EQ(booster.predict(std::vector{0.5F}, 10), 12);
  EXPECT_EQ(booster.predict(std::vector{NAN}, 10), 11);
}

}  // namespace
}  // namespace tenon
