// Tasks of artifacts with workers: cut_rows says which, make_tasks and margin_tasks make them, no bits change.
#include <gtest/gtest.h>

#include <algorithm>

#include "../ops/rig.h"
#include "cases.h"
#include "tenon/plan.h"
#include "tenon/policy.h"
#include "tenon/target.h"

namespace tenon::testing {
namespace {

// A 1x1 convolution to `channels`, a depthwise one and a 1x1 convolution back, of `rows` x `rows` pixels.
GraphMaker bottleneck(int64_t rows, int64_t narrow, int64_t channels) {
  GraphMaker g{"net"};
  const std::string c = std::to_string(narrow), r = std::to_string(rows);
  const ValueId x = g.node(Op::abs, {g.input("x", {"1", c.c_str(), r.c_str(), r.c_str()})});
  const ValueId wide = g.node(Op::abs, {g.node(Op::conv, {x, g.constant({channels, narrow, 1, 1})}, g.conv({1, 1}, {0, 0}))});
  Attrs depthwise = g.conv({1, 1}, {1, 1});
  depthwise.set<Attr::groups>(channels);
  const ValueId y = g.node(Op::abs, {g.node(Op::conv, {wide, g.constant({channels, 1, 3, 3})}, depthwise)});
  g.output(g.node(Op::abs, {g.node(Op::conv, {y, g.constant({narrow, channels, 1, 1})}, g.conv({1, 1}, {0, 0}))}));
  return g;
}

Plan cut(const Graph& graph) {
  auto plan = rules_policy(graph, *load_target("goldencove"));
  EXPECT_TRUE(plan);
  cut_rows(graph, *plan);
  return std::move(*plan);
}

bool in_bands(const RegionPlan& region) { return region.schedule.variants.back().knobs[Knob::parallel] == 2; }

TEST(Tasks, RowsWhereAKernelReadsMoreOfThemThanOfConstants) {
  // 14 x 14: weights of 98 KB beside 350 KB of pixels; depthwise: 14 KB.
  const GraphMaker many = bottleneck(14, 64, 384);
  EXPECT_GE(std::ranges::count_if(cut(many.graph).regions, in_bands), 2);
  // 7 x 7: 614 KB beside 219 KB: only the depthwise one, which has no more constants for it.
  const GraphMaker few = bottleneck(7, 160, 960);
  const Plan plan = cut(few.graph);
  EXPECT_EQ(std::ranges::count_if(plan.regions, in_bands), 1);
  // One thread goes through every panel once.
  const auto alone = rules_policy(few.graph, *load_target("goldencove"));
  EXPECT_EQ(std::ranges::count_if(alone->regions, in_bands), 0);
}

TEST(Tasks, RowsUnderAWindowBecomeParts) {
  const GraphMaker g = bottleneck(56, 24, 96);
  const Plan plan = cut(g.graph);
  const auto slid = std::ranges::find_if(plan.regions, [](const RegionPlan& r) { return r.schedule.variants.back().knobs[Knob::attach_slide] == 1; });
  ASSERT_NE(slid, plan.regions.end());
  EXPECT_EQ(slid->schedule.variants.back().knobs[Knob::attach_rows], 28);
  EXPECT_TRUE(in_bands(*slid));
}

// Every number of rows: bands of none, one and several steps, blocks that are left over; margins in tasks.
TEST(Tasks, BandsAndMarginsChangeNothing) {
  for (const int64_t rows : {1, 2, 7, 9, 14}) {
    const GraphMaker g = bottleneck(rows, 3, 40);
    const std::vector<Tensor> inputs = {GraphMaker::random(DType::F32, {1, 3, rows, rows}, 1)};
    auto bits_with = [&](int64_t parallel) {
      return run_lowered(g.graph, inputs, {}, [&](Plan& plan) {
        for (RegionPlan& region : plan.regions)
          for (auto [knob, value] : {std::pair(Knob::parallel, parallel), {Knob::grain, int64_t{-1}}, {Knob::rows, int64_t{4}}, {Knob::vectors, int64_t{2}}})
            region.schedule.variants.back().knobs.set(knob, value);
      });
    };
    const auto serial = bits_with(0);
    ASSERT_TRUE(serial.has_value()) << serial.error()[0].message;
    for (const int64_t parallel : {1, 2}) {
      const auto tasks = bits_with(parallel);
      ASSERT_TRUE(tasks.has_value()) << tasks.error()[0].message;
      EXPECT_EQ((*serial)[0].f, (*tasks)[0].f) << rows << " rows, parallel=" << parallel;
    }
  }
}

}  // namespace
}  // namespace tenon::testing
