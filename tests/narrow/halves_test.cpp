// Products of f16, stored so and summed in f32 or, by blocks, in f16: graph, loops and native code, the instruction by its C
// model and, where this machine has it, by itself; and what --precision fp16 makes of a plan.
#include "narrow.h"
#include "tenon/narrow_float.h"
#include "tenon/policy.h"

namespace tenon::testing {

namespace {

constexpr double kRoundoff = 0x1p-11;

// A plan with all its products as f16.
Plan plan_of(const Net& net, const TestTarget& on, int64_t halves, int64_t k_block) {
  auto plan = rules_policy(net.graph, on);
  EXPECT_TRUE(plan);
  for (RegionPlan& region : plan->regions) {
    region.precision = DType::F16;
    for (Variant& variant : region.schedule.variants) {
      variant.knobs.set(Knob::halves, halves);
      variant.knobs.set(Knob::k_block, k_block);
      variant.knobs.set(Knob::ahead, 0);
    }
  }
  EXPECT_TRUE(verify_plan(net.graph, *plan));
  return std::move(*plan);
}

// Sums of `terms` products, `block` of them in f16 (0: none), in two halves that are added: each step rounds by at most u times a sum of
// magnitudes, which the roundings before make (1 + u)^steps times as large, or by half a step of 2^-24. The totals in f32 are as everywhere.
void check(const Net& net, const Case& c, double terms, int64_t block, bool has_instruction = true) {
  const TestTarget on = target(c.target);
  const Plan plan = plan_of(net, on, block > 0, block);
  auto module = build_module(net.graph, plan, on, {.verify_each = true});
  ASSERT_TRUE(module) << module.error()[0].message;
  auto want = evaluate(net.graph, net.inputs, {.rounded = DType::F16});
  auto sizes = evaluate(with_magnitudes(net.graph), magnitudes(net.inputs), {.rounded = DType::F16});
  ASSERT_TRUE(want && sizes);
  auto loops = evaluate_host(*module, net.inputs, {}, [&](ConstantId id) { return tensor_of(net.graph.constants[id]); });
  ASSERT_TRUE(loops) << loops.error()[0].message;
  const double steps = block > 0 ? std::ceil(static_cast<double>(block) / 2) + 1 : 0;
  const double relative = steps * kRoundoff * std::pow(1 + kRoundoff, steps) + terms * 0x1p-24;
  for (size_t k = 0; k < (*want)[0].f.size(); ++k)
    ASSERT_NEAR((*loops)[0].f[k], (*want)[0].f[k], relative * (*sizes)[0].f[k] + 2 * terms * 0x1p-25) << "element " << k << '\n' << print(*module);
  auto reparsed = parse_module(print(*module));
  ASSERT_TRUE(reparsed) << reparsed.error()[0].message;
  EXPECT_EQ(print(*reparsed), print(*module));
  auto native = run_module(*module, net.graph, on, net.inputs, {});
  ASSERT_TRUE(native) << native.error()[0].message;
  // The loops say which steps are rounded, and so the code differs by its totals in f32 alone.
  expect_close((*native)[0], (*loops)[0], (*sizes)[0], terms, "native");
  if (block == 0 || !has_instruction) return;
  auto code = generate_code(*module, on, {.level = 1, .keep_assembly = true});
  ASSERT_TRUE(code) << code.error()[0].message;
  EXPECT_NE(code->assembly.find(c.instruction), std::string::npos) << print(*module);
}

class HalfSums : public OnTarget {};
INSTANTIATE_TEST_SUITE_P(On, HalfSums, ::testing::Values(Case{"modelled:goldencove", "231ph"}, Case{"goldencove", "231ph"}), label);

void check_dot(const Case& c, int64_t m, int64_t n, int64_t k, bool constant, int64_t block) {
  SCOPED_TRACE(std::to_string(m) + " x " + std::to_string(n) + " x " + std::to_string(k) + (constant ? "" : ", two inputs") + " by " + std::to_string(block));
  Net net(1);
  ValueId x = net.input(net.random(DType::F32, {m, k}));
  const Tensor w = net.random(DType::F32, {k, n});
  net.node(Op::dot, {x, constant ? net.constant(w) : net.input(w)});
  check(net, c, static_cast<double>(k), block, m >= 16 && n >= 64);
}

TEST_P(HalfSums, Dots) {
  for (int64_t block : {32, 64}) {
    check_dot(GetParam(), 32, 128, 64, true, block);
    check_dot(GetParam(), 33, 80, 96, true, block);
    check_dot(GetParam(), 17, 113, 31, true, block);
    check_dot(GetParam(), 5, 7, 3, true, block);
    check_dot(GetParam(), 1, 48, 40, true, block);
    check_dot(GetParam(), 32, 64, 72, false, block);
    check_dot(GetParam(), 19, 21, 33, false, block);
  }
}

void check_conv(const Case& c, DType type, std::vector<int64_t> x, std::vector<int64_t> w, int64_t stride, int64_t pad) {
  SCOPED_TRACE(std::to_string(x[1]) + " channels of " + std::to_string(x[2]) + " x " + std::to_string(x[3]));
  Net net(2);
  ExprPool& p = net.graph.pool;
  auto both = [&](int64_t v) { return std::vector{p.index(v), p.index(v)}; };
  const ValueId in = net.images(net.random(type, {x[0], x[2], x[3], x[1]})), weights = net.constant(net.random(type, w));
  ValueId out = net.node(Op::conv, {in, weights},
                         Attrs().set<Attr::strides>(std::vector<int64_t>{stride, stride}).set<Attr::pads_begin>(both(pad)).set<Attr::pads_end>(both(pad)));
  net.channels_last(out);
  check(net, c, static_cast<double>(w[1] * w[2] * w[3]), 64);
}

TEST_P(HalfSums, Convolutions) {
  check_conv(GetParam(), DType::F32, {1, 32, 9, 20}, {96, 32, 3, 3}, 1, 1);
  check_conv(GetParam(), DType::F32, {1, 64, 8, 8}, {64, 64, 1, 1}, 1, 0);
  check_conv(GetParam(), DType::F32, {1, 3, 15, 13}, {64, 3, 5, 5}, 2, 2);
}

TEST_P(HalfSums, Batches) {
  Net net(3);
  const ValueId a = net.input(net.random(DType::F32, {3, 2, 24, 64})), b = net.input(net.random(DType::F32, {3, 2, 64, 64}));
  net.node(Op::dot, {a, b});
  check(net, GetParam(), 64, 64);
}

// What f16 does not hold becomes infinite, and sums of small numbers keep its steps of 2^-24.
TEST_P(HalfSums, Range) {
  Net net(4);
  constexpr int64_t m = 20, n = 64, k = 64;
  Tensor a = net.random(DType::F32, {m, k}), b = net.random(DType::F32, {k, n});
  for (int64_t i = 0; i < k; ++i) a.f[i] *= 0x1p-13;
  for (int64_t i = 0; i < k; ++i) a.f[k + i] = 1000;
  for (int64_t i = 0; i < k; ++i) b.f[i * n] = 1000;
  net.node(Op::dot, {net.input(a), net.constant(b)});
  const TestTarget on = target(GetParam().target);
  auto module = build_module(net.graph, plan_of(net, on, 1, 64), on, {.verify_each = true});
  ASSERT_TRUE(module) << module.error()[0].message;
  auto loops = evaluate_host(*module, net.inputs, {}, [&](ConstantId id) { return tensor_of(net.graph.constants[id]); });
  auto native = run_module(*module, net.graph, on, net.inputs, {});
  ASSERT_TRUE(loops && native);
  EXPECT_EQ((*native)[0].f[n], std::numeric_limits<double>::infinity());
  EXPECT_EQ((*native)[0].f, (*loops)[0].f);
}

class Stored : public ::testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(On, Stored, ::testing::Values(Case{"modelled:x86-64-v4"}, Case{"modelled:sapphirerapids"}), label);

// Only constants are rounded: operands that f16 holds make the reference the same.
TEST_P(Stored, ConstantsAreWidenedAsTheyAreRead) {
  for (auto [m, n, k] : {std::tuple<int64_t, int64_t, int64_t>{1, 128, 64}, {7, 80, 33}, {40, 19, 64}}) {
    Net net(5);
    Tensor x = net.random(DType::F32, {m, k});
    for (double& v : x.f) v = round_to(DType::F16, v);
    net.node(Op::dot, {net.input(std::move(x)), net.constant(net.random(DType::F32, {k, n}))});
    check(net, GetParam(), static_cast<double>(k), 0);
  }
}

struct Shape {
  int64_t m, n, k;
};

const RegionPlan& only(const Plan& plan) {
  EXPECT_EQ(plan.regions.size(), 1U);
  return plan.regions[0];
}

Plan rules(const Shape& s, const char* name, double scale = 1, bool constant = true) {
  Net net(6);
  Tensor w = net.random(DType::F32, {s.k, s.n});
  w.f[5] = scale;
  net.node(Op::dot, {net.input(net.random(DType::F32, {s.m, s.k})), constant ? net.constant(w) : net.input(w)});
  auto plan = rules_policy(net.graph, target(name), Precision::Fp16);
  EXPECT_TRUE(plan);
  return std::move(*plan);
}

TEST(Fp16, RulesSumInF16WhereThereIsArithmeticToSaveAndStoreItWhereThereIsMemory) {
  const Shape many{512, 512, 512}, one{1, 1024, 1024};
  const Plan sums = rules(many, "goldencove"), stored = rules(one, "goldencove");
  EXPECT_EQ(only(sums).precision, DType::F16);
  EXPECT_EQ(only(sums).schedule.variants.back().knobs[Knob::halves], 1);
  EXPECT_EQ(only(stored).precision, DType::F16);
  EXPECT_EQ(only(stored).schedule.variants.back().knobs[Knob::halves], 0);
  EXPECT_EQ(only(rules(many, "x86-64-v3")).precision, DType::F32);
  EXPECT_EQ(only(rules(one, "x86-64-v3")).precision, DType::F16);
  EXPECT_EQ(only(rules(one, "x86-64-v3", 1, false)).precision, DType::F32);  // nothing to store
}

TEST(Fp16, WeightsThatF16DoesNotHoldStayInF32) {
  const Shape one{1, 1024, 1024};
  EXPECT_EQ(only(rules(one, "goldencove", 65519)).precision, DType::F16);  // rounds to 65504
  EXPECT_EQ(only(rules(one, "goldencove", -65520)).precision, DType::F32);
  EXPECT_EQ(only(rules(one, "goldencove", std::numeric_limits<double>::infinity())).precision, DType::F16);
}

TEST(Fp16, TargetsWithoutF16RefuseIt) {
  Net net(7);
  net.node(Op::dot, {net.input(net.random(DType::F32, {4, 4})), net.constant(net.random(DType::F32, {4, 4}))});
  auto plan = rules_policy(net.graph, target("x86-64-v2"), Precision::Fp16);
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error()[0].code, Code::E0405);
}

TEST(Fp16, PlansThatDoNotFitAreRefused) {
  Net net(8);
  Tensor w = net.random(DType::F32, {64, 64});
  w.f[0] = 1e6;
  net.node(Op::dot, {net.input(net.random(DType::F32, {16, 64})), net.constant(w)});
  auto plan = rules_policy(net.graph, target("goldencove"));
  ASSERT_TRUE(plan);
  auto refused = [&](const char* why) {
    auto fits = verify_plan(net.graph, *plan);
    ASSERT_FALSE(fits) << why;
    EXPECT_EQ(fits.error()[0].code, Code::E0403);
    EXPECT_NE(fits.error()[0].message.find(why), std::string::npos) << fits.error()[0].message;
  };
  RegionPlan& region = plan->regions[0];
  region.schedule.variants[0].knobs.set(Knob::halves, 1);
  refused("is not of `precision f16`");
  region.precision = DType::F16;
  refused("beyond 65504");
  region.precision = DType::BF16;
  region.schedule.variants[0].knobs.set(Knob::halves, 0);
  EXPECT_TRUE(verify_plan(net.graph, *plan));
  region.precision = DType::F64;
  refused("are not rounded to f64");
}

}  // namespace
}  // namespace tenon::testing
