// Elementary functions against MPFR at 128 bits: every exponent, and dense around one. The bounds are in units of the
// last place of the exact result.
#include <mpfr.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>

#include "harness.h"
#include "tenon/short_functions.h"

namespace tenon {
namespace {

constexpr mpfr_prec_t kBits = 128;

void sigmoid(mpfr_t y, const mpfr_t x) {
  mpfr_neg(y, x, MPFR_RNDN);
  mpfr_exp(y, y, MPFR_RNDN);
  mpfr_add_ui(y, y, 1, MPFR_RNDN);
  mpfr_ui_div(y, 1, y, MPFR_RNDN);
}

struct Function {
  SOp op;
  void (*exact)(mpfr_t z, const mpfr_t x, const mpfr_t y);
  double ulp_f32, ulp_f64;
};

#define UNARY(name) +[](mpfr_t z, const mpfr_t x, const mpfr_t) { mpfr_##name(z, x, MPFR_RNDN); }
const Function kFunctions[] = {
    {SOp::Exp, UNARY(exp), 1.1, 1.1},
    {SOp::Expm1, UNARY(expm1), 2, 2},
    {SOp::Log, UNARY(log), 1.1, 1},
    {SOp::Log1p, UNARY(log1p), 0.51, 1.5},
    {SOp::Sin, UNARY(sin), 0.51, 1},
    {SOp::Cos, UNARY(cos), 0.51, 1},
    {SOp::Tan, UNARY(tan), 0.51, 2.5},
    {SOp::Asin, UNARY(asin), 0.51, 2},
    {SOp::Acos, UNARY(acos), 0.51, 2},
    {SOp::Atan, UNARY(atan), 0.51, 2},
    {SOp::Sinh, UNARY(sinh), 0.51, 3},
    {SOp::Cosh, UNARY(cosh), 0.51, 3},
    {SOp::Tanh, UNARY(tanh), 3, 3},
    {SOp::Asinh, UNARY(asinh), 0.51, 3},
    {SOp::Acosh, UNARY(acosh), 0.51, 3},
    {SOp::Atanh, UNARY(atanh), 0.51, 3},
    {SOp::Erf, UNARY(erf), 2.5, 2},
    {SOp::Sigmoid, +[](mpfr_t z, const mpfr_t x, const mpfr_t) { sigmoid(z, x); }, 3, 3},
    {SOp::Pow, +[](mpfr_t z, const mpfr_t x, const mpfr_t y) { mpfr_pow(z, x, y, MPFR_RNDN); }, 0.51, 8},
};
#undef UNARY

// Exact to 64 bits.
template <class T>
std::vector<long double> exact_values(const Function& f, const std::vector<T>& x, const std::vector<T>& y) {
  mpfr_t a, b, c;
  mpfr_inits2(kBits, a, b, c, static_cast<mpfr_ptr>(nullptr));
  std::vector<long double> values;
  for (size_t i = 0; i < x.size(); ++i) {
    mpfr_set_d(a, x[i], MPFR_RNDN);
    mpfr_set_d(b, y[i], MPFR_RNDN);
    f.exact(c, a, b);
    values.push_back(mpfr_get_ld(c, MPFR_RNDN));
  }
  mpfr_clears(a, b, c, static_cast<mpfr_ptr>(nullptr));
  return values;
}

// z = value(x, y), element by element.
template <class Value>
Module elementwise_module(DType type, bool short_functions, Value value_of) {
  KernelBuilder b("function");
  Expr n = b.symbol("n");
  BufferId x = b.param("x", type, n), y = b.param("y", type, n), z = b.param("z", type, n, true);
  Expr block = b.var("block", b.k.pool.ceildiv(n, b.i(16))), lane = b.var("lane", b.i(16));
  Expr at = b.add(b.mul(block, b.i(16)), lane);
  Expr value = value_of(b.k.pool, b.load(x, at), b.load(y, at));
  Stmt tile{.kind = StmtKind::Tile};
  tile.stores = {{z, at, value}};
  tile.lanes = {lane, 16};
  tile.lane_limit = b.k.pool.sub(n, b.mul(block, b.i(16)));
  b.k.body = {b.loop(block, {tile})};
  b.k.short_functions = short_functions;
  return module_of(std::move(b.k));
}

Module function_module(SOp op, DType type, bool short_functions = false) {
  return elementwise_module(type, short_functions, [&](ExprPool& p, Expr x, Expr y) { return op == SOp::Pow ? p.binary(op, x, y) : p.unary(op, x); });
}

// |got - exact| in units of T's last place at `exact`; 0 where both are NaN or the same infinity.
template <class T>
double ulps(T got, long double exact) {
  if (std::isnan(exact)) return std::isnan(got) ? 0 : HUGE_VAL;
  T rounded = static_cast<T>(exact);
  if (got == rounded) return 0;
  if (std::isinf(rounded) || std::isinf(got) || std::isnan(got)) {
    // Overflow may be a matter of the last place.
    T top = std::numeric_limits<T>::max();
    return std::isnan(got) || std::fabs(exact) < static_cast<long double>(top) * (1 - 4 * std::numeric_limits<T>::epsilon()) ? HUGE_VAL : 1;
  }
  int e = std::max(std::ilogb(exact), std::numeric_limits<T>::min_exponent - 1);
  return static_cast<double>(std::fabs(static_cast<long double>(got) - exact) / std::ldexp(1.0L, e - std::numeric_limits<T>::digits + 1));
}

template <class T, class Bits>
std::vector<T> samples(uint32_t seed) {
  std::mt19937_64 rng(seed);
  std::vector<T> v = {0, -T(0), 1, -1, T(0.5), T(-0.5), 2, 3, -2, -3, std::numeric_limits<T>::infinity(), -std::numeric_limits<T>::infinity(),
                      std::numeric_limits<T>::quiet_NaN(), std::numeric_limits<T>::denorm_min(), std::numeric_limits<T>::min(), std::numeric_limits<T>::max()};
  for (int i = 0; i < 4000; ++i) v.push_back(std::bit_cast<T>(static_cast<Bits>(rng())));
  for (T range : {T(1.2), T(20), T(100), T(800), T(1e7)})
    for (int i = 0; i < 4000; ++i) v.push_back(std::uniform_real_distribution<T>(-range, range)(rng));
  return v;
}

template <class T>
struct Sampled {
  std::vector<T> x, y;
  std::map<SOp, std::vector<long double>> exact;  // filled on demand, for all targets
};

template <class T, class Bits>
Sampled<T>& sampled() {
  static Sampled<T> made = [] {
    Sampled<T> s{samples<T, Bits>(1), samples<T, Bits>(2), {}};
    std::shuffle(s.y.begin() + 16, s.y.end(), std::mt19937(3));
    return s;
  }();
  return made;
}

template <class T, class Bits>
void check(const Function& f, DType type, const std::string& name, double bound, bool short_functions = false) {
  Native native(function_module(f.op, type, short_functions), target(name));
  Sampled<T>& s = sampled<T, Bits>();
  std::vector<long double>& exact = s.exact[f.op];
  if (exact.empty()) exact = exact_values(f, s.x, s.y);
  std::vector<T> z(s.x.size());
  native({s.x.data(), s.y.data(), z.data()}, {static_cast<int64_t>(z.size())});
  double worst = 0;
  size_t at = 0;
  for (size_t i = 0; i < z.size(); ++i)
    if (double u = ulps(z[i], exact[i]); u > worst) worst = u, at = i;
  EXPECT_LE(worst, bound) << spelling(f.op) << " of " << spelling(type) << " at " << s.x[at] << ", " << s.y[at] << ": " << z[at]
                          << " for " << static_cast<double>(exact[at]);
  for (size_t i = 0; i < 2; ++i)  // signed zeros
    if (exact[i] == 0) { EXPECT_EQ(std::signbit(z[i]), std::signbit(exact[i])) << spelling(f.op); }
}

class Math : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(On, Math, testing::ValuesIn(all_targets()), target_label);

// 2^-18 of a result is at most 64 of its last places. What has no shorter form stays as it was.
TEST_P(Math, ShortFormsWithin2ToTheMinus18) {
  constexpr double kUlps = kShortFunctionError * 0x1p24;
  for (const Function& f : kFunctions) check<float, uint32_t>(f, DType::F32, GetParam(), f.ulp_f32 + (has_short_form(f.op) ? kUlps : 0), true);
}

// And they are other polynomials.
TEST(ShortForms, AreShorter) {
  for (const Function& f : kFunctions) {
    auto length = [&](bool shorter) { return Native(function_module(f.op, DType::F32, shorter), target(host_targets().back())).assembly.size(); };
    if (has_short_form(f.op)) EXPECT_LT(length(true), length(false)) << spelling(f.op);
    else EXPECT_EQ(length(true), length(false)) << spelling(f.op);
  }
}

TEST_P(Math, F32WithinBounds) {
  for (const Function& f : kFunctions) check<float, uint32_t>(f, DType::F32, GetParam(), f.ulp_f32);
}

TEST_P(Math, F64WithinBounds) {
  for (const Function& f : kFunctions) check<double, uint64_t>(f, DType::F64, GetParam(), f.ulp_f64);
}

// x * sigmoid(y) has a form of its own: an exponential of 1.1 ULP and a sum of 0.5, each at most twice as many of the quotient, which
// adds 0.5. Where the sigmoid is subnormal kernels may take it as zero.
TEST_P(Math, GatedWithinBounds) {
  const auto module = elementwise_module(DType::F32, false, [](ExprPool& p, Expr x, Expr y) { return p.binary(SOp::Mul, p.unary(SOp::Sigmoid, y), x); });
  Native native(module, target(GetParam()));
  Sampled<float>& s = sampled<float, uint32_t>();
  const Function gated = {.op = SOp::Mul, .exact = +[](mpfr_t z, const mpfr_t x, const mpfr_t y) { sigmoid(z, y), mpfr_mul(z, z, x, MPFR_RNDN); }};
  constexpr float kSubnormal = -87.336F;  // sigmoid of it is 2^-126
  std::vector<float> z(s.x.size());
  for (std::vector<float>* gates : {&s.y, &s.x}) {
    const auto exact = exact_values(gated, s.x, *gates);
    native({s.x.data(), gates->data(), z.data()}, {static_cast<int64_t>(z.size())});
    double worst = 0;
    size_t at = 0;
    for (size_t i = 0; i < z.size(); ++i) {
      if ((*gates)[i] < kSubnormal) continue;
      if (std::fabs(exact[i]) < 0x1p-126L && std::fabs(z[i]) <= 0x1p-126F) continue;  // may be flushed
      if (double u = ulps(z[i], exact[i]); u > worst) worst = u, at = i;
    }
    EXPECT_LE(worst, 2 * (1.1 + 0.5) + 0.5) << s.x[at] << " * sigmoid(" << (*gates)[at] << "): " << z[at] << " for " << static_cast<double>(exact[at]);
  }
  // Below, what is lost is less than the least normal number times x.
  for (size_t i = 0; i < z.size(); ++i)
    if (s.x[i] < kSubnormal && std::isfinite(s.x[i])) { EXPECT_NEAR(z[i], 0, 0x1p-126 * -s.x[i]) << s.x[i]; }
}

// Every f32, by hand: about two minutes per function, against the C library in f64, whose error is below 2^-28 ULP of f32.
// test_llvm --gtest_also_run_disabled_tests --gtest_filter='EveryFloat.*'
TEST(EveryFloat, DISABLED_IsWithinBounds) {
  using Double = double (*)(double);
  constexpr std::pair<SOp, Double> oracles[] = {
      {SOp::Exp, std::exp}, {SOp::Expm1, std::expm1}, {SOp::Log, std::log}, {SOp::Log1p, std::log1p}, {SOp::Sin, std::sin},
      {SOp::Cos, std::cos}, {SOp::Tanh, std::tanh}, {SOp::Erf, std::erf}};
  constexpr uint64_t kAll = uint64_t{1} << 32, kPiece = 1 << 20;
  for (const auto& [op, oracle] : oracles) {
    Native native(function_module(op, DType::F32), target(host_targets().back()));
    const double bound = std::ranges::find(kFunctions, op, &Function::op)->ulp_f32;
    std::vector<float> x(kPiece), z(kPiece);
    double worst = 0;
    float at = 0;
    for (uint64_t first = 0; first < kAll; first += kPiece) {
      for (uint64_t i = 0; i < kPiece; ++i) x[i] = std::bit_cast<float>(static_cast<uint32_t>(first + i));
      native({x.data(), x.data(), z.data()}, {static_cast<int64_t>(kPiece)});
      for (uint64_t i = 0; i < kPiece; ++i)
        if (double u = ulps(z[i], oracle(x[i])); u > worst) worst = u, at = x[i];
    }
    std::printf("%-6s worst %.4f ULP at %a, bound %.2f\n", std::string(spelling(op)).c_str(), worst, static_cast<double>(at), bound);
    EXPECT_LE(worst, bound) << spelling(op);
  }
}

}  // namespace
}  // namespace tenon
