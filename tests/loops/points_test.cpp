// --tune-at: kernels of their own for a value of a dim compute the same as those for all.
#include <gtest/gtest.h>

#include <algorithm>

#include "../ops/rig.h"
#include "words.h"
#include "tenon/passes.h"
#include "tenon/points.h"
#include "tenon/policy.h"

namespace tenon::testing {
namespace {

Plan plan_with(const Graph& graph, const Target& target, const std::vector<int64_t>& values) {
  Plan plan = *rules_policy(graph, target);
  for (const int64_t value : values) {
    const Point point{.key = {{"S", value}}, .others = {}};
    const auto bound = bind_dims(graph, point.key);
    EXPECT_TRUE(bound);
    const auto at = rules_at(*bound, target, Precision::Strict, plan, point, false);
    EXPECT_TRUE(at);
    add_variants(graph, plan, point.key, *at);
  }
  return plan;
}

// Regions whose extents depend on the dim get variants, others none; what is computed stays.
TEST(Points, KernelsOfAPointComputeTheSame) {
  const GraphMaker g = words();
  const Target target = *load_target("x86-64-v3");
  const Plan chosen = plan_with(g.graph, target, {1, 9});
  size_t own = 0;
  for (const RegionPlan& region : chosen.regions) {
    const bool depends = has_own_variants(g.graph, region, {{"S", 1}});
    EXPECT_EQ(region.schedule.variants.size(), depends ? 3u : 1u) << region.name;
    own += depends;
  }
  EXPECT_GE(own, 2u);
  EXPECT_LT(own, chosen.regions.size());
  EXPECT_TRUE(verify_plan(g.graph, chosen));
  const auto again = parse_plan(print(chosen, g.graph), g.graph);
  ASSERT_TRUE(again);
  EXPECT_EQ(print(*again, g.graph), print(chosen, g.graph));
  // Its kernels have no dim left.
  const auto module = build_module(g.graph, chosen, target, {});
  ASSERT_TRUE(module);
  EXPECT_TRUE(std::ranges::any_of(module->kernels, [](const Kernel& kernel) { return kernel.symbols.empty() && kernel.name.find("_v") != std::string::npos; }));
  for (const int64_t rows : {1, 2, 9, 10}) {
    const std::vector<Tensor> inputs = {GraphMaker::random(DType::F32, {rows, 64}, 1), GraphMaker::random(DType::F32, {3, 5}, 2)};
    const auto plain = run_lowered(g.graph, inputs, {{"S", rows}}, [](Plan&) {});
    const auto with = run_lowered(g.graph, inputs, {{"S", rows}}, [&](Plan& plan) { plan.regions = chosen.regions; });
    ASSERT_TRUE(plain && with) << rows;
    // Sums of 64 and twice 96 terms, each of both in an order of its own, of numbers below 1.
    constexpr double kApart = 2 * (64 + 96 + 96) * 0x1p-24;
    ASSERT_EQ((*plain)[0].f.size(), (*with)[0].f.size());
    for (size_t k = 0; k < (*plain)[0].f.size(); ++k) EXPECT_NEAR((*plain)[0].f[k], (*with)[0].f[k], kApart) << rows;
    EXPECT_EQ((*plain)[1].f, (*with)[1].f) << rows;
  }
}

// All variants read weights in one form.
TEST(Points, WeightsKeepTheirForm) {
  const GraphMaker g = words();
  const Target target = *load_target("x86-64-v4");
  auto weights = [&](const std::vector<int64_t>& at) { return build_module(g.graph, plan_with(g.graph, target, at), target, {})->constants.size(); };
  EXPECT_EQ(weights({1, 3, 128}), weights({}));
}

}  // namespace
}  // namespace tenon::testing
