// Shifts of a level are found, and nothing else.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <random>
#include <sstream>

#include "../../src/telemetry/drift.h"
#include "tenon/median.h"

namespace tenon::telemetry {
namespace {

constexpr size_t kWithin = 32, kPlaces = 200;
const double kShift = std::log(1.05);

// Residuals of every canary, one sequence each.
std::vector<std::vector<double>> recorded(const std::string& name = "canary_residuals") {
  std::ifstream file(TENON_SOURCE_DIR "/tests/data/" + name + ".txt");
  std::vector<std::vector<double>> canaries;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream words(line);
    double value = 0;
    for (size_t k = 0; words >> value; ++k) {
      if (canaries.size() == k) canaries.emplace_back();
      canaries[k].push_back(value * 1e-4);
    }
  }
  return canaries;
}

// Those whose level stayed: the medians of its eighths lie within 2 %. Where it did not, as that of memory that other machines share, something changed,
// and an alarm is right.
std::vector<std::vector<double>> steady(std::vector<std::vector<double>> canaries) {
  constexpr size_t kParts = 8;
  constexpr double kStays = 0.02;
  std::erase_if(canaries, [](const std::vector<double>& c) {
    double low = INFINITY, high = -INFINITY;
    for (size_t part = 0; part < kParts; ++part) {
      const auto begin = c.begin() + static_cast<int64_t>(part * c.size() / kParts), end = c.begin() + static_cast<int64_t>((part + 1) * c.size() / kParts);
      const double level = median_of(std::vector<double>(begin, end));
      low = std::min(low, level), high = std::max(high, level);
    }
    return high - low > kStays;
  });
  return canaries;
}

// How many samples after `place` the alarm came, if it came; no other alarm may come between.
size_t delay_of(std::vector<double> residuals, size_t place, double shift) {
  for (size_t k = place; k < residuals.size(); ++k) residuals[k] += shift;
  for (const DriftAlarm& alarm : find_drift(residuals).alarms)
    if (alarm.found >= place) return alarm.found - place + 1;
  return residuals.size();
}

struct Delays {
  size_t median = 0, most = 0, within = 0;
};
// `directions`: of the shifts, in turn.
template <class Draw>
Delays delays(Draw draw, uint64_t seed, std::vector<double> directions = {-1, 1}) {
  std::mt19937_64 dice(seed);
  std::vector<size_t> all;
  for (size_t k = 0; k < kPlaces; ++k) {
    const std::vector<double> residuals = draw(k);
    const size_t place = DriftOptions{}.learnt + dice() % (residuals.size() - DriftOptions{}.learnt - kWithin);
    all.push_back(delay_of(residuals, place, directions[k % directions.size()] * kShift));
  }
  std::ranges::sort(all);
  return {all[all.size() / 2], all.back(), static_cast<size_t>(std::ranges::upper_bound(all, kWithin) - all.begin())};
}

std::vector<double> normal(uint64_t seed, size_t count, double sigma) {
  std::mt19937_64 dice(seed);
  auto uniform = [&] { return (static_cast<double>(dice() >> 11) + 0.5) * 0x1p-53; };
  std::vector<double> all(count);
  for (double& x : all) {
    const double far = std::sqrt(-2 * std::log(uniform()));
    x = sigma * far * std::cos(2 * M_PI * uniform());
  }
  return all;
}

// Student's distribution with three degrees of freedom, scaled to this standard deviation: a sample in 160 is further off than four of them, where
// the normal distribution has one in 16,000.
std::vector<double> heavy(uint64_t seed, size_t count, double sigma) {
  const std::vector<double> z = normal(seed, 4 * count, 1);
  std::vector<double> all(count);
  for (size_t k = 0; k < count; ++k) {
    const double *four = &z[4 * k], chi = four[1] * four[1] + four[2] * four[2] + four[3] * four[3];
    all[k] = sigma * four[0] / std::sqrt(chi);
  }
  return all;
}

size_t alarms(const std::vector<double>& residuals) { return find_drift(residuals).alarms.size(); }

TEST(Drift, FindsAShiftInRecordedCanariesWithin32Samples) {
  ASSERT_EQ(recorded().size(), 16u);
  const auto canaries = steady(recorded());
  ASSERT_GE(canaries.size(), 6u);
  for (const auto& c : canaries) EXPECT_LE(kSigmaOfMad * mad_of(c, median_of(c)), 0.05);
  auto draw = [&](size_t k) { return canaries[k % canaries.size()]; };
  const Delays slower = delays(draw, 1, {1}), faster = delays(draw, 1, {-1});
  std::printf("a shift of 5 %% in recorded canaries: slower: %zu of 200 within 32 samples, median %zu; faster: %zu, median %zu\n", slower.within, slower.median, faster.within, faster.median);
  EXPECT_EQ(slower.within, kPlaces);
  // At the end of the recording every third sample was disturbed by more than a shift: what became faster then looks as before for so long.
  EXPECT_GE(faster.within, kPlaces * 9 / 10);
}

// Of later searches, to which nothing was fitted: 16,000 s in all.
std::vector<std::vector<double>> confirming() {
  std::vector<std::vector<double>> all;
  for (const char* name : {"canary_residuals_2", "canary_residuals_3", "canary_residuals_4"}) std::ranges::move(steady(recorded(name)), std::back_inserter(all));
  return all;
}

TEST(Drift, IsConfirmedByRecordingsThatItWasNotFittedTo) {
  const auto canaries = confirming();
  ASSERT_GE(canaries.size(), 20u);
  size_t samples = 0, raised = 0;
  for (const auto& c : canaries) samples += c.size(), raised += alarms(c);
  auto draw = [&](size_t k) { return canaries[k % canaries.size()]; };
  const Delays slower = delays(draw, 1, {1}), faster = delays(draw, 1, {-1});
  std::printf("%zu canaries, %zu alarms in %zu samples; a shift of 5 %%: slower: %zu of 200 within 32 samples, median %zu; faster: %zu, median %zu\n", canaries.size(), raised, samples, slower.within,
              slower.median, faster.within, faster.median);
  EXPECT_LE(raised * 1000, samples);
  // Not at every place: where disturbances by more than the shift take more than every third sample, 32 of them do not tell it.
  EXPECT_GE(slower.within, kPlaces * 19 / 20);
  EXPECT_GE(faster.within, kPlaces * 19 / 20);
}

TEST(Drift, RaisesNoAlarmInRecordedCanaries) {
  size_t samples = 0, raised = 0;
  for (const auto& c : steady(recorded())) samples += c.size(), raised += alarms(c);
  std::printf("%zu alarms in %zu recorded samples\n", raised, samples);
  ASSERT_GE(samples, 2000u);
  EXPECT_LE(raised * 1000, samples);
}

TEST(Drift, RaisesAtMostOneFalseAlarmInAThousand) {
  constexpr size_t kSequences = 200, kLong = 1000;
  for (const double sigma : {0.002, 0.01, 0.03, 0.05, 0.3}) {
    size_t of_normal = 0, of_heavy = 0;
    for (size_t k = 0; k < kSequences; ++k) of_normal += alarms(normal(k + 1, kLong, sigma)), of_heavy += alarms(heavy(k + 1, kLong, sigma));
    std::printf("sigma %.3f: alarms in 1,000 samples: %.2f normal, %.2f heavy-tailed\n", sigma, static_cast<double>(of_normal) / kSequences, static_cast<double>(of_heavy) / kSequences);
    EXPECT_LE(of_normal, kSequences) << sigma;
    EXPECT_LE(of_heavy, kSequences) << sigma;
  }
}

TEST(Drift, FindsAShiftOfOneSigmaInNoise) {
  for (const double sigma : {0.01, 0.03, 0.05}) {
    const Delays found = delays([&](size_t k) { return normal(k + 1, 500, sigma); }, 2);
    std::printf("sigma %.3f: %zu of %zu within %zu samples, median %zu\n", sigma, found.within, kPlaces, kWithin, found.median);
    // Where the shift is one sigma, 32 samples are its evidence times 5.5, of which a false alarm in a thousand samples takes the greater part.
    EXPECT_GE(found.within, kPlaces * (sigma < 0.04 ? 99 : 90) / 100);
  }
}

TEST(Drift, SaysWhenAndByHowMuch) {
  std::vector<double> residuals = normal(7, 600, 0.01);
  for (size_t k = 200; k < 600; ++k) residuals[k] += 0.07;
  for (size_t k = 400; k < 600; ++k) residuals[k] -= 0.2;
  const Drift drift = find_drift(residuals);
  ASSERT_EQ(drift.alarms.size(), 2u);
  EXPECT_NEAR(static_cast<double>(drift.alarms[0].begin), 200, 2);
  EXPECT_NEAR(drift.alarms[0].change, 0.07, 0.01);
  EXPECT_NEAR(static_cast<double>(drift.alarms[1].begin), 400, 2);
  EXPECT_NEAR(drift.alarms[1].change, -0.2, 0.01);
  EXPECT_NEAR(drift.level, -0.13, 0.005);
  EXPECT_NEAR(drift.sigma, 0.01, 0.004);
}

TEST(Drift, ASingleSampleIsNone) {
  std::vector<double> residuals = normal(3, 300, 0.01);
  residuals[100] = 50, residuals[200] = -50;
  EXPECT_EQ(alarms(residuals), 0u);
}

TEST(Drift, BatchesTakeTheLeast) {
  const double samples[] = {3, 2, 5, 9, 1, 7, 4};
  EXPECT_EQ(least_of_batches(samples, 3), (std::vector<double>{2, 1}));
  EXPECT_TRUE(least_of_batches(samples, 8).empty());
}

TEST(Drift, TooFewSaySoBySilence) {
  EXPECT_EQ(alarms({}), 0u);
  std::vector<double> few(63, 0.0);
  few.back() = 1;
  EXPECT_EQ(alarms(few), 0u);
  EXPECT_EQ(alarms(std::vector<double>(300, 1.0)), 0u) << "constant";
}

}  // namespace
}  // namespace tenon::telemetry
