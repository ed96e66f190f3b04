// Products of bytes, of bf16, and of f32 in parts of bf16, as the rules schedule them: graph, loops and native code, the
// instructions by their C models and, where this machine has them, by themselves.
#include <limits>

#include "narrow.h"
#include "tenon/policy.h"

namespace tenon::testing {

namespace {

void check(const Net& net, const Case& c, Precision precision, double terms, bool has_instruction = true, const Knobs& forced = {}) {
  TestTarget on = target(c.target);
  if (precision == Precision::Bf16) {  // pays for every shape
    constexpr double kMuch = 1e6;
    on.l2_gb_per_s *= kMuch;
    for (Atom& atom : on.atoms)
      if (atom.a == DType::BF16) atom.gops *= kMuch;
  }
  auto plan = rules_policy(net.graph, on, precision);
  ASSERT_TRUE(plan) << plan.error()[0].message;
  for (RegionPlan& region : plan->regions)
    for (Variant& variant : region.schedule.variants)
      for (const auto& [knob, value] : forced.changed()) variant.knobs.set(knob, value);
  auto module = build_module(net.graph, *plan, on, {.verify_each = true});
  ASSERT_TRUE(module) << module.error()[0].message;
  const DType rounded = precision == Precision::Bf16 ? DType::BF16 : DType::F32;
  auto want = evaluate(net.graph, net.inputs, {.rounded = rounded});
  auto sizes = evaluate(with_magnitudes(net.graph), magnitudes(net.inputs), {.rounded = rounded});
  ASSERT_TRUE(want && sizes);
  auto loops = evaluate_host(*module, net.inputs, {}, [&](ConstantId id) { return tensor_of(net.graph.constants[id]); });
  ASSERT_TRUE(loops) << loops.error()[0].message;
  expect_close((*loops)[0], (*want)[0], (*sizes)[0], terms, "loops");
  if (::testing::Test::HasFatalFailure()) return;
  auto reparsed = parse_module(print(*module));
  ASSERT_TRUE(reparsed) << reparsed.error()[0].message;
  EXPECT_EQ(print(*reparsed), print(*module));
  std::string assembly;
  auto native = run_module(*module, net.graph, on, net.inputs, {}, &assembly);
  ASSERT_TRUE(native) << native.error()[0].message;
  expect_close((*native)[0], (*want)[0], (*sizes)[0], terms, "native");
  if (c.instruction.empty() || !has_instruction) return;
  auto code = generate_code(*module, on, {.level = 1, .keep_assembly = true});
  ASSERT_TRUE(code) << code.error()[0].message;
  EXPECT_NE(code->assembly.find(c.instruction), std::string::npos) << print(*module);
}

// Golden Cove multiplies bf16 at half of f32's rate: there it is for weights that come from memory, as it is asked for.
TEST(Bf16, RulesRoundWhereThatIsFaster) {
  auto rounded = [](const char* name, int64_t m) {
    Net net(9);
    constexpr int64_t k = 1024, n = 2048;
    net.node(Op::dot, {net.input(net.random(DType::F32, {m, k})), net.constant(net.random(DType::F32, {k, n}))});
    auto plan = rules_policy(net.graph, target(name), Precision::Bf16);
    return plan && plan->regions.at(0).precision == DType::BF16;
  };
  EXPECT_TRUE(rounded("znver5", 256));
  EXPECT_TRUE(rounded("sapphirerapids", 256));
  EXPECT_FALSE(rounded("goldencove", 256));
  EXPECT_TRUE(rounded("goldencove", 1));
}

class Halves : public OnTarget {};
INSTANTIATE_TEST_SUITE_P(On, Halves,
                         ::testing::Values(Case{"modelled:znver5", "vdpbf16ps"}, Case{"modelled:sapphirerapids", "tdpbf16ps"},
                                           Case{"znver5", "vdpbf16ps"}, Case{"sapphirerapids", "tdpbf16ps"}),
                         label);

void check_dot(const Case& c, int64_t m, int64_t n, int64_t k, bool constant) {
  SCOPED_TRACE(std::to_string(m) + " x " + std::to_string(n) + " x " + std::to_string(k) + (constant ? "" : ", two inputs"));
  Net net(1);
  ValueId x = net.input(net.random(DType::F32, {m, k}));
  const Tensor w = net.random(DType::F32, {k, n});
  net.node(Op::dot, {x, constant ? net.constant(w) : net.input(w)});
  check(net, c, Precision::Bf16, static_cast<double>(k), m >= 16 && n >= 16 && k % 8 == 0);
}

TEST_P(Halves, Dots) {
  check_dot(GetParam(), 32, 64, 64, true);
  check_dot(GetParam(), 33, 40, 96, true);
  check_dot(GetParam(), 50, 100, 72, true);
  check_dot(GetParam(), 17, 33, 31, true);
  check_dot(GetParam(), 5, 7, 3, true);
  check_dot(GetParam(), 1, 48, 40, true);
  check_dot(GetParam(), 32, 48, 64, false);
  check_dot(GetParam(), 19, 21, 33, false);
}

void check_conv(const Case& c, std::vector<int64_t> x, std::vector<int64_t> w, int64_t stride, int64_t pad, bool has_instruction = true) {
  SCOPED_TRACE(std::to_string(x[1]) + " channels of " + std::to_string(x[2]) + " x " + std::to_string(x[3]));
  Net net(2);
  ExprPool& p = net.graph.pool;
  auto both = [&](int64_t v) { return std::vector{p.index(v), p.index(v)}; };
  const ValueId in = net.images(net.random(DType::F32, {x[0], x[2], x[3], x[1]})), weights = net.constant(net.random(DType::F32, w));
  net.channels_last(net.node(Op::conv, {in, weights},
           Attrs().set<Attr::strides>(std::vector<int64_t>{stride, stride}).set<Attr::pads_begin>(both(pad)).set<Attr::pads_end>(both(pad))));
  check(net, c, Precision::Bf16, static_cast<double>(w[1] * w[2] * w[3]), has_instruction);
}

TEST_P(Halves, Convolutions) {
  check_conv(GetParam(), {1, 32, 9, 20}, {48, 32, 3, 3}, 1, 1);
  check_conv(GetParam(), {2, 64, 7, 7}, {32, 64, 3, 3}, 1, 1, false);
  check_conv(GetParam(), {1, 64, 8, 8}, {64, 64, 1, 1}, 1, 0);
  check_conv(GetParam(), {1, 3, 15, 13}, {20, 3, 5, 5}, 2, 2, false);
}

TEST_P(Halves, Batches) {
  Net net(3);
  const ValueId a = net.input(net.random(DType::F32, {3, 2, 24, 64})), b = net.input(net.random(DType::F32, {3, 2, 64, 32}));
  net.node(Op::dot, {a, b});
  check(net, GetParam(), Precision::Bf16, 64);
}

// Infinities, NaN, the largest and the smallest numbers. 0 * inf is NaN in every sum, so rows and columns hold one each.
TEST_P(Halves, Specials) {
  Net net(4);
  constexpr int64_t m = 20, n = 32, k = 64;
  Tensor a = net.random(DType::F32, {m, k}), b = net.random(DType::F32, {k, n});
  const double infinity = std::numeric_limits<double>::infinity(), most = std::numeric_limits<float>::max();
  const double special[] = {infinity, -infinity, NAN, most, -most, 0x1p-149, 0x1p-130, -0x1p-126, 0.0, -0.0};
  for (size_t s = 0; s < std::size(special); ++s) a.f[s * k + 3 * s] = special[s], b.f[(5 + s) * n + s] = special[s];
  net.node(Op::dot, {net.input(a), net.constant(b)});
  check(net, GetParam(), Precision::Bf16, k);
}

// f32 as sums of three parts of bf16. A sum of K terms takes at most K/2 + 1 roundings of the largest products in a tile and
// six for each 16 words, and the products that are left out are below 2u|a||b|: at most K + 10 units in all.
class Parts : public OnTarget {
 protected:
  void SetUp() override {
    OnTarget::SetUp();
    forced.set(Knob::matrix, 1);
    forced.set(Knob::parts, 3);
    forced.set(Knob::rows, 32);
    forced.set(Knob::vectors, 2);
  }
  Knobs forced;
};
INSTANTIATE_TEST_SUITE_P(On, Parts, ::testing::Values(Case{"modelled:sapphirerapids", "tdpbf16ps"}, Case{"sapphirerapids", "tdpbf16ps"}), label);

TEST_P(Parts, Dots) {
  for (bool constant : {true, false})
    for (auto [m, n, k] : {std::tuple<int64_t, int64_t, int64_t>{32, 64, 64}, {33, 40, 24}, {21, 19, 33}, {1, 16, 16}}) {
      SCOPED_TRACE(std::to_string(m) + " x " + std::to_string(n) + " x " + std::to_string(k) + (constant ? "" : ", two inputs"));
      Net net(7);
      const Tensor w = net.random(DType::F32, {k, n});
      const ValueId x = net.input(net.random(DType::F32, {m, k}));
      net.node(Op::dot, {x, constant ? net.constant(w) : net.input(w)});
      check(net, GetParam(), Precision::Strict, static_cast<double>(k + 10), true, forced);
      if (HasFatalFailure()) return;
    }
}

TEST_P(Parts, RulesTakeThemWhereTheyPay) {
  Net net(8);
  net.node(Op::dot, {net.input(net.random(DType::F32, {64, 64})), net.constant(net.random(DType::F32, {64, 256}))});
  check(net, GetParam(), Precision::Strict, 64 + 10);
  Net one(8);
  one.node(Op::dot, {one.input(one.random(DType::F32, {1, 64})), one.constant(one.random(DType::F32, {64, 256}))});
  auto plan = rules_policy(one.graph, target(GetParam().target));
  ASSERT_TRUE(plan);
  EXPECT_EQ(print(*plan, one.graph).find("parts"), std::string::npos);
}

TEST_P(Parts, Convolutions) {
  Net net(9);
  ExprPool& p = net.graph.pool;
  const std::vector<Expr> one{p.index(1), p.index(1)};
  const ValueId in = net.images(net.random(DType::F32, {1, 6, 19, 32})), weights = net.constant(net.random(DType::F32, {40, 32, 3, 3}));
  net.channels_last(net.node(Op::conv, {in, weights}, Attrs().set<Attr::strides>(std::vector<int64_t>{1, 1}).set<Attr::pads_begin>(one).set<Attr::pads_end>(one)));
  check(net, GetParam(), Precision::Strict, 32 * 9 + 10, true, forced);
}

// What f32 would give: infinities stay, whatever parts of 0 they meet, and the largest numbers do not overflow when they are split.
TEST_P(Parts, Specials) {
  Net net(10);
  constexpr int64_t m = 40, n = 48, k = 64;
  Tensor a = net.random(DType::F32, {m, k}), b = net.random(DType::F32, {k, n});
  for (size_t i = 0; i < a.f.size(); i += 3) a.f[i] = std::round(a.f[i]);  // numbers of one part
  for (size_t i = 0; i < b.f.size(); i += 3) b.f[i] = std::round(b.f[i]);
  const double infinity = std::numeric_limits<double>::infinity(), most = std::numeric_limits<float>::max();
  const double special[] = {infinity, -infinity, NAN, most, -most, 0x1p-149, 0x1p-130, -0x1p-126, 0.0, -0.0};
  for (size_t s = 0; s < std::size(special); ++s) a.f[s * k + 3 * s] = special[s], b.f[(40 + s) * n + s] = special[s];
  net.node(Op::dot, {net.input(a), net.constant(b)});
  check(net, GetParam(), Precision::Strict, k + 10, true, forced);
}

class Bytes : public OnTarget {};
INSTANTIATE_TEST_SUITE_P(On, Bytes, ::testing::Values(Case{"modelled:sapphirerapids", "tdpb"}, Case{"sapphirerapids", "tdpb"}), label);

TEST_P(Bytes, Dots) {
  for (DType a : {DType::U8, DType::I8})
    for (DType b : {DType::U8, DType::I8})
      for (auto [m, n, k] : {std::tuple<int64_t, int64_t, int64_t>{32, 64, 64}, {33, 40, 96}, {50, 100, 144}, {7, 20, 68}, {16, 16, 4}}) {
        SCOPED_TRACE(std::to_string(m) + " x " + std::to_string(n) + " x " + std::to_string(k));
        Net net(5);
        net.node(Op::dot, {net.input(net.random(a, {m, k})), net.constant(net.random(b, {k, n}))});
        check(net, GetParam(), Precision::Strict, 0, m >= 16 && k >= 64);
        if (HasFatalFailure()) return;
      }
}

TEST_P(Bytes, Convolutions) {
  for (auto [c, h, w, stride] : {std::tuple<int64_t, int64_t, int64_t, int64_t>{32, 9, 20, 1}, {64, 7, 7, 1}, {16, 12, 33, 2}}) {
    SCOPED_TRACE(std::to_string(c) + " channels of " + std::to_string(h) + " x " + std::to_string(w));
    Net net(6);
    ExprPool& p = net.graph.pool;
    auto both = [&](int64_t v) { return std::vector{p.index(v), p.index(v)}; };
    const ValueId in = net.images(net.random(DType::U8, {1, h, w, c})), weights = net.constant(net.random(DType::I8, {48, c, 3, 3}));
    net.channels_last(net.node(Op::conv, {in, weights}, Attrs().set<Attr::strides>(std::vector<int64_t>{stride, stride}).set<Attr::pads_begin>(both(1)).set<Attr::pads_end>(both(1))));
    check(net, GetParam(), Precision::Strict, 0, c >= 32);
    if (HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace tenon::testing
