// Regions of oneDNN: the words of a call mean what the region does, and what the library cannot do is refused.
#include <gtest/gtest.h>

#include "../ops/rig.h"
#include "cases.h"
#include "tenon/ops.h"
#include "tenon/provider.h"

namespace tenon::testing {
namespace {

// All nodes as one region whose last value is kept.
RegionPlan whole(const Graph& graph) {
  RegionPlan region{.name = "r", .nodes = {}, .placed = {}, .schedule = {}, .provider = Provider::OneDnn};
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    region.nodes.push_back(static_cast<int>(n));
    region.placed.emplace_back(graph.nodes[n].outputs[0], n + 1 == graph.nodes.size() ? Placement::Root : Placement::Inline);
  }
  return region;
}

// Sums of K products of values in [-1, 1] in float, then a few operations that at most double an error.
void expect_same(const GraphMaker& g, double k, const std::vector<std::pair<ValueId, Layout>>& layouts = {}) {
  const Graph& graph = g.graph;
  std::vector<Tensor> inputs;
  for (size_t i = 0; i < graph.inputs.size(); ++i) {
    std::vector<int64_t> dims;
    for (Expr d : graph.values[graph.inputs[i]].dims) dims.push_back(*graph.pool.as_int(d));
    inputs.push_back(GraphMaker::random(DType::F32, dims, i + 1));
  }
  const auto expected = evaluate(graph, inputs, {});
  ASSERT_TRUE(expected.has_value());
  const auto got = run_lowered(graph, inputs, {}, [&](Plan& plan) {
    plan.regions = {whole(graph)};
    plan.layouts = layouts;
    plan.views.clear();
    const auto fits = verify_plan(graph, plan);
    ASSERT_TRUE(fits.has_value()) << fits.error()[0].message;
    const auto again = parse_plan(print(plan, graph), graph);
    ASSERT_TRUE(again.has_value()) << again.error()[0].message;
    EXPECT_EQ(again->regions[0].provider, Provider::OneDnn);
  });
  ASSERT_TRUE(got.has_value()) << got.error()[0].message;
  for (size_t i = 0; i < (*expected)[0].f.size(); ++i) ASSERT_NEAR((*expected)[0].f[i], (*got)[0].f[i], 8 * (k + 4) * 0x1p-24) << i;
}

std::string refusal(const Graph& graph, const RegionPlan& region) {
  const auto call = onednn_call(graph, region);
  if (call) return {};
  EXPECT_EQ(call.error()[0].code, Code::E0403);
  EXPECT_FALSE(call.error()[0].hint.empty());
  return call.error()[0].message;
}

ValueId scalar(GraphMaker& g, float value) {
  return g.graph.add_constant("s" + std::to_string(g.graph.constants.size()),
                              {.type = DType::F32, .dims = {}, .bytes = Bytes::copy_of(std::as_bytes(std::span(&value, 1)))});
}

TEST(Provider, ConvolutionWithBiasResidualAndRelu) {
  GraphMaker g;
  ValueId x = g.input("x", {"2", "6", "7", "5"}), r = g.input("r", {"2", "4", "4", "3"});
  ValueId y = g.node(Op::conv, {x, g.constant({4, 3, 3, 3})}, g.conv({2, 2}, {1, 1}, 2));
  y = g.node(Op::add, {y, g.constant({4, 1, 1})});
  y = g.node(Op::add, {r, y});
  g.output(g.node(Op::max, {y, scalar(g, 0)}));
  expect_same(g, 27);
  const auto call = onednn_call(g.graph, whole(g.graph));
  ASSERT_TRUE(call.has_value());
  EXPECT_EQ(call->work_class, "grouped");
  EXPECT_EQ(call->operands.size(), 5U);  // x, weights, bias, residual, result
}

TEST(Provider, DilatedConvolutionOfARowWithBounds) {
  GraphMaker g;
  ValueId x = g.input("x", {"1", "3", "20"});
  ValueId y = g.node(Op::conv, {x, g.constant({5, 3, 3})}, g.conv({1}, {2}, 1, {2}));
  y = g.node(Op::max, {y, scalar(g, 0)});
  g.output(g.node(Op::min, {y, scalar(g, 0.5F)}));
  expect_same(g, 9);
}

TEST(Provider, DepthwiseWithSwish) {
  GraphMaker g;
  ValueId x = g.input("x", {"1", "8", "6", "6"});
  ValueId y = g.node(Op::conv, {x, g.constant({8, 1, 3, 3})}, g.conv({1, 1}, {1, 1}, 8));
  g.output(g.node(Op::mul, {y, g.node(Op::sigmoid, {y})}));
  expect_same(g, 9);
  EXPECT_EQ(onednn_call(g.graph, whole(g.graph))->work_class, "depthwise");
}

TEST(Provider, MatmulWithBiasAndGelu) {
  GraphMaker g;
  ValueId x = g.input("x", {"2", "5", "12"});
  ValueId y = g.node(Op::add, {g.constant({9}), g.node(Op::dot, {x, g.constant({12, 9})})});
  ValueId e = g.node(Op::add, {g.node(Op::erf, {g.node(Op::div, {y, scalar(g, 1.41421354F)})}), scalar(g, 1)});
  g.output(g.node(Op::mul, {g.node(Op::mul, {y, e}), scalar(g, 0.5F)}));
  expect_same(g, 12);
  EXPECT_EQ(onednn_call(g.graph, whole(g.graph))->words[1], 2);  // one matrix of all rows
}

TEST(Provider, MatmulOfAReshape) {
  GraphMaker g;
  ValueId x = g.input("x", {"3", "8", "1", "1"});
  Attrs flat;
  flat.set<Attr::dims>(g.dims({"3", "8"}));
  g.output(g.node(Op::add, {g.node(Op::dot, {g.node(Op::reshape, {x}, flat), g.constant({8, 5})}), g.constant({5})}));
  expect_same(g, 8);
}

TEST(Provider, BatchedMatmulOfTwoInputs) {
  GraphMaker g;
  ValueId a = g.input("a", {"2", "3", "4", "6"}), b = g.input("b", {"3", "6", "5"});
  g.output(g.node(Op::mul, {g.node(Op::dot, {a, b}), scalar(g, 0.125F)}));
  expect_same(g, 6);
}

TEST(Provider, LayoutsArePermutations) {
  GraphMaker g;
  ValueId x = g.node(Op::neg, {g.input("x", {"1", "4", "5", "5"})});
  ValueId y = g.node(Op::conv, {x, g.constant({3, 4, 3, 3})}, g.conv({1, 1}, {1, 1}));
  g.output(g.node(Op::neg, {y}));
  RegionPlan region{.name = "r", .nodes = {1}, .placed = {{y, Placement::Root}}, .schedule = {}, .provider = Provider::OneDnn};
  g.graph.values[x].layout = g.graph.values[y].layout = permuted({0, 2, 3, 1});
  const auto call = onednn_call(g.graph, region);
  ASSERT_TRUE(call.has_value()) << call.error()[0].message;
  const std::vector<int64_t> strides = {100, 1, 20, 4};
  const size_t at = 5 + 8 + 4;  // behind head, windows and the dims of x
  EXPECT_TRUE(std::equal(strides.begin(), strides.end(), call->words.begin() + at));
  g.graph.values[x].layout.halos = {{2, 1, 1}};
  EXPECT_NE(refusal(g.graph, region).find("layout"), std::string::npos);
}

TEST(Provider, WhatOneDnnCannotDoIsRefused) {
  {
    GraphMaker g;  // its shape is not known
    g.output(g.node(Op::dot, {g.input("x", {"N", "4"}), g.constant({4, 3})}));
    EXPECT_NE(refusal(g.graph, whole(g.graph)).find("shape"), std::string::npos);
  }
  {
    GraphMaker g;  // an operation that it does not have
    g.output(g.node(Op::sin, {g.node(Op::dot, {g.input("x", {"2", "4"}), g.constant({4, 3})})}));
    EXPECT_NE(refusal(g.graph, whole(g.graph)).find("sin"), std::string::npos);
  }
  {
    GraphMaker g;  // no product
    g.output(g.node(Op::neg, {g.input("x", {"2", "4"})}));
    EXPECT_NE(refusal(g.graph, whole(g.graph)).find("no convolution or matmul"), std::string::npos);
  }
  {
    GraphMaker g;  // two of them
    ValueId y = g.node(Op::dot, {g.input("x", {"2", "4"}), g.constant({4, 3})});
    g.output(g.node(Op::dot, {y, g.constant({3, 3})}));
    EXPECT_NE(refusal(g.graph, whole(g.graph)).find("more than one"), std::string::npos);
  }
  {
    GraphMaker g;  // an operand that the region makes
    ValueId x = g.node(Op::exp, {g.input("x", {"2", "4"})});
    g.output(g.node(Op::dot, {x, g.constant({4, 3})}));
    EXPECT_NE(refusal(g.graph, whole(g.graph)).find("which its product reads"), std::string::npos);
  }
  {
    GraphMaker g;  // a result per row
    ValueId y = g.node(Op::dot, {g.input("x", {"2", "4"}), g.constant({4, 3})});
    g.output(g.node(Op::add, {y, g.constant({2, 1})}));
    EXPECT_NE(refusal(g.graph, whole(g.graph)).find("per channel"), std::string::npos);
  }
  {
    GraphMaker g;  // doubles
    g.output(g.node(Op::dot, {g.input("x", {"2", "4"}, DType::F64), g.constant({4, 3}, DType::F64)}));
    EXPECT_NE(refusal(g.graph, whole(g.graph)).find("f64"), std::string::npos);
  }
}

}  // namespace
}  // namespace tenon::testing
