// evaluate(graph) == evaluate(loops built from it under the rules policy), for every kind of region.
#include <gtest/gtest.h>

#include "cases.h"
#include "tenon/passes.h"
#include "tenon/policy.h"

namespace tenon::testing {
namespace {

Target small_target(int vector_bytes, int registers) {
  Target t;
  t.name = "test";
  t.vector_bytes = vector_bytes;
  t.vector_registers = registers;
  t.l2_bytes = 1 << 20;
  return t;
}

// Sums of K terms in f32 differ from float64 by at most K*u*sum|a*b|; inputs lie in [-1, 1], so K*K*u bounds
// it, and elementwise steps after it add a few roundings of values up to K.
constexpr double kUnit = 0x1p-24;

void expect_same(const Graph& graph, double k, const std::unordered_map<std::string, int64_t>& symbols = {},
                 const std::map<Knob, int64_t>& knobs = {}) {
  std::vector<Tensor> inputs;
  for (size_t i = 0; i < graph.inputs.size(); ++i) {
    std::vector<int64_t> dims;
    ExprPool::Bindings bindings;
    for (const auto& [name, value] : symbols) bindings[graph.pool.symbol_named(name)] = value;
    for (Expr d : graph.values[graph.inputs[i]].dims) dims.push_back(*graph.pool.evaluate(d, bindings));
    inputs.push_back(GraphMaker::random(graph.values[graph.inputs[i]].type, dims, i + 1));
  }
  auto expected = evaluate(graph, inputs, {});
  ASSERT_TRUE(expected) << expected.error()[0].message;
  Target words = small_target(64, 32);
  words.atoms.push_back({.name = "vpdpbusd", .a = DType::U8, .b = DType::I8, .acc = DType::I32, .lanes = 16, .k = 4});
  for (const Target& target : {small_target(16, 16), small_target(64, 32), words}) {
    auto plan = rules_policy(graph, target);
    ASSERT_TRUE(plan) << plan.error()[0].message;
    for (RegionPlan& region : plan->regions)
      for (auto [knob, value] : knobs) region.schedule.variants[0].knobs.set(knob, value);
    auto module = build_module(graph, *plan, target, {.verify_each = true});
    ASSERT_TRUE(module) << module.error()[0].message;
    std::vector<int64_t> values;
    for (Expr s : module->symbols) values.push_back(symbols.at(module->pool.var(s).name));
    auto got = evaluate_host(*module, inputs, values, [&](ConstantId c) { return tensor_of(graph.constants[c]); });
    ASSERT_TRUE(got) << got.error()[0].message << print(*module);
    for (size_t o = 0; o < expected->size(); ++o) {
      const Tensor &e = (*expected)[o], &g = (*got)[o];
      ASSERT_EQ(e.dims, g.dims);
      for (size_t i = 0; i < e.f.size(); ++i)
        ASSERT_NEAR(e.f[i], g.f[i], k * k * kUnit + 8 * kUnit * std::abs(e.f[i])) << "element " << i << "\n" << print(*module);
      ASSERT_EQ(e.i, g.i);
    }
  }
}

TEST(Lowering, Elementwise) {
  GraphMaker g;
  ValueId x = g.input("x", {"3", "5", "7"}), y = g.input("y", {"5", "1"});
  g.output(g.node(Op::mul, {g.node(Op::add, {x, y}), x}));
  expect_same(g.graph, 1);
}

TEST(Lowering, ElementwiseSymbolic) {
  GraphMaker g;
  ValueId x = g.input("x", {"B", "S", "7"}), y = g.input("y", {"7"});
  g.output(g.node(Op::sub, {x, y}));
  expect_same(g.graph, 1, {{"B", 2}, {"S", 5}});
  expect_same(g.graph, 1, {{"B", 2}, {"S", 0}});
}

TEST(Lowering, Margins) {
  auto pads = [](GraphMaker& g, std::vector<int64_t> begin, std::vector<int64_t> end) {
    std::vector<Expr> b, e;
    for (int64_t p : begin) b.push_back(g.graph.pool.index(p));
    for (int64_t p : end) e.push_back(g.graph.pool.index(p));
    Attrs a;
    a.set<Attr::pads_begin>(b).set<Attr::pads_end>(e).set<Attr::mode>("constant");
    return a;
  };
  GraphMaker g;
  ValueId x = g.input("x", {"2", "3", "30", "16"}), fill = g.constant({});
  g.output(g.node(Op::pad, {x, fill}, pads(g, {0, 1, 2, 0}, {0, 2, 1, 0})));
  g.output(g.node(Op::pad, {x, fill}, pads(g, {1, 0, 2, 0}, {0, 0, 1, 3})));
  g.output(g.node(Op::pad, {x, fill}, pads(g, {0, 1, -2, 0}, {0, -1, 1, 0})));
  expect_same(g.graph, 1);
  GraphMaker s;
  ValueId y = s.input("y", {"B", "S", "T", "16"}), none = s.constant({});
  s.output(s.node(Op::pad, {y, none}, pads(s, {0, 1, 2, 0}, {0, 2, 1, 0})));
  for (int64_t rows : {0, 1, 5})
    for (int64_t columns : {0, 1, 9}) expect_same(s.graph, 1, {{"B", 2}, {"S", rows}, {"T", columns}});
}

// Channels in half a vector of either target: pairs of columns.
TEST(Lowering, ConvOfFewChannels) {
  for (int64_t channels : {2, 8})
    for (int64_t stride : {1, 2}) {
      GraphMaker g;
      ValueId x = g.input("x", {"2", "1", "9", "12"});
      ValueId y = g.node(Op::conv, {x, g.constant({channels, 1, 5, 5})}, g.conv({1, stride}, {2, 2}));
      g.output(g.node(Op::window_max, {g.node(Op::add, {y, g.constant({channels, 1, 1})})}, Attrs().set<Attr::kernel>({2, 2})));
      expect_same(g.graph, 25);
    }
}

TEST(Lowering, DotOfBytes) {
  for (DType right : {DType::U8, DType::I8})
    for (const char* k : {"16", "18", "K"}) {
      GraphMaker g;
      ValueId x = g.input("x", {"3", "S", k}, DType::U8), y = g.input("y", {"3", k, "20"}, right), z = g.input("z", {"3", "20", k}, right);
      ValueId turned = g.node(Op::transpose, {z}, Attrs().set<Attr::perm>({0, 2, 1}));
      g.output(g.node(Op::dot, {x, y}));
      g.output(g.node(Op::dot, {x, turned}));
      for (int64_t rows : {1, 11}) expect_same(g.graph, 1, {{"S", rows}, {"K", 12}});
    }
}

// Vectors run along rows that are shorter than they are and along the axis around those.
TEST(Lowering, ShortRows) {
  for (const char* few : {"2", "3", "4", "5", "7"})
    for (int64_t steps : {1, 21}) {
      GraphMaker g;
      ValueId x = g.input("x", {"B", "S", few}), y = g.input("y", {"B", "S", "1"});
      Attrs axis;
      axis.set<Attr::axis>(2);
      ValueId z = g.node(Op::concat, {g.node(Op::sub, {x, y}), g.node(Op::mul, {x, y})}, axis);
      g.output(g.node(Op::softmax, {z}, axis));
      expect_same(g.graph, 14, {{"B", 2}, {"S", steps}}, {{Knob::lanes, 3}, {Knob::attach, 0}});
    }
}

TEST(Lowering, DotWithConstantAndEpilogue) {
  GraphMaker g;
  ValueId x = g.input("x", {"B", "S", "20"});
  ValueId y = g.node(Op::add, {g.node(Op::dot, {x, g.constant({20, 35})}), g.constant({35})});
  g.output(g.node(Op::max, {y, g.node(Op::neg, {y})}));
  expect_same(g.graph, 20, {{"B", 2}, {"S", 7}});
  expect_same(g.graph, 20, {{"B", 1}, {"S", 1}});
}

// Every rest of a row block, and several blocks.
TEST(Lowering, DotWithEveryNumberOfRows) {
  GraphMaker g;
  ValueId x = g.input("x", {"S", "6"});
  g.output(g.node(Op::dot, {x, g.constant({6, 35})}));
  for (int64_t rows = 0; rows < 28; ++rows) expect_same(g.graph, 6, {{"S", rows}});
}

// What a schedule may ask for changes no result: rows in cache blocks, sums in parts, unrolled, read ahead.
TEST(Lowering, DotUnderEveryKnob) {
  GraphMaker g;
  ValueId x = g.input("x", {"S", "38"});
  ValueId y = g.node(Op::dot, {x, g.constant({38, 70})});
  g.output(g.node(Op::add, {y, g.constant({70})}));
  const std::map<Knob, int64_t> cases[] = {
      {{Knob::row_block, 8}, {Knob::rows, 3}}, {{Knob::k_block, 10}}, {{Knob::unroll, 4}}, {{Knob::k_block, 12}, {Knob::unroll, 5}},
      {{Knob::prefetch, 1}}, {{Knob::prefetch, 1}, {Knob::row_block, 4}, {Knob::rows, 2}, {Knob::order, 0}},
      {{Knob::results_ahead, 1}, {Knob::rows, 2}}, {{Knob::order, 1}, {Knob::row_block, 6}}, {{Knob::lanes, 1}}, {{Knob::parallel, 0}}, {{Knob::width, 2}, {Knob::vectors, 3}}};
  for (const auto& knobs : cases)
    for (int64_t rows : {0, 1, 7, 25}) expect_same(g.graph, 38, {{"S", rows}}, knobs);
}

TEST(Lowering, DotOfTwoInputsUnderPackB) {
  GraphMaker g;
  ValueId x = g.input("x", {"5", "7"}), y = g.input("y", {"7", "19"});
  g.output(g.node(Op::dot, {x, y}));
  for (int64_t pack : {0, 1, 2}) expect_same(g.graph, 7, {}, {{Knob::pack_b, pack}});
}

TEST(Lowering, DotOfTwoInputsTransposed) {
  GraphMaker g;
  ValueId q = g.input("q", {"B", "S", "24"}), k = g.input("k", {"B", "T", "24"});
  auto heads = [&](ValueId v, const char* n) {
    Attrs r, t;
    r.set<Attr::dims>(g.dims({"B", n, "3", "8"}));
    t.set<Attr::perm>({0, 2, 1, 3});
    return g.node(Op::transpose, {g.node(Op::reshape, {v}, r)}, t);
  };
  Attrs t;
  t.set<Attr::perm>({0, 1, 3, 2});
  g.output(g.node(Op::dot, {heads(q, "S"), g.node(Op::transpose, {heads(k, "T")}, t)}));
  expect_same(g.graph, 8, {{"B", 2}, {"S", 6}, {"T", 9}});
}

struct ConvCase {
  const char* name;
  std::vector<const char*> x;
  std::vector<int64_t> w, strides, pads, dilations;
  int64_t groups;
};

class ConvLowering : public ::testing::TestWithParam<ConvCase> {};

// Between two elementwise nodes, so that its values may be channels last.
TEST_P(ConvLowering, MatchesReference) {
  const ConvCase& c = GetParam();
  GraphMaker g;
  ValueId x = g.input("x", c.x);
  ValueId first = g.node(Op::neg, {x});
  ValueId y = g.node(Op::conv, {first, g.constant(c.w)}, g.conv(c.strides, c.pads, c.groups, c.dilations));
  std::vector<int64_t> bias(c.w.size() - 1, 1);
  bias[0] = c.w[0];
  ValueId z = g.node(Op::add, {y, g.constant(bias)});
  g.output(g.node(Op::conv, {z, g.constant({5, c.w[0], 1, 1})}, g.conv({1, 1}, {0, 0})));
  double k = static_cast<double>(c.w[1] * c.w[2] * c.w[3] * c.w[0]);
  expect_same(g.graph, k, {{"N", 2}, {"H", 6}});
}

INSTANTIATE_TEST_SUITE_P(
    Cases, ConvLowering,
    ::testing::Values(ConvCase{"pointwise", {"1", "6", "5", "5"}, {9, 6, 1, 1}, {1, 1}, {0, 0}, {}, 1},
                      ConvCase{"padded", {"1", "4", "7", "7"}, {20, 4, 3, 3}, {1, 1}, {1, 1}, {}, 1},
                      ConvCase{"strided", {"2", "3", "9", "8"}, {17, 3, 3, 3}, {2, 2}, {1, 1}, {}, 1},
                      ConvCase{"dilated", {"1", "3", "9", "9"}, {4, 3, 3, 3}, {1, 1}, {2, 2}, {2, 2}, 1},
                      ConvCase{"taps_in_padding", {"1", "40", "9", "9"}, {4, 40, 3, 3}, {1, 1}, {4, 4}, {4, 4}, 1},
                      ConvCase{"strided_taps_in_padding", {"1", "40", "7", "8"}, {8, 40, 5, 5}, {2, 2}, {2, 2}, {}, 1},
                      ConvCase{"more_padding_than_map", {"1", "40", "3", "3"}, {4, 40, 3, 3}, {1, 1}, {7, 7}, {2, 2}, 1},
                      ConvCase{"symbolic_taps_in_padding", {"N", "40", "H", "5"}, {7, 40, 3, 3}, {1, 1}, {3, 3}, {3, 3}, 1},
                      ConvCase{"grouped", {"1", "6", "5", "5"}, {8, 3, 3, 3}, {1, 1}, {1, 1}, {}, 2},
                      ConvCase{"depthwise", {"1", "18", "6", "6"}, {18, 1, 3, 3}, {1, 1}, {1, 1}, {}, 18},
                      ConvCase{"symbolic", {"N", "3", "H", "5"}, {7, 3, 3, 3}, {1, 1}, {1, 1}, {}, 1}),
    [](const auto& test) { return test.param.name; });

TEST(Lowering, DynamicWeights) {
  GraphMaker g;
  ValueId x = g.input("x", {"1", "3", "6", "6"}), w = g.input("w", {"5", "3", "3", "3"});
  g.output(g.node(Op::conv, {x, w}, g.conv({1, 1}, {1, 1})));
  expect_same(g.graph, 27);
}

TEST(Lowering, SoftmaxWithProducerAndEpilogue) {
  GraphMaker g;
  ValueId x = g.input("x", {"B", "5", "S"});
  Attrs a;
  a.set<Attr::axis>(2);
  ValueId scaled = g.node(Op::exp, {g.node(Op::mul, {x, g.constant({1})})});
  g.output(g.node(Op::neg, {g.node(Op::softmax, {scaled}, a)}));
  expect_same(g.graph, 40, {{"B", 2}, {"S", 37}});
}

TEST(Lowering, MovementOnly) {
  GraphMaker g;
  ValueId x = g.input("x", {"4", "6", "5"});
  Attrs t, r;
  t.set<Attr::perm>({2, 0, 1});
  r.set<Attr::dims>(g.dims({"20", "6"}));
  g.output(g.node(Op::reshape, {g.node(Op::transpose, {x}, t)}, r));
  expect_same(g.graph, 1);
}

TEST(Lowering, WindowMax) {
  GraphMaker g;
  ValueId x = g.input("x", {"1", "10", "9", "9"});
  Attrs a = g.conv({2, 2}, {1, 1});
  a.erase(Attr::groups);
  a.set<Attr::kernel>({3, 3});
  g.output(g.node(Op::neg, {g.node(Op::window_max, {g.node(Op::neg, {x})}, a)}));
  expect_same(g.graph, 1);
}

TEST(Lowering, OutputsThatAreViewsInputsAndConstants) {
  GraphMaker g;
  ValueId x = g.input("x", {"4", "6"});
  Attrs r;
  r.set<Attr::dims>(g.dims({"24"}));
  g.output(g.node(Op::reshape, {x}, r));
  g.output(x);
  g.output(g.constant({3, 2}));
  expect_same(g.graph, 1);
}

TEST(Lowering, EmptyTensors) {
  GraphMaker g;
  ValueId x = g.input("x", {"0", "3"});
  g.output(g.node(Op::neg, {x}));
  g.output(g.node(Op::dot, {x, g.constant({3, 4})}));
  expect_same(g.graph, 3);
}

TEST(Lowering, GroupsThatAreNoMultipleOfTheVector) {
  GraphMaker g;
  ValueId x = g.node(Op::neg, {g.input("x", {"1", "12", "1", "40"})});
  ValueId y = g.node(Op::conv, {x, g.constant({12, 6, 1, 9})}, g.conv({1, 1}, {0, 4}, 2));
  g.output(g.node(Op::neg, {y}));
  expect_same(g.graph, 54);
}

}  // namespace
}  // namespace tenon::testing
