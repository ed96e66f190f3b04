// Convolutions by Winograd's F(2,3) and F(4,3): graph, loops and native code against each other, within the bound that verify
// derives; which convolutions they fit; and what --precision makes of a plan.
#include <cmath>

#include "../llvm/net.h"
#include "tenon/plan.h"
#include "tenon/policy.h"
#include "tenon/winograd.h"

namespace tenon {

namespace {

struct Shape {
  int64_t n = 1, c = 8, height = 8, width = 8, o = 16, pad = 1;
  friend void PrintTo(const Shape& s, std::ostream* out) {
    *out << s.n << " x " << s.c << " x " << s.height << " x " << s.width << " to " << s.o << ", padding " << s.pad;
  }
};

class Net : public testing::Net {
 public:
  using testing::Net::Net;
  Tensor random(std::vector<int64_t> dims) { return testing::Net::random(DType::F32, std::move(dims)); }
  ValueId images(std::vector<int64_t> dims) { return testing::Net::images(random(std::move(dims))); }
  ValueId conv(const Shape& s, ValueId x) {
    auto both = std::vector{graph.pool.index(s.pad), graph.pool.index(s.pad)};
    return node(Op::conv, {x, constant(random({s.o, s.c, 3, 3}))}, Attrs().set<Attr::pads_begin>(both).set<Attr::pads_end>(both));
  }
};

// How it is computed: Knob::winograd, and rows of tiles at a time; 0: in turn.
struct How {
  int64_t m = 2, block = 0;
};

bool has_conv(const Graph& graph, const RegionPlan& region) {
  return std::ranges::any_of(region.nodes, [&](int n) { return graph.nodes[static_cast<size_t>(n)].op == Op::conv; });
}

Plan planned(const Net& net, const Target& on, const How& how) {
  auto plan = rules_policy(net.graph, on);
  EXPECT_TRUE(plan) << plan.error()[0].message;
  for (RegionPlan& region : plan->regions)
    for (Variant& variant : region.schedule.variants) {
      if (!has_conv(net.graph, region)) continue;
      variant.knobs.set(Knob::winograd, how.m);
      variant.knobs.set(Knob::attach, how.block > 0 ? 2 : 0);
      variant.knobs.set(Knob::attach_block, how.block);
      variant.knobs.set(Knob::matrix, 0);
      variant.knobs.set(Knob::parts, 1);
    }
  return std::move(*plan);
}

// |result - reference| as verify allows it: the bounds of all nodes, one after the other.
Tensor allowed(const Net& net, int64_t m, Tensor& want) {
  std::map<ValueId, Tensor> errors;
  EvalOptions options;
  options.observe = [&](const EvalInput& in, std::span<Tensor> values) {
    std::vector<const Tensor*> before;
    for (ValueId v : in.node.inputs) before.push_back(errors.contains(v) ? &errors.at(v) : nullptr);
    std::vector<Tensor> bounds = error_bounds({.eval = in, .errors = before, .results = values, .winograd = m});
    for (size_t k = 0; k < values.size(); ++k)
      if (std::ranges::any_of(bounds[k].f, [](double e) { return e != 0; })) errors[in.node.outputs[k]] = std::move(bounds[k]);
  };
  auto results = evaluate(net.graph, net.inputs, options);
  EXPECT_TRUE(results) << results.error()[0].message;
  want = (*results)[0];
  return errors.at(net.graph.outputs[0]);
}

double largest_ratio(const Tensor& got, const Tensor& want, const Tensor& bound) {
  EXPECT_EQ(got.dims, want.dims);
  double most = 0;
  for (size_t k = 0; k < want.f.size(); ++k) {
    const double error = std::abs(got.f[k] - want.f[k]);
    most = std::max(most, std::isnan(error) ? INFINITY : error / bound.f[k]);
  }
  return most;
}

void check(const Net& net, const How& how, const std::string& on_name = "native") {
  SCOPED_TRACE("F(" + std::to_string(how.m) + ",3), " + std::to_string(how.block) + " rows of tiles, " + on_name);
  const TestTarget on = target(on_name);
  const Plan plan = planned(net, on, how);
  auto module = build_module(net.graph, plan, on, {.verify_each = true});
  ASSERT_TRUE(module) << module.error()[0].message;
  const std::string text = print(*module);
  ASSERT_NE(text.find(" winograd " + std::to_string(how.m) + " layout"), std::string::npos) << text;
  auto reparsed = parse_module(text);
  ASSERT_TRUE(reparsed) << reparsed.error()[0].message;
  EXPECT_EQ(print(*reparsed), text);

  Tensor want;
  const Tensor bound = allowed(net, how.m, want);
  auto loops = evaluate_host(*module, net.inputs, {}, [&](ConstantId id) { return tensor_of(net.graph.constants[id]); });
  ASSERT_TRUE(loops) << loops.error()[0].message;
  ASSERT_LE(largest_ratio((*loops)[0], want, bound), 1) << "loops";
  auto native = run_module(*module, net.graph, on, net.inputs, {});
  ASSERT_TRUE(native) << native.error()[0].message;
  ASSERT_LE(largest_ratio((*native)[0], want, bound), 1) << "native";
}

Net one(const Shape& s, unsigned seed = 1) {
  Net net(seed);
  net.channels_last(net.conv(s, net.images({s.n, s.height, s.width, s.c})));
  return net;
}

TEST(Winograd, OneConvolution) {
  for (int64_t m : {2, 4})
    for (int64_t block : {0, 1, 2, 3}) check(one({}), {m, block});
}

// Maps that tiles do not divide, smaller than a tile, of one row; channels that vectors do not divide.
TEST(Winograd, Tails) {
  for (const Shape& s : {Shape{.height = 7, .width = 7}, Shape{.height = 13, .width = 17}, Shape{.height = 14, .width = 9},
                         Shape{.height = 35, .width = 6}, Shape{.height = 3, .width = 3}, Shape{.height = 2, .width = 11},
                         Shape{.c = 5, .height = 9, .width = 10, .o = 7}, Shape{.c = 17, .height = 6, .width = 5, .o = 33}}) {
    SCOPED_TRACE(::testing::PrintToString(s));
    for (int64_t m : {2, 4})
      for (int64_t block : {0, 2}) check(one(s), {m, block});
  }
}

TEST(Winograd, PaddingAndBatches) {
  for (int64_t pad : {0, 1, 2})
    for (int64_t n : {1, 3}) {
      const Shape s{.n = n, .height = 10, .width = 12, .pad = pad};
      SCOPED_TRACE(::testing::PrintToString(s));
      for (int64_t m : {2, 4})
        for (int64_t block : {0, 2}) check(one(s), {m, block});
    }
}

// Bias, residual and activation stay in the kernel that transforms back.
TEST(Winograd, Epilogues) {
  for (int64_t m : {2, 4})
    for (int64_t block : {0, 2}) {
      const Shape s{.n = 2, .c = 6, .height = 11, .width = 9, .o = 20};
      Net net(3);
      const ValueId x = net.images({s.n, s.height, s.width, s.c}), residual = net.images({s.n, s.height, s.width, s.o});
      const ValueId biased = net.node(Op::add, {net.conv(s, x), net.constant(net.random({1, s.o, 1, 1}))});
      const ValueId sum = net.node(Op::add, {biased, residual});
      net.channels_last(net.node(Op::max, {sum, net.constant(Tensor::zeros(DType::F32, {}))}));
      check(net, {m, block});
    }
}

// An epilogue that chooses by the result reads the sums once, not under a guard for each choice.
TEST(Winograd, EpilogueThatChooses) {
  for (int64_t m : {2, 4}) {
    const Shape s{.c = 6, .height = 10, .width = 9, .o = 20};
    Net net(8);
    const ValueId y = net.conv(s, net.images({s.n, s.height, s.width, s.c}));
    const ValueId zero = net.constant(Tensor::zeros(DType::F32, {}));
    const ValueId slope = net.node(Op::mul, {y, net.constant(net.random({1, s.o, 1, 1}))});
    net.channels_last(net.node(Op::select, {net.node(Op::less, {y, zero}), slope, y}));
    check(net, {m, 1});
    const TestTarget on = target("x86-64-v3");
    auto module = build_module(net.graph, planned(net, on, {m, 1}), on, {});
    ASSERT_TRUE(module) << module.error()[0].message;
    EXPECT_NE(print(*module).find("custom y0 = 0:f32"), std::string::npos) << print(*module);
  }
}

// One region after the other, with what lies between them in the layout of inner values.
TEST(Winograd, TwoInARow) {
  for (int64_t m : {2, 4}) {
    Net net(4);
    const ValueId x = net.images({1, 12, 12, 8});
    const ValueId middle = net.node(Op::max, {net.conv({.o = 24}, x), net.constant(Tensor::zeros(DType::F32, {}))});
    net.channels_last(net.conv({.c = 24, .o = 16}, middle));
    check(net, {m, 1});
  }
}

TEST(Winograd, RandomShapes) {
  std::mt19937 rng(7);
  auto pick = [&](int64_t lo, int64_t hi) { return std::uniform_int_distribution<int64_t>(lo, hi)(rng); };
  for (unsigned k = 0; k < 10; ++k) {
    const Shape s{.n = pick(1, 2), .c = pick(2, 20), .height = pick(4, 19), .width = pick(4, 19), .o = pick(2, 40), .pad = pick(0, 2)};
    SCOPED_TRACE(::testing::PrintToString(s));
    check(one(s, k), {pick(0, 1) ? 2 : 4, pick(0, 3)}, pick(0, 1) ? "native" : "x86-64-v3");
  }
}

// The bound is sharp enough to see one wrong channel, and what is computed errs: it is no copy of the direct sum.
TEST(Winograd, BoundSeesAWrongTerm) {
  const Net net = one({.c = 16, .height = 12, .width = 12});
  for (int64_t m : {2, 4}) {
    Tensor want;
    const Tensor bound = allowed(net, m, want);
    const TestTarget on = target("native");
    auto module = build_module(net.graph, planned(net, on, {m, 1}), on, {});
    ASSERT_TRUE(module) << module.error()[0].message;
    auto got = run_module(*module, net.graph, on, net.inputs, {});
    ASSERT_TRUE(got) << got.error()[0].message;
    const double ratio = largest_ratio((*got)[0], want, bound);
    EXPECT_GT(ratio, 1e-4) << m;
    EXPECT_LT(ratio, 0.5) << m;
    for (double b : bound.f) EXPECT_LT(b, 0.05) << m;  // a term is of size 0.3
  }
}

// The transforms are what they should be, in exact arithmetic: one tile against the sum itself.
TEST(Winograd, Matrices) {
  std::mt19937 rng(1);
  std::uniform_int_distribution<int> whole(-8, 8);
  for (int64_t m : {2, 4}) {
    const WinogradTransform& t = winograd_transform(m);
    const auto n = static_cast<size_t>(t.points);
    double x[6], w[3], v[6], u[6];
    for (double& e : x) e = whole(rng);
    for (double& e : w) e = whole(rng);
    for (size_t i = 0; i < n; ++i) {
      v[i] = u[i] = 0;
      for (size_t k = 0; k < n; ++k) v[i] += t.input[i * n + k] * x[k];
      for (size_t k = 0; k < 3; ++k) u[i] += t.weights[i * 3 + k] * w[k];
    }
    for (size_t i = 0; i < static_cast<size_t>(m); ++i) {
      double y = 0;
      for (size_t k = 0; k < n; ++k) y += t.output[i * n + k] * u[k] * v[k];
      EXPECT_NEAR(y, x[i] * w[0] + x[i + 1] * w[1] + x[i + 2] * w[2], 1e-11);
    }
  }
}

// --- what fits ---------------------------------------------------------------------------------------

bool fits_some(const Net& net) {
  const TestTarget on = target("x86-64-v3");
  auto plan = rules_policy(net.graph, on);
  EXPECT_TRUE(plan);
  Graph graph = net.graph;
  for (const RegionPlan& region_plan : plan->regions) {
    auto region = build_region(graph, region_plan);
    EXPECT_TRUE(region);
    for (const Statement& s : region->statements)
      if (match_winograd(graph, *region, s)) return true;
  }
  return false;
}

TEST(Winograd, OnlyWhatFits) {
  EXPECT_TRUE(fits_some(one({})));
  auto conv = [](std::vector<int64_t> w, Attrs attrs, bool constant = true) {
    Net net(5);
    const ValueId x = net.images({1, 9, 9, 8});
    const Tensor weights = net.random(std::move(w));
    net.channels_last(net.node(Op::conv, {x, constant ? net.constant(weights) : net.input(weights)}, std::move(attrs)));
    return fits_some(net);
  };
  const std::vector<int64_t> two = {2, 2};
  EXPECT_TRUE(conv({16, 8, 3, 3}, {}));
  EXPECT_FALSE(conv({16, 8, 3, 3}, {}, false));
  EXPECT_FALSE(conv({16, 8, 3, 3}, Attrs().set<Attr::strides>(two)));
  EXPECT_FALSE(conv({16, 8, 3, 3}, Attrs().set<Attr::dilations>(two)));
  EXPECT_FALSE(conv({16, 8, 5, 5}, {}));
  EXPECT_FALSE(conv({16, 8, 3, 1}, {}));
  EXPECT_FALSE(conv({16, 4, 3, 3}, Attrs().set<Attr::groups>(2)));
  EXPECT_FALSE(conv({8, 1, 3, 3}, Attrs().set<Attr::groups>(8)));
}

TEST(Winograd, RefusedWhereNothingFits) {
  Net net(6);
  const std::vector<int64_t> two = {2, 2};
  net.channels_last(net.node(Op::conv, {net.images({1, 9, 9, 8}), net.constant(net.random({16, 8, 3, 3}))}, Attrs().set<Attr::strides>(two)));
  const TestTarget on = target("x86-64-v3");
  auto module = build_module(net.graph, planned(net, on, {2, 0}), on, {});
  ASSERT_FALSE(module);
  EXPECT_EQ(module.error()[0].code, Code::E0403);
  auto other = build_module(one({}).graph, planned(one({}), on, {3, 0}), on, {});
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error()[0].code, Code::E0403);
}

// --- rules ---------------------------------------------------------------------------------------------

int64_t chosen(const Shape& s, Precision precision) {
  const Net net = one(s);
  auto plan = rules_policy(net.graph, target("x86-64-v4"), precision);
  EXPECT_TRUE(plan);
  for (const RegionPlan& region : plan->regions)
    if (has_conv(net.graph, region)) return region.schedule.variants.back().knobs[Knob::winograd];
  return -1;
}

TEST(Winograd, RulesAskForItWhereItPays) {
  const Shape large{.c = 128, .height = 56, .width = 56, .o = 128}, narrow{.c = 3, .height = 56, .width = 56, .o = 16},
      small{.c = 64, .height = 3, .width = 3, .o = 64};
  EXPECT_EQ(chosen(large, Precision::Strict), 0);
  EXPECT_EQ(chosen(large, Precision::Fast), 4);
  EXPECT_EQ(chosen(narrow, Precision::Fast), 0);
  EXPECT_EQ(chosen(small, Precision::Fast), 0);
}

}  // namespace
}  // namespace tenon
