// The work of kernels as counted on their loops, against the formulas of the operators.
#include "../../src/driver/work.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "../../src/driver/roofline.h"
#include "../loops/cases.h"
#include "tenon/passes.h"
#include "tenon/policy.h"

namespace tenon {
namespace {

struct Total {
  double multiply_adds = 0, bytes = 0;
};

Total total(const Graph& graph, const std::string& target_name, int64_t n, const std::function<void(Plan&)>& edit = {}) {
  const auto target = load_target(target_name);
  auto plan = rules_policy(graph, *target);
  if (edit) edit(*plan);
  const auto module = build_module(graph, *plan, *target, {});
  EXPECT_TRUE(module);
  ExprPool pool = module->pool;
  Total sum;
  for (const auto& call : work_of_calls(*module, pool)) {
    EXPECT_TRUE(call);
    for (const auto& [type, number] : call->multiply_adds) {
      EXPECT_EQ(type, "f32");
      sum.multiply_adds += static_cast<double>(*pool.evaluate(number, {{pool.symbol("N"), n}}));
    }
    sum.bytes += static_cast<double>(*pool.evaluate(call->bytes, {{pool.symbol("N"), n}}));
  }
  return sum;
}

class Rows : public ::testing::TestWithParam<const char*> {};

// Row counts with and without a remainder, for register blocks of any height.
TEST_P(Rows, MatrixProduct) {
  testing::GraphMaker maker("dense");
  ValueId x = maker.input("x", {"N", "96"});
  maker.graph.pool.var(maker.graph.values[x].dims[0]).hi = 1000;
  maker.output(maker.node(Op::dot, {x, maker.constant({96, 40})}));
  for (int64_t n : {1, 7, 24, 100, 997}) {
    const Total work = total(maker.graph, GetParam(), n);
    EXPECT_EQ(work.multiply_adds, static_cast<double>(n * 96 * 40)) << n;
    EXPECT_GE(work.bytes, 4.0 * static_cast<double>(n * 96 + 96 * 40 + n * 40)) << n;
    // Packed weights are padded to whole panels, which have at most 80 lanes on these targets.
    EXPECT_LE(work.bytes, 4.0 * static_cast<double>(n * 96 + 96 * 80 + n * 40)) << n;
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, Rows, ::testing::Values("x86-64-v2", "x86-64-v3", "x86-64-v4", "aarch64"),
                         [](const auto& row) {
                           std::string name = row.param;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

// Calls of oneDNN count by their words.
TEST(Work, CallsOfALibrary) {
  auto theirs = [](Plan& plan) {
    for (RegionPlan& region : plan.regions) region.provider = Provider::OneDnn;
  };
  testing::GraphMaker conv("conv");
  const ValueId x = conv.input("x", {"2", "6", "9", "9"});
  conv.output(conv.node(Op::conv, {x, conv.constant({8, 3, 3, 3})}, conv.conv({2, 2}, {1, 1}, 2)));
  const Total convolved = total(conv.graph, "x86-64-v3", 1, theirs);
  EXPECT_EQ(convolved.multiply_adds, 2 * 8 * 5 * 5 * 3 * 3 * 3);
  EXPECT_EQ(convolved.bytes, 4 * (2 * 6 * 81 + 8 * 27 + 2 * 8 * 25));
  testing::GraphMaker dot("dot");
  dot.output(dot.node(Op::dot, {dot.input("x", {"3", "5", "24"}), dot.constant({24, 10})}));
  EXPECT_EQ(total(dot.graph, "x86-64-v3", 1, theirs).multiply_adds, 15 * 24 * 10);
}

// Blocks of 7 rows of 50, in tiles with remainders of their own, beside temporaries of one block: each product counts once.
TEST(Work, ProducersInBlocks) {
  testing::GraphMaker g("attention");
  const ValueId q = g.input("q", {"2", "50", "24"}), k = g.input("k", {"2", "24", "70"}), v = g.input("v", {"2", "70", "24"});
  const ValueId rows = g.node(Op::softmax, {g.node(Op::dot, {q, k})}, Attrs().set<Attr::axis>(2));
  g.output(g.node(Op::dot, {rows, v}));
  const Total work = total(g.graph, "x86-64-v4", 1, [](Plan& plan) {
    ASSERT_EQ(plan.regions.size(), 1U);
    ASSERT_EQ(plan.regions[0].schedule.variants.size(), 1U);
    plan.regions[0].schedule.variants[0].knobs.set(Knob::attach_block, 7);
  });
  EXPECT_EQ(work.multiply_adds, 2 * 50 * 70 * (24 + 24));
}

// Rows whose results have margins: the remainder of a line counts as what it is.
TEST(Work, RowsBesideMargins) {
  testing::GraphMaker g("margins");
  const ValueId x = g.input("x", {"1", "32", "30", "30"});
  const ValueId y = g.node(Op::conv, {x, g.constant({48, 32, 1, 1})}, g.conv({1, 1}, {0, 0}));
  g.output(g.node(Op::conv, {y, g.constant({16, 48, 3, 3})}, g.conv({1, 1}, {1, 1})));
  const Total work = total(g.graph, "x86-64-v4", 1, [&](Plan& plan) {
    for (RegionPlan& region : plan.regions) region.schedule.variants[0].knobs.set(Knob::rows, 7);
  });
  EXPECT_EQ(work.multiply_adds, 30 * 30 * (32 * 48 + 48 * 16 * 9));
}

TEST(Work, ElementwiseMovesItsOperands) {
  testing::GraphMaker maker("sum");
  ValueId x = maker.input("x", {"N", "96"});
  maker.output(maker.node(Op::add, {x, maker.constant({96})}));
  const Total work = total(maker.graph, "x86-64-v3", 50);
  EXPECT_EQ(work.multiply_adds, 0);
  EXPECT_EQ(work.bytes, 4.0 * (2 * 50 * 96 + 96));
}

TEST(Roofline, SlowerOfComputingAndMoving) {
  const Rates rates{.gflops_f32 = 100, .gops_i8 = 400, .l1_gb_per_s = 200, .l2_gb_per_s = 100, .l3_gb_per_s = 50,
                    .dram_gb_per_s = 10, .l1d_bytes = 1000, .l2_bytes = 10000, .l3_bytes = 100000};
  int64_t weights = 0;
  auto ms = [&](WorkText work, unsigned threads) { return call_cost(work, rates, {{"N", 10}}, threads, weights)->least_ms; };
  EXPECT_DOUBLE_EQ(ms({{{"f32", "1000*N"}}, "100*N", "0"}, 1), 20000 / 100e6);      // computing
  EXPECT_DOUBLE_EQ(ms({{{"f64", "1000*N"}}, "100*N", "0"}, 1), 20000 / 50e6);
  EXPECT_DOUBLE_EQ(ms({{{"i8", "1000*N"}}, "100*N", "0"}, 2), 20000 / 800e6);
  EXPECT_DOUBLE_EQ(ms({{{"f32", "1"}}, "1000*N", "0"}, 1), 10000 / 100e6);          // moving, from L2
  EXPECT_DOUBLE_EQ(ms({{}, "100000*N", "0"}, 2), 1e6 / 10e6);                       // memory is shared
  EXPECT_FALSE(call_cost({{{"f32", "M"}}, "N", "0"}, rates, {{"N", 10}}, 1, 0));
  EXPECT_DOUBLE_EQ(ms({{}, "1000*N", "800*N"}, 1), 10000 / 100e6);
  weights = 1000000;  // more than the last cache holds: a call's constants have left it since the last run
  EXPECT_DOUBLE_EQ(ms({{}, "1000*N", "800*N"}, 1), 8000 / 10e6);
}

}  // namespace
}  // namespace tenon
