// Pixels an odd number of cache lines apart: which values the rules lay out so, and that results stay what they are.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "../ops/rig.h"
#include "cases.h"
#include "tenon/plan.h"
#include "tenon/policy.h"
#include "tenon/target.h"

namespace tenon::testing {
namespace {

// A pointwise, a depthwise and a pointwise convolution.
struct Network {
  GraphMaker g{"network"};
  ValueId expanded, filtered;

  explicit Network(int64_t channels, int64_t size = 20, bool is_output = false) {
    const std::string extent = std::to_string(size);
    ValueId x = g.node(Op::neg, {g.input("x", {"1", "16", extent.c_str(), extent.c_str()})});
    expanded = g.node(Op::tanh, {g.node(Op::conv, {x, g.constant({channels, 16, 1, 1})}, g.conv({1, 1}, {0, 0}))});
    filtered = g.node(Op::abs, {g.node(Op::conv, {expanded, g.constant({channels, 1, 3, 3})}, g.conv({1, 1}, {1, 1}, channels))});
    g.output(g.node(Op::conv, {filtered, g.constant({16, channels, 1, 1})}, g.conv({1, 1}, {0, 0})));
    if (is_output) g.output(filtered);
  }

  std::string pitch(ValueId v, const Plan& plan) const {
    const auto row = std::ranges::find(plan.layouts, v, &std::pair<ValueId, Layout>::first);
    return row == plan.layouts.end() || row->second.capacities.empty() ? "" : row->second.capacities[0].extent;
  }
};

Plan rules(const Network& net) {
  auto plan = rules_policy(net.g.graph, *load_target("x86-64-v4"));
  EXPECT_TRUE(plan);
  return std::move(*plan);
}

TEST(Pitch, PixelsOfDepthwiseConvolutionsUseAllSets) {
  const Network even(128), odd(144), few(64), small(128, 8), given(128, 20, true);
  EXPECT_EQ(even.pitch(even.expanded, rules(even)), "144");
  EXPECT_EQ(even.pitch(even.filtered, rules(even)), "144");
  EXPECT_EQ(odd.pitch(odd.expanded, rules(odd)), "");     // nine lines
  EXPECT_EQ(few.pitch(few.expanded, rules(few)), "");     // a quarter more memory
  EXPECT_EQ(small.pitch(small.expanded, rules(small)), "");  // in the first-level cache
  EXPECT_EQ(given.pitch(given.filtered, rules(given)), "");  // the caller's memory
}

TEST(Pitch, ResultsStay) {
  const Network net(128);
  const std::vector<Tensor> inputs = {GraphMaker::random(DType::F32, {1, 16, 20, 20}, 1)};
  const auto expected = evaluate(net.g.graph, inputs, {});
  auto apart = run_lowered(net.g.graph, inputs, {}, [&](Plan& plan) {
    plan = rules(net);
    EXPECT_FALSE(net.pitch(net.expanded, plan).empty());
  });
  ASSERT_TRUE(expected && apart) << apart.error()[0].message;
  // Sums of 16, 9 and 128 products of factors of at most 1 in magnitude, one after another.
  const double bound = 128.0 * (9 * (16 * 16 + 8) + 9 * 9) * 0x1p-24 + 128.0 * 128 * 9 * 0x1p-24;
  for (size_t k = 0; k < (*expected)[0].f.size(); ++k) ASSERT_NEAR((*apart)[0].f[k], (*expected)[0].f[k], bound) << k;
}

}  // namespace
}  // namespace tenon::testing
