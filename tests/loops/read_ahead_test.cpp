// Constants that a region would wait for are asked for by products before it (Knob::beyond): the rules say where, no bits change.
#include <gtest/gtest.h>

#include <algorithm>

#include "../ops/rig.h"
#include "cases.h"
#include "tenon/passes.h"
#include "tenon/plan.h"
#include "tenon/policy.h"

namespace tenon::testing {
namespace {

Target machine() {
  Target target;
  target.vector_bytes = 64;
  target.vector_registers = 32;
  target.masked_memory = true;
  target.l1d_bytes = 32 << 10;
  target.l2_bytes = 1 << 20;
  target.l3_bytes = 32 << 20;
  target.gflops_f32 = 118;
  target.l2_gb_per_s = 118;
  target.l3_gb_per_s = 100;
  target.dram_gb_per_s = 28;
  return target;
}

// 1x1 convolutions of a 7x7 map by `first` and then 320 x 1280 weights, their mean, and a layer of 1280 x `classes`.
GraphMaker network(int64_t classes, int64_t first = 320) {
  GraphMaker g{"net"};
  const std::string c = std::to_string(first);
  const ValueId x = g.node(Op::abs, {g.node(Op::conv, {g.input("x", {"1", c.c_str(), "7", "7"}), g.constant({320, first, 1, 1})}, g.conv({1, 1}, {0, 0}))});
  const ValueId y = g.node(Op::abs, {g.node(Op::conv, {x, g.constant({1280, 320, 1, 1})}, g.conv({1, 1}, {0, 0}))});
  // Of one pixel: a matrix times a vector.
  g.output(g.node(Op::conv, {g.node(Op::conv, {y, g.constant({64, 1280, 7, 7})}, g.conv({1, 1}, {0, 0})), g.constant({classes, 64, 1, 1})}, g.conv({1, 1}, {0, 0})));
  return g;
}

std::vector<std::pair<int64_t, int64_t>> beyond(const GraphMaker& g, const Target& target) {
  const auto plan = rules_policy(g.graph, target);
  std::vector<std::pair<int64_t, int64_t>> found;
  for (const RegionPlan& region : plan->regions) {
    const Knobs& knobs = region.schedule.variants.back().knobs;
    if (knobs[Knob::rows] > 0) found.emplace_back(knobs[Knob::beyond], knobs[Knob::beyond_from]);
  }
  return found;
}

TEST(ReadAhead, ProductsThatComputeAskForWhatALaterOneWaitsFor) {
  const auto found = beyond(network(1000), machine());
  ASSERT_GE(found.size(), 3U);
  // 16 MB: the product of 1.6 MB takes 340 us, in which memory gives 7 MB; the one before it asks for what comes before those.
  EXPECT_GT(found[1].first, 1);
  EXPECT_GT(found[0].first, 1);
  EXPECT_LT(found[0].second, found[1].second + 2000);
  EXPECT_EQ(found.back().first, 0);
}

TEST(ReadAhead, NothingIsAskedForThatWaitsForNothing) {
  auto none = [](const Target& target) { return std::ranges::all_of(beyond(network(1000), target), [](auto k) { return k.first == 0; }); };
  Target target = machine();
  target.dram_gb_per_s = 0;  // not known
  EXPECT_TRUE(none(target));
  target = machine();
  target.l2_bytes = 64 << 20;  // the cache holds all
  EXPECT_TRUE(none(target));
  target = machine();
  target.gflops_f32 = 4000;  // memory has nothing to spare
  EXPECT_TRUE(none(target));
}

TEST(ReadAhead, SameBits) {
  const GraphMaker g = network(40, 64);
  const std::vector<Tensor> inputs = {GraphMaker::random(DType::F32, {1, 64, 7, 7}, 1)};
  auto with = [&](int64_t times, int64_t from) {
    return run_lowered(g.graph, inputs, {}, [=](Plan& plan) {
      for (RegionPlan& region : plan.regions)
        for (auto [knob, value] : {std::pair(Knob::beyond, times), {Knob::beyond_from, from}, {Knob::rows, int64_t{4}}, {Knob::vectors, int64_t{2}}})
          region.schedule.variants.back().knobs.set(knob, value);
    });
  };
  const auto plain = with(0, 0), far = with(3, 4096);  // far behind the last constant as well
  ASSERT_TRUE(plain.has_value()) << plain.error()[0].message;
  ASSERT_TRUE(far.has_value()) << far.error()[0].message;
  EXPECT_EQ((*plain)[0].f, (*far)[0].f);
}

// Rows and vectors of the first product where a vector is computed at once, and where it is in two halves.
TEST(Halves, HalfAVectorTakesHalfTheTimeWhereUnitsAreNarrow) {
  auto tile = [](int unit_bytes) {
    Target target = machine();
    target.unit_bytes = unit_bytes;
    target.atoms.push_back({.name = "fma", .a = DType::F32, .b = DType::F32, .acc = DType::F32, .lanes = 16});
    GraphMaker g{"net"};
    g.output(g.node(Op::conv, {g.input("x", {"1", "64", "56", "56"}), g.constant({40, 64, 1, 1})}, g.conv({1, 1}, {0, 0})));
    const auto plan = rules_policy(g.graph, target);
    const Knobs& knobs = plan->regions.back().schedule.variants.back().knobs;
    return std::pair(knobs[Knob::rows], knobs[Knob::vectors]);
  };
  EXPECT_FALSE(Target{.vector_bytes = 64}.computes_in_parts());
  EXPECT_EQ(tile(64), tile(0));
  const auto narrow = tile(32);
  EXPECT_GE(narrow.first * narrow.second, 8);  // enough chains for the latency of a multiply-add
}

}  // namespace
}  // namespace tenon::testing
