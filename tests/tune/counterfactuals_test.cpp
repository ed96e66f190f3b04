// Counterfactuals and probes: draws, intervals, regions, and a small model measured.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "../../src/driver/tune/whole_regions.h"
#include "../policy/network.h"
#include "tenon/counterfactuals.h"
#include "tenon/probes.h"

namespace tenon {
namespace {

CompileOptions digits() {
  CompileOptions options;
  options.model = TENON_SOURCE_DIR "/models/digits.onnx";
  options.targets = {"native"};
  options.import.dims["N"] = {4, 4};
  return options;
}

TEST(Counterfactuals, DrawsAreDifferentFixedAndEven) {
  EXPECT_EQ(draw_of(50, 10, 3), draw_of(50, 10, 3));
  EXPECT_NE(draw_of(50, 10, 3), draw_of(50, 10, 4));
  EXPECT_EQ(draw_of(3, 10, 0), (std::vector<size_t>{0, 1, 2}));
  std::map<size_t, int> drawn;
  for (uint64_t seed = 0; seed < 2000; ++seed) {
    const std::vector<size_t> one = draw_of(10, 3, seed);
    ASSERT_EQ(one.size(), 3U);
    ASSERT_TRUE(std::ranges::is_sorted(one) && std::set(one.begin(), one.end()).size() == 3);
    for (const size_t k : one) ++drawn[k];
  }
  for (size_t k = 0; k < 10; ++k) EXPECT_NEAR(drawn[k], 600, 6 * 20.5);  // six standard deviations
}

TEST(Counterfactuals, AnIntervalOfTheMedianHoldsIt) {
  const MedianInterval few = median_interval({3, 1, 2, 5, 4});
  EXPECT_EQ(few.median, 3);
  EXPECT_EQ(few.low, 1);
  EXPECT_EQ(few.high, 5);
  std::mt19937_64 dice(1);
  int held = 0;
  constexpr int kTimes = 2000;
  for (int time = 0; time < kTimes; ++time) {
    std::vector<double> values(30);
    for (double& v : values) v = static_cast<double>(dice() >> 11) * 0x1p-53;
    const MedianInterval i = median_interval(values);
    EXPECT_LE(i.low, i.median);
    EXPECT_LE(i.median, i.high);
    held += i.low <= 0.5 && 0.5 <= i.high;
  }
  EXPECT_GE(held, kTimes * 94 / 100);
}

TEST(Counterfactuals, RegionsOfBothPlansCoverTheSameNodes) {
  const testing::GraphMaker g = network();
  const Target target = *load_target("x86-64-v3");
  const auto rules = decided_plan(g.graph, target, Precision::Strict, Providers::None);
  ASSERT_TRUE(rules);
  size_t differ = 0;
  for (const Asked& asked : rules->asked)
    for (size_t a = 0; a < asked.answers.size(); ++a) {
      if (a == asked.chosen) continue;
      const auto other = decided_plan(g.graph, target, Precision::Strict, Providers::None, {{{asked.kind, asked.subject}, asked.answers[a]}});
      ASSERT_TRUE(other);
      for (const RegionPlan& region : other->plan.regions) {
        const WholeRegions whole = whole_regions(other->plan, rules->plan, {region.nodes[0]});
        std::set<int> ours, theirs;
        for (const size_t r : whole.ours) ours.insert(other->plan.regions[r].nodes.begin(), other->plan.regions[r].nodes.end());
        for (const size_t r : whole.theirs) theirs.insert(rules->plan.regions[r].nodes.begin(), rules->plan.regions[r].nodes.end());
        EXPECT_TRUE(ours.contains(region.nodes[0]));
        EXPECT_EQ(ours, theirs);
        differ += whole.ours.size() != whole.theirs.size();
      }
    }
  EXPECT_GT(differ, 0U);
}

TEST(Counterfactuals, ASmallModelIsMeasured) {
  const auto report = verify_counterfactuals({.models = {digits()}, .how = {}});
  ASSERT_TRUE(report) << report.error()[0].message;
  EXPECT_GT(report->decisions, report->all.size());
  ASSERT_FALSE(report->all.empty());
  EXPECT_GT(report->measured, 0);
  int signs = 0;
  for (const Counterfactual& c : report->all) {
    EXPECT_GT(c.predicted(), 0);
    EXPECT_NE(c.measured, !c.failure.empty()) << c.decision.subject;
    if (!c.measured) continue;
    EXPECT_LE(c.low, c.ratio);
    EXPECT_LE(c.ratio, c.high);
    EXPECT_GT(c.seconds, 0);
    EXPECT_NEAR(std::log(c.runner_up_seconds / c.seconds), std::log(c.ratio), 1.0) << c.decision.subject;
    signs += c.agrees();
  }
  EXPECT_EQ(signs, report->signs);
  // A draw is of those over the threshold, and the same for a seed.
  const auto drawn = verify_counterfactuals({.models = {digits()}, .how = {}, .draw = 2, .seed = 5});
  ASSERT_TRUE(drawn) << drawn.error()[0].message;
  EXPECT_EQ(drawn->over, report->over);
  EXPECT_EQ(drawn->all.size(), std::min<size_t>(2, report->over));
  for (const Counterfactual& c : drawn->all) EXPECT_GT(std::abs(std::log(c.predicted())), std::log(1.05));
}

TEST(Probes, AreOfEveryKindOfRegionAndAreTimed) {
  auto set = ProbeSet::of({.models = {digits(), digits()}, .how = {}, .draws = 4});
  ASSERT_TRUE(set) << set.error()[0].message;
  std::map<std::string, int> workloads;
  for (const Probe& p : set->all()) {
    ++workloads[p.workload];
    EXPECT_GT(p.prior, 0);
    EXPECT_FALSE(p.op_class.empty());
  }
  EXPECT_GE(workloads.size(), 2U);
  for (const auto& [workload, probes] : workloads) EXPECT_LE(probes, 5);  // the second model has nothing new
  const std::vector<size_t> chosen = {0, 1, set->all().size() - 1};
  const auto times = set->measure(chosen);
  ASSERT_TRUE(times) << times.error()[0].message;
  ASSERT_EQ(times->size(), 3U);
  EXPECT_EQ(set->device().size(), 64U);
  for (const ProbeTime& t : *times) EXPECT_NE(t.seconds > 0, !t.failure.empty());
}

}  // namespace
}  // namespace tenon
