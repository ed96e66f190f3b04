// Intervals hold as often as they say; failures are learnt; devices are adapted to.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "synthetic.h"

namespace tenon {
namespace {

using testing::Truth;
using testing::timings;

double covered(const CostModel& model, const std::vector<Timing>& unseen, std::string_view device = {}) {
  double inside = 0;
  for (const Timing& t : unseen) {
    const Interval range = interval(model, predict(model, t.features, t.prior, device), device);
    inside += range.low <= t.seconds && t.seconds <= range.high;
  }
  return inside / static_cast<double>(unseen.size());
}

double error(const CostModel& model, const std::vector<Timing>& unseen, std::string_view device = {}) {
  double sum = 0;
  for (const Timing& t : unseen) sum += std::abs(std::expm1(predict(model, t.features, t.prior, device).mean - std::log(t.seconds)));
  return sum / static_cast<double>(unseen.size());
}

class Coverage : public ::testing::TestWithParam<Truth> {};

TEST_P(Coverage, IsNinetyPercentOnUnseenGroups) {
  double sum = 0;
  constexpr int kTimes = 3;
  for (int k = 0; k < kTimes; ++k) {
    const auto model = grow("hash", testing::column_names(), timings(GetParam(), 150, 12, 10 + k), {.rounds = 120, .seed = static_cast<uint64_t>(k)});
    ASSERT_TRUE(model) << model.error()[0].message;
    EXPECT_GT(model->calibration.units, 60);
    sum += covered(*model, timings(GetParam(), 300, 12, 100 + k)) / kTimes;
  }
  EXPECT_GT(sum, 0.86);
  EXPECT_LT(sum, 0.94);
}
INSTANTIATE_TEST_SUITE_P(Truths, Coverage, ::testing::Values(Truth{.noise = 0.05}, Truth{.noise = 0.02, .unexplained = 0.15}, Truth{.noise = 0.1, .unexplained = 0.05}),
                         [](const auto& i) { return "Truth" + std::to_string(i.index); });

TEST(Interval, IsEverythingWhereTheModelIsNotCalibrated) {
  const Interval range = interval(CostModel{}, {.mean = -8, .sigma = 0.1});
  EXPECT_EQ(range.low, 0);
  EXPECT_EQ(range.high, INFINITY);
}

// Of what is left once the mean of each group is taken out.
double error_within_groups(const CostModel& model, const std::vector<Timing>& unseen, size_t schedules) {
  double sum = 0;
  for (size_t first = 0; first < unseen.size(); first += schedules) {
    std::vector<double> residuals;
    for (size_t k = first; k < first + schedules; ++k) residuals.push_back(predict(model, unseen[k].features, unseen[k].prior).mean - std::log(unseen[k].seconds));
    const double mean = std::accumulate(residuals.begin(), residuals.end(), 0.0) / static_cast<double>(schedules);
    for (const double r : residuals) sum += std::abs(r - mean);
  }
  return sum / static_cast<double>(unseen.size());
}

TEST(Grow, GroupOffsetsHelpTheOrderWhereGroupsDifferForNoReason) {
  const Truth truth{.noise = 0.02, .unexplained = 0.4};
  constexpr size_t kSchedules = 12;
  const auto train = timings(truth, 90, kSchedules, 1), unseen = timings({.noise = 0}, 60, kSchedules, 2);
  const auto with = grow("hash", testing::column_names(), train, {.rounds = 120, .group_offsets = true}), without = grow("hash", testing::column_names(), train, {.rounds = 120});
  ASSERT_TRUE(with && without);
  EXPECT_LT(error_within_groups(*with, unseen, kSchedules), error_within_groups(*without, unseen, kSchedules));
}

std::vector<Trial> trials(double forbidden, uint64_t seed) {
  std::vector<Trial> all;
  for (Timing& t : timings({}, 60, 20, seed)) all.push_back({.features = t.features, .failed = static_cast<double>(t.features[4]) > forbidden && t.features[0] > 0.5F, .unit = t.group});
  return all;
}

TEST(Failures, AForbiddenKnobIsLearnt) {
  CostModel model{.features = "hash", .names = testing::column_names()};
  EXPECT_EQ(failure_probability(model, trials(0.8, 1)[0].features), 0);
  const auto learnt = learn_failures(model, trials(0.8, 1), {.rounds = 150});
  ASSERT_TRUE(learnt && *learnt);
  double right = 0, all = 0;
  for (const Trial& trial : trials(0.8, 2)) {
    const double p = failure_probability(model, trial.features);
    EXPECT_GE(p, 0);
    EXPECT_LE(p, 1);
    ++all, right += (p > 0.5) == trial.failed;
  }
  EXPECT_GT(right / all, 0.98);
  EXPECT_EQ(*parse_cost_model(print(model)), model);
}

TEST(Failures, TooFewSayNothing) {
  CostModel model{.features = "hash", .names = testing::column_names()};
  for (const double forbidden : {2.0, 0.995}) {
    const auto learnt = learn_failures(model, trials(forbidden, 1), {.rounds = 20});
    ASSERT_TRUE(learnt);
    EXPECT_FALSE(*learnt);
    EXPECT_EQ(failure_probability(model, trials(forbidden, 1)[0].features), 0);
  }
}

TEST(Adapt, LearnsADeviceFrom32Probes) {
  const auto pooled = grow("hash", testing::column_names(), timings({}, 120, 12, 1), {.rounds = 200});
  ASSERT_TRUE(pooled);
  const Truth slow{.noise = 0.03, .device = 1.7};
  const std::vector<Timing> probes = timings(slow, 32, 1, 2), unseen = timings(slow, 200, 5, 3), known = timings({}, 100, 5, 4);
  const auto adapted = adapt(*pooled, probes, "slow");
  ASSERT_TRUE(adapted) << adapted.error()[0].message;
  EXPECT_GT(error(*pooled, unseen), 0.35);
  EXPECT_LT(error(*adapted, unseen, "slow"), 0.12);
  EXPECT_EQ(error(*adapted, known), error(*pooled, known));           // whoever does not name it
  EXPECT_EQ(error(*adapted, known, "other"), error(*pooled, known));  // or names another
  EXPECT_GT(covered(*adapted, unseen, "slow"), 0.8);
  EXPECT_LT(covered(*pooled, unseen), 0.5);
  const auto both = adapt(*adapted, timings({.device = 0.5}, 32, 1, 5), "fast");
  ASSERT_TRUE(both);
  ASSERT_EQ(both->deltas.size(), 2U);
  EXPECT_EQ(both->deltas[0].device, "fast");
  EXPECT_EQ(both->deltas[1], adapted->deltas[0]);
  const std::string text = print(*both);
  EXPECT_EQ(*parse_cost_model(text), *both);
  for (size_t cut = 0; cut < text.size(); cut += 997) EXPECT_FALSE(parse_cost_model(text.substr(0, cut))) << cut;
  EXPECT_EQ(*adapt(*both, probes, "slow"), *both);  // once more: the same in its place
  const auto few = adapt(*pooled, probes, "slow", {.rounds = 5});
  for (const int threads : {2, 4}) EXPECT_EQ(*adapt(*pooled, probes, "slow", {.rounds = 5, .threads = threads}), *few);
  EXPECT_FALSE(adapt(*pooled, std::span(probes).first(kFewestProbes - 1), "slow"));
}

TEST(Adapt, ProbesAreSpreadOverOperatorsAndTimes) {
  std::vector<ProbeCandidate> candidates;
  for (int k = 0; k < 300; ++k) candidates.push_back({k < 280 ? "Conv" : k < 297 ? "MatMul" : "Softmax", static_cast<double>((k * 37) % 300)});
  const std::vector<size_t> chosen = choose_probes(candidates, 32);
  ASSERT_EQ(chosen.size(), 32U);
  EXPECT_TRUE(std::ranges::is_sorted(chosen));
  EXPECT_EQ(std::set<size_t>(chosen.begin(), chosen.end()).size(), 32U);
  std::map<std::string, std::vector<double>> classes;
  for (const size_t k : chosen) classes[candidates[k].op_class].push_back(candidates[k].predicted);
  EXPECT_EQ(classes["Conv"].size(), 15U);
  EXPECT_EQ(classes["MatMul"].size(), 14U);
  EXPECT_EQ(classes["Softmax"].size(), 3U);
  EXPECT_LT(std::ranges::min(classes["Conv"]), 20);
  EXPECT_GT(std::ranges::max(classes["Conv"]), 280);
  EXPECT_EQ(choose_probes(candidates, 1000).size(), 300U);
  EXPECT_TRUE(choose_probes({}, 5).empty());
}

}  // namespace
}  // namespace tenon
