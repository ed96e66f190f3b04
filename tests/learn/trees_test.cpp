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
  model.device_features = {0, 1}, model.devices = {{1, -3}, {0.5F, 2}};
  const std::string text = print(model);
  const auto again = parse_cost_model(text);
  ASSERT_TRUE(again) << again.error()[0].message;
  EXPECT_EQ(*again, model);
  for (size_t cut = 0; cut < text.size(); cut += 97) EXPECT_FALSE(parse_cost_model(text.substr(0, cut))) << cut;
  for (const auto& [from, to] : {std::pair("tree 0\n", "tree 999999\n"), {"node ", "node -1"}, {"leaf ", "leaf 7f800000 "}, {"tenon-cost-model 3", "tenon-cost-model 9"}}) {
    std::string changed = text;
    changed.replace(changed.find(from), std::string_view(from).size(), to);
    EXPECT_FALSE(parse_cost_model(changed)) << to;
  }
  // A cycle: a child before its parent.
  std::string cycle = text;
  const size_t node = cycle.find("node "), line = cycle.find('\n', node);
  cycle.replace(node, line - node, "node 0 0 0 0 l 3f800000");
  EXPECT_FALSE(parse_cost_model(cycle));
}

TEST(Trees, KnowsDevicesByTheirNumbers) {
  CostModel model{.features = {}, .names = {"work", "rate", "cache"}, .provenance = {}, .boosters = {}};
  EXPECT_TRUE(knows_device(model, std::vector{1.0F, 2.0F, 3.0F})) << "it does not say";
  model.device_features = {1, 2};
  add_device(model, std::vector{1.0F, 7.5F, NAN});
  add_device(model, std::vector{2.0F, 7.5F, NAN});
  EXPECT_EQ(model.devices.size(), 1u);
  EXPECT_TRUE(knows_device(model, std::vector{9.0F, 7.6F, NAN}));
  EXPECT_FALSE(knows_device(model, std::vector{1.0F, 7.7F, NAN}));
  EXPECT_FALSE(knows_device(model, std::vector{1.0F, 7.5F, 20.0F}));
  const auto again = parse_cost_model(print(model));
  ASSERT_TRUE(again) << again.error()[0].message;
  EXPECT_TRUE(std::isnan(again->devices[0][1]));
}

// A tree is a tree, and a node's cover its children's.
TEST(Trees, RefusesWhatIsNoTree) {
  const Booster right{.nodes = {{.feature = 0, .value = 1, .left = 1, .right = 2, .cover = 5}, {.value = 1, .cover = 2}, {.value = 2, .cover = 3}}, .roots = {0}};
  auto taken = [&](auto change) {
    CostModel model{.features = "h", .names = {"a"}, .provenance = {}, .boosters = {right}};
    change(model.boosters[0]);
    const auto parsed = parse_cost_model(print(model));
    EXPECT_TRUE(parsed || parsed.error()[0].code == Code::E0703);
    return parsed.has_value();
  };
  EXPECT_TRUE(taken([](Booster&) {}));
  EXPECT_TRUE(taken([](Booster& b) { b.nodes[0].cover = std::nextafter(5.0F, 6.0F); }));  // the sum was rounded
  EXPECT_FALSE(taken([](Booster& b) { b.nodes[0].cover = 5.001F; }));
  EXPECT_FALSE(taken([](Booster& b) { b.nodes[1].cover = 0, b.nodes[0].cover = 3; }));
  EXPECT_FALSE(taken([](Booster& b) { b.nodes[1].cover = -2, b.nodes[0].cover = 1; }));
  EXPECT_FALSE(taken([](Booster& b) { b.nodes[1].cover = b.nodes[0].cover = INFINITY; }));
  EXPECT_FALSE(taken([](Booster& b) { b.nodes[2].cover = NAN; }));
  EXPECT_FALSE(taken([](Booster& b) { b.nodes[0].left = 2, b.nodes[0].cover = 6; }));  // one child twice, and a node of no tree
  EXPECT_FALSE(taken([](Booster& b) { b.roots.push_back(1); }));                       // a part of another tree
  EXPECT_FALSE(taken([](Booster& b) { b.nodes.push_back({}); }));
  auto chain = [](int levels) {
    return [levels](Booster& b) {
      b = {.nodes = {}, .roots = {0}};
      for (int k = 0; k < levels; ++k) {
        b.nodes.push_back({.feature = 0, .value = 1, .left = 2 * k + 1, .right = 2 * k + 2, .cover = static_cast<float>(levels + 1 - k)});
        b.nodes.push_back({.value = 1});
      }
      b.nodes.push_back({.value = 1});
    };
  };
  EXPECT_TRUE(taken(chain(64)));
  EXPECT_FALSE(taken(chain(65)));
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
