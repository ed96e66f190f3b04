// What order boosters learn: which schedule is faster, where regions differ by what no feature says.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "tenon/learn.h"

namespace tenon {
namespace {

constexpr int kSchedules = 12;

size_t draw_below(std::mt19937_64& dice, size_t count) { return dice() % count; }

// ln(seconds) = a group's own level + 0.08 |knob - the group's best knob|; its best knob is a feature, rules choose knob 6.
std::vector<Timing> made_timings(int groups, bool with_rules, uint64_t seed) {
  std::mt19937_64 dice(seed);
  std::vector<Timing> all;
  for (int g = 0; g < groups; ++g) {
    const double level = -14 + 8 * static_cast<double>(draw_below(dice, 1000)) / 1000;
    const auto best = static_cast<float>(draw_below(dice, kSchedules));
    for (int k = 0; k < kSchedules; ++k) {
      const auto knob = static_cast<float>(k);
      const double noise = 0.02 * (static_cast<double>(draw_below(dice, 1000)) / 500 - 1);
      all.push_back({.features = {knob, best}, .prior = std::exp(level + 2 * static_cast<double>(draw_below(dice, 100)) / 100), .seconds = std::exp(level + 0.08 * std::abs(knob - best) + noise),
                     .noise = 0.02, .group = g, .rules = with_rules && k == 6});
    }
  }
  return all;
}

// Of pairs that lie more than 5 % apart in a group.
double pairs_in_order(const CostModel& model, const std::vector<Timing>& timings) {
  double right = 0, pairs = 0;
  for (size_t g = 0; g < timings.size(); g += kSchedules) {
    const Timing& rules = timings[g + 6];
    const Scheduled reference{rules.features, rules.prior};
    for (size_t i = g; i < g + kSchedules; ++i)
      for (size_t j = g; j < i; ++j) {
        const double apart = std::log(timings[i].seconds / timings[j].seconds);
        if (std::abs(apart) < 0.05) continue;
        const double said = relative(model, timings[i].features, timings[i].prior, reference).mean - relative(model, timings[j].features, timings[j].prior, reference).mean;
        ++pairs, right += (said > 0) == (apart > 0);
      }
  }
  return right / pairs;
}

TEST(Order, IsLearntBesideRules) {
  const GrowOptions options{.boosters = 2, .rounds = 100};
  const std::vector<Timing> unseen = made_timings(40, true, 2);
  const auto model = grow("f", {"knob", "best"}, made_timings(60, true, 1), options);
  ASSERT_TRUE(model.has_value());
  EXPECT_EQ(model->order.size(), model->boosters.size());
  EXPECT_GT(pairs_in_order(*model, unseen), 0.85);
  CostModel without = *model;
  without.order.clear();
  EXPECT_LT(pairs_in_order(without, unseen), 0.75) << "or the levels are too easy";
  const auto read = parse_cost_model(print(*model));
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(*read, *model);
}

TEST(Order, NeedsWhatRulesChoose) {
  const auto model = grow("f", {"knob", "best"}, made_timings(20, false, 1), {.boosters = 2, .rounds = 20});
  ASSERT_TRUE(model.has_value());
  EXPECT_TRUE(model->order.empty());
}

// Whichever booster is asked first, it does not rule out what all of them are sure of.
TEST(Order, OneBoosterRulesOutOnlyWhatIsNotSure) {
  std::mt19937_64 dice(7);
  auto upto = [&](double most) { return most * static_cast<double>(dice() >> 11) * 0x1p-53; };
  int sure = 0;
  for (int round = 0; round < 20000; ++round) {
    const auto boosters = 1 + static_cast<size_t>(upto(8));
    const double middle = upto(0.2), width = upto(0.1);
    std::vector<double> gains;
    Prediction all;
    double squares = 0;
    for (size_t k = 0; k < boosters; ++k) {
      gains.push_back(middle + upto(2 * width) - width);
      all.mean += gains.back() / static_cast<double>(boosters), squares += gains.back() * gains.back() / static_cast<double>(boosters);
    }
    all.sigma = std::sqrt(std::max(0.0, squares - all.mean * all.mean));
    if (!is_sure(all, 0)) continue;
    ++sure;
    for (const double gain : gains) ASSERT_TRUE(may_be_sure(gain, boosters)) << gain << " of " << boosters;
  }
  EXPECT_GT(sure, 1000);
  EXPECT_FALSE(may_be_sure(0.016, 5));
  EXPECT_TRUE(may_be_sure(0.017, 5));
}

TEST(Order, IsSureOfLargeGainsOnWhichBoostersAgree) {
  EXPECT_TRUE(is_sure({.mean = 0.07, .sigma = 0.02}, 0));
  EXPECT_FALSE(is_sure({.mean = 0.07, .sigma = 0.03}, 0));
  EXPECT_FALSE(is_sure({.mean = 0.04, .sigma = 0}, 0));
  // Of a gain that the prior alone makes boosters take half back.
  EXPECT_FALSE(is_sure({.mean = 0.4, .sigma = 0.02}, 0.8));
  EXPECT_TRUE(is_sure({.mean = 0.4, .sigma = 0.02}, 0.3));
  EXPECT_TRUE(is_sure({.mean = 0.4, .sigma = 0.02}, -1));
}

}  // namespace
}  // namespace tenon
