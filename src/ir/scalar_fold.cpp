#include "scalar_fold.h"

#include <cfenv>
#include <cmath>

namespace tenon {

int64_t wrap_to(DType type, int64_t value) {
  if (type == DType::Bool) return value != 0;
  int width = bits(type);
  if (width >= 64) return value;
  uint64_t mask = (uint64_t{1} << width) - 1;
  uint64_t low = static_cast<uint64_t>(value) & mask;
  if (is_signed(type) && (low >> (width - 1)) != 0) low |= ~mask;
  return static_cast<int64_t>(low);
}

namespace {

double fold_float(SOp op, double a, double b, double c) {
  switch (op) {
    case SOp::Add: return a + b;
    case SOp::Sub: return a - b;
    case SOp::Mul: return a * b;
    case SOp::Div: return a / b;
    case SOp::FloorDiv: return std::floor(a / b);
    case SOp::Mod: {
      double r = std::fmod(a, b);
      return r != 0 && (r < 0) != (b < 0) ? r + b : r;
    }
    case SOp::Rem: return std::fmod(a, b);
    case SOp::Min: return std::isnan(a) || std::isnan(b) ? NAN : std::fmin(a, b);
    case SOp::Max: return std::isnan(a) || std::isnan(b) ? NAN : std::fmax(a, b);
    case SOp::Neg: return -a;
    case SOp::Abs: return std::fabs(a);
    case SOp::Sign: return std::isnan(a) ? a : static_cast<double>((a > 0) - (a < 0));
    case SOp::Fma: return std::fma(a, b, c);
    case SOp::Sqrt: return std::sqrt(a);
    case SOp::Floor: return std::floor(a);
    case SOp::Ceil: return std::ceil(a);
    case SOp::Trunc: return std::trunc(a);
    case SOp::Round: return std::nearbyint(a);
    case SOp::Exp: return std::exp(a);
    case SOp::Expm1: return std::expm1(a);
    case SOp::Log: return std::log(a);
    case SOp::Log1p: return std::log1p(a);
    case SOp::Sin: return std::sin(a);
    case SOp::Cos: return std::cos(a);
    case SOp::Tan: return std::tan(a);
    case SOp::Asin: return std::asin(a);
    case SOp::Acos: return std::acos(a);
    case SOp::Atan: return std::atan(a);
    case SOp::Sinh: return std::sinh(a);
    case SOp::Cosh: return std::cosh(a);
    case SOp::Tanh: return std::tanh(a);
    case SOp::Asinh: return std::asinh(a);
    case SOp::Acosh: return std::acosh(a);
    case SOp::Atanh: return std::atanh(a);
    case SOp::Erf: return std::erf(a);
    case SOp::Sigmoid: return 1 / (1 + std::exp(-a));
    case SOp::Pow: return std::pow(a, b);
    default: internal_error(__FILE__, __LINE__, "not a float operation");
  }
}

int64_t fold_int(SOp op, DType type, int64_t a, int64_t b) {
  auto ua = static_cast<uint64_t>(a), ub = static_cast<uint64_t>(b);
  bool big = type == DType::U64;  // other unsigned types are non-negative as int64
  switch (op) {
    case SOp::Add: return static_cast<int64_t>(ua + ub);
    case SOp::Sub: return static_cast<int64_t>(ua - ub);
    case SOp::Mul: return static_cast<int64_t>(ua * ub);
    case SOp::Div:
      if (b == 0) return 0;
      if (big) return static_cast<int64_t>(ua / ub);
      return b == -1 ? static_cast<int64_t>(0 - ua) : a / b;
    case SOp::Rem:
      if (b == 0) return 0;
      if (big) return static_cast<int64_t>(ua % ub);
      return b == -1 ? 0 : a % b;
    case SOp::FloorDiv:
    case SOp::Mod: {
      if (b == 0) return 0;
      if (big) return static_cast<int64_t>(op == SOp::Mod ? ua % ub : ua / ub);
      if (b == -1) return op == SOp::Mod ? 0 : static_cast<int64_t>(0 - ua);
      bool adjust = a % b != 0 && (a < 0) != (b < 0);
      return op == SOp::Mod ? a % b + (adjust ? b : 0) : a / b - adjust;
    }
    case SOp::Min: return (big ? ua < ub : a < b) ? a : b;
    case SOp::Max: return (big ? ua > ub : a > b) ? a : b;
    case SOp::Neg: return static_cast<int64_t>(0 - ua);
    case SOp::Abs: return is_signed(type) && a < 0 ? static_cast<int64_t>(0 - ua) : a;
    case SOp::Sign: return big ? a != 0 : (a > 0) - (a < 0);
    case SOp::And: return a & b;
    case SOp::Or: return a | b;
    case SOp::Xor: return a ^ b;
    case SOp::Not: return type == DType::Bool ? !a : ~a;
    case SOp::Shl: return ub >= static_cast<uint64_t>(bits(type)) ? 0 : static_cast<int64_t>(ua << ub);
    case SOp::Shr:
      if (ub >= static_cast<uint64_t>(bits(type))) return is_signed(type) && a < 0 ? -1 : 0;
      return is_signed(type) ? a >> ub : static_cast<int64_t>(ua >> ub);
    default: internal_error(__FILE__, __LINE__, "not an integer operation");
  }
}

template <class T>
bool fold_compare(SOp op, T a, T b) {
  switch (op) {
    case SOp::Eq: return a == b;
    case SOp::Ne: return a != b;
    case SOp::Lt: return a < b;
    case SOp::Le: return a <= b;
    case SOp::Gt: return a > b;
    default: return a >= b;
  }
}

// Float to integer. Plain casts truncate and wrap (out of 64-bit range: the type's minimum, as x86 does).
int64_t float_to_int(DType type, double value, bool saturate) {
  if (saturate) {
    double lo = is_signed(type) ? -std::ldexp(1.0, bits(type) - 1) : 0;
    double hi = std::ldexp(1.0, is_signed(type) ? bits(type) - 1 : bits(type)) - 1;
    if (std::isnan(value)) return 0;
    value = std::nearbyint(value);
    if (value <= lo) return static_cast<int64_t>(lo);
    if (value >= hi) return type == DType::U64 ? -1 : bits(type) == 64 ? INT64_MAX : static_cast<int64_t>(hi);
  }
  if (std::isnan(value)) return wrap_to(type, INT64_MIN);
  value = std::trunc(value);
  if (value >= 9223372036854775808.0 && value < 18446744073709551616.0)
    return wrap_to(type, static_cast<int64_t>(static_cast<uint64_t>(value)));
  if (!(value >= -9223372036854775808.0 && value < 9223372036854775808.0)) return wrap_to(type, INT64_MIN);
  return wrap_to(type, static_cast<int64_t>(value));
}

double int_to_float(DType from, int64_t value) {
  return from == DType::U64 ? static_cast<double>(static_cast<uint64_t>(value)) : static_cast<double>(value);
}

ScalarConst fold_convert(SOp op, DType type, DType from, ScalarConst a) {
  if (op == SOp::Bitcast) {
    uint64_t raw = is_float(from) ? float_bits(from, a.f) : static_cast<uint64_t>(a.i);
    if (is_float(type)) return {.f = float_value(type, raw & (~uint64_t{0} >> (64 - bits(type))))};
    return {.i = wrap_to(type, static_cast<int64_t>(raw))};
  }
  bool saturate = op == SOp::CastSat;
  if (is_float(type)) return {.f = round_to(type, is_float(from) ? a.f : int_to_float(from, a.i), saturate)};
  if (type == DType::Bool) return {.i = is_float(from) ? a.f != 0 : a.i != 0};
  if (is_float(from)) return {.i = float_to_int(type, a.f, saturate)};
  if (saturate && bits(type) < 64) {
    int64_t lo = is_signed(type) ? -(int64_t{1} << (bits(type) - 1)) : 0;
    int64_t hi = (int64_t{1} << (is_signed(type) ? bits(type) - 1 : bits(type))) - 1;
    return {.i = a.i < lo ? lo : a.i > hi ? hi : a.i};
  }
  return {.i = wrap_to(type, a.i)};
}

}  // namespace

std::optional<ScalarConst> fold_scalar(SOp op, DType type, DType from, std::span<const ScalarConst> args) {
  switch (op) {
    case SOp::Const:
    case SOp::Var:
    case SOp::Load: return std::nullopt;
    case SOp::Select: return args[0].i != 0 ? args[1] : args[2];
    case SOp::Cast:
    case SOp::CastSat:
    case SOp::Bitcast: return fold_convert(op, type, from, args[0]);
    case SOp::IsNan: return ScalarConst{.i = std::isnan(args[0].f)};
    case SOp::IsInf: return ScalarConst{.i = std::isinf(args[0].f)};
    default: break;
  }
  ScalarConst b = args.size() > 1 ? args[1] : ScalarConst{.i = 0};
  if (is_compare(op)) {
    if (is_float(from)) return ScalarConst{.i = fold_compare(op, args[0].f, b.f)};
    if (from == DType::U64)
      return ScalarConst{.i = fold_compare(op, static_cast<uint64_t>(args[0].i), static_cast<uint64_t>(b.i))};
    return ScalarConst{.i = fold_compare(op, args[0].i, b.i)};
  }
  if (is_float(type)) {
    double c = args.size() > 2 ? args[2].f : 0;
    return ScalarConst{.f = round_to(type, fold_float(op, args[0].f, args.size() > 1 ? b.f : 0, c))};
  }
  return ScalarConst{.i = wrap_to(type, fold_int(op, type, args[0].i, b.i))};
}

}  // namespace tenon
