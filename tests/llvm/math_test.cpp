// Elementary functions against the C library in 80 bits, whose own error is below 0.001 ULP of f64: every
// exponent, and dense around one. The bounds are in units of the last place of the exact result.
#include <bit>
#include <cmath>

#include "harness.h"

namespace tenon {
namespace {

struct Function {
  SOp op;
  long double (*exact)(long double, long double);
  double ulp_f32, ulp_f64;
};

#define UNARY(name, expression) +[](long double x, long double) -> long double { (void)x; return expression; }
const Function kFunctions[] = {
    {SOp::Exp, UNARY(exp, std::exp(x)), 1.1, 1.1},
    {SOp::Expm1, UNARY(expm1, std::expm1(x)), 2, 2},
    {SOp::Log, UNARY(log, std::log(x)), 1.1, 1},
    {SOp::Log1p, UNARY(log1p, std::log1p(x)), 0.51, 1.5},
    {SOp::Sin, UNARY(sin, std::sin(x)), 0.51, 1},
    {SOp::Cos, UNARY(cos, std::cos(x)), 0.51, 1},
    {SOp::Tan, UNARY(tan, std::tan(x)), 0.51, 2.5},
    {SOp::Asin, UNARY(asin, std::asin(x)), 0.51, 2},
    {SOp::Acos, UNARY(acos, std::acos(x)), 0.51, 2},
    {SOp::Atan, UNARY(atan, std::atan(x)), 0.51, 2},
    {SOp::Sinh, UNARY(sinh, std::sinh(x)), 0.51, 3},
    {SOp::Cosh, UNARY(cosh, std::cosh(x)), 0.51, 3},
    {SOp::Tanh, UNARY(tanh, std::tanh(x)), 3, 3},
    {SOp::Asinh, UNARY(asinh, std::asinh(x)), 0.51, 3},
    {SOp::Acosh, UNARY(acosh, std::acosh(x)), 0.51, 3},
    {SOp::Atanh, UNARY(atanh, std::atanh(x)), 0.51, 3},
    {SOp::Erf, UNARY(erf, std::erf(x)), 2.5, 2},
    {SOp::Sigmoid, UNARY(sigmoid, 1 / (1 + std::exp(-x))), 3, 3},
    {SOp::Pow, +[](long double x, long double y) { return std::pow(x, y); }, 0.51, 8},
};
#undef UNARY

Module function_module(SOp op, DType type) {
  KernelBuilder b("function");
  Expr n = b.symbol("n");
  BufferId x = b.param("x", type, n), y = b.param("y", type, n), z = b.param("z", type, n, true);
  Expr block = b.var("block", b.k.pool.ceildiv(n, b.i(16))), lane = b.var("lane", b.i(16));
  Expr at = b.add(b.mul(block, b.i(16)), lane);
  Expr value = op == SOp::Pow ? b.k.pool.binary(op, b.load(x, at), b.load(y, at)) : b.k.pool.unary(op, b.load(x, at));
  Stmt tile{.kind = StmtKind::Tile};
  tile.stores = {{z, at, value}};
  tile.lanes = {lane, 16};
  tile.lane_limit = b.k.pool.sub(n, b.mul(block, b.i(16)));
  b.k.body = {b.loop(block, {tile})};
  return module_of(std::move(b.k));
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

template <class T, class Bits>
void check(const Function& f, DType type, const std::string& name, double bound) {
  Native native(function_module(f.op, type), target(name));
  auto x = samples<T, Bits>(1), y = samples<T, Bits>(2);
  std::shuffle(y.begin() + 16, y.end(), std::mt19937(3));
  std::vector<T> z(x.size());
  native({x.data(), y.data(), z.data()}, {static_cast<int64_t>(x.size())});
  double worst = 0;
  size_t at = 0;
  for (size_t i = 0; i < x.size(); ++i)
    if (double u = ulps(z[i], f.exact(x[i], y[i])); u > worst) worst = u, at = i;
  EXPECT_LE(worst, bound) << spelling(f.op) << " of " << spelling(type) << " at " << x[at] << ", " << y[at] << ": " << z[at] << " for "
                          << static_cast<double>(f.exact(x[at], y[at]));
  for (size_t i = 0; i < 2; ++i)  // signed zeros
    if (f.exact(x[i], y[i]) == 0) { EXPECT_EQ(std::signbit(z[i]), std::signbit(f.exact(x[i], y[i]))) << spelling(f.op); }
}

class Math : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(On, Math, testing::ValuesIn(host_targets()), target_label);

TEST_P(Math, F32WithinBounds) {
  for (const Function& f : kFunctions) check<float, uint32_t>(f, DType::F32, GetParam(), f.ulp_f32);
}

TEST_P(Math, F64WithinBounds) {
  for (const Function& f : kFunctions) check<double, uint64_t>(f, DType::F64, GetParam(), f.ulp_f64);
}

}  // namespace
}  // namespace tenon
