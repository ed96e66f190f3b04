// Elementwise ops: operands broadcast as NumPy does. A new one takes a row in ops.def, and here its
// domain, its reference on float64 (and int64, uint64), and the scalar op that it lowers to.
#include <algorithm>
#include <array>
#include <cmath>
#include <functional>

#include "eval.h"
#include "infer.h"
#include "lower.h"

namespace tenon {

namespace {

enum class Domain : uint8_t { Float, Number, Integer, Bool, Any };  // Any: numbers and bool

constexpr bool has_floats(Domain d) { return d == Domain::Float || d == Domain::Number || d == Domain::Any; }

constexpr bool contains(Domain domain, DType type) {
  switch (domain) {
    case Domain::Float: return is_float(type);
    case Domain::Number: return is_float(type) || is_integer(type);
    case Domain::Integer: return is_integer(type);
    case Domain::Bool: return type == DType::Bool;
    case Domain::Any: return is_float(type) || is_integer(type) || type == DType::Bool;
  }
  return false;
}

Result<std::vector<Expr>> broadcast_operands(Graph& graph, const Node& node) {
  std::vector<std::vector<Expr>> dims;
  for (size_t i = 0; i < node.inputs.size(); ++i) dims.push_back(input(graph, node, i).dims);
  return broadcast_dims(graph, dims);
}

template <Domain domain, bool to_bool>
Result<Types> infer_elementwise(Graph& graph, const Node& node) {
  DType type = input(graph, node, 0).type;
  if (!contains(domain, type))
    return type_error(std::string(spelling(node.op)) + " is not defined for " + std::string(spelling(type)));
  for (size_t i = 1; i < node.inputs.size(); ++i) TENON_DO(same_type(graph, node, 0, i));
  TENON_TRY(std::vector<Expr> dims, broadcast_operands(graph, node));
  return Types{{to_bool ? DType::Bool : type, std::move(dims)}};
}

// out[i] = f(in[i]...), row by row of the last dim.
template <class T, auto f, size_t... k>
Tensor map_elements(const EvalInput& in, std::index_sequence<k...>) {
  Tensor out = make_output(in);
  Dims rows = out.dims;
  if (rows.empty()) rows.push_back(1);
  const std::array<Dims, sizeof...(k)> strides = {broadcast_strides(input(in, k).dims, rows)...};
  const std::array<const T*, sizeof...(k)> data = {elements<T>(input(in, k))...};
  int64_t n = rows.back();
  if (out.count() == 0) return out;
  rows.back() = 1;
  for_each_index(rows, [&](const Dims& index, int64_t row) {
    const std::array<const T*, sizeof...(k)> from = {data[k] + offset_of(index, strides[k])...};
    const std::array<int64_t, sizeof...(k)> step = {strides[k].back()...};
    for (int64_t j = 0; j < n; ++j) {
      auto value = f(from[k][j * step[k]]...);
      auto at = static_cast<size_t>(row * n + j);
      if constexpr (std::is_same_v<decltype(value), double>)
        out.f[at] = value;
      else
        out.i[at] = static_cast<int64_t>(value);
    }
  });
  if (!is_float(out.type)) round_elements(out);
  return out;
}

template <size_t arity, Domain domain, auto f>
std::vector<Tensor> eval_elementwise(const EvalInput& in) {
  constexpr auto operands = std::make_index_sequence<arity>();
  DType type = input(in, 0).type;
  if constexpr (has_floats(domain))
    if (is_float(type)) return one(map_elements<double, f>(in, operands));
  if constexpr (domain != Domain::Float) {
    if constexpr (domain != Domain::Bool)
      if (type == DType::U64) return one(map_elements<uint64_t, f>(in, operands));
    return one(map_elements<int64_t, f>(in, operands));
  }
  internal_error(__FILE__, __LINE__, "element type outside the op's domain");
}

void lower_elementwise(LowerInput& in) {
  Lower l(in);
  std::vector<Expr> axes = l.axes(l.dims(l.out())), operands;
  for (BufferId b : in.inputs) operands.push_back(l.load_broadcast(b, axes));
  DType type = l.buffer(l.out()).type == DType::Bool ? DType::Bool : l.p.type(operands.back());
  Expr value = l.p.make(definition(in.node.op).scalar, type, operands);
  l.store(l.out(), axes, value);
}

template <class T, auto f, size_t... k>
constexpr bool returns_bool(std::index_sequence<k...>) {
  return std::is_same_v<decltype(f(((void)k, T())...)), bool>;
}

template <size_t arity, Domain domain, auto f>
constexpr OpDef row(std::string_view name, SOp scalar, double roundings) {
  using Sample = std::conditional_t<has_floats(domain), double, int64_t>;
  constexpr bool to_bool = returns_bool<Sample, f>(std::make_index_sequence<arity>());
  return {.name = name,
          .kind = OpKind::Elementwise,
          .min_inputs = arity,
          .max_inputs = arity,
          .infer = infer_elementwise<domain, to_bool>,
          .eval = eval_elementwise<arity, domain, f>,
          .lower = lower_elementwise,
          .scalar = scalar,
          .roundings = roundings};
}

// Integers wrap around: computed unsigned.
template <class T, class F>
constexpr T wrapping(F f, T a, T b) {
  if constexpr (std::is_floating_point_v<T>)
    return f(a, b);
  else
    return static_cast<T>(f(static_cast<uint64_t>(a), static_cast<uint64_t>(b)));
}

template <class T>
constexpr bool negative(T a) {
  return std::is_signed_v<T> && a < T(0);
}

// Quotient towards zero; by zero 0, and the one overflow wraps.
template <class T>
T divide(T a, T b) {
  if constexpr (std::is_floating_point_v<T>)
    return a / b;
  else if (b == 0)
    return 0;
  else if (std::is_signed_v<T> && b == static_cast<T>(-1))
    return wrapping(std::minus<>(), T(0), a);
  else
    return a / b;
}

template <class T>
T remainder_of(T a, T b) {  // sign of the dividend
  if constexpr (std::is_floating_point_v<T>)
    return std::fmod(a, b);
  else
    return b == 0 ? T(0) : wrapping(std::minus<>(), a, wrapping(std::multiplies<>(), divide(a, b), b));
}

template <class T>
T modulo(T a, T b) {  // sign of the divisor
  T r = remainder_of(a, b);
  return r != T(0) && negative(r) != negative(b) ? r + b : r;
}

template <class T>
bool unordered(T a, T b) {
  return a != a || b != b;
}

template <class T>
T sign_of(T a) {
  if constexpr (std::is_floating_point_v<T>)
    if (std::isnan(a)) return a;
  return negative(a) ? T(-1) : T(a != T(0));
}

template <class T>
T absolute(T a) {
  if constexpr (std::is_floating_point_v<T>)
    return std::fabs(a);
  else
    return negative(a) ? wrapping(std::minus<>(), T(0), a) : a;
}

// By the width or more: everything is shifted out.
template <class T>
T shifted(T a, uint64_t by) {
  return by < 64 ? static_cast<T>(static_cast<uint64_t>(a) << by) : T(0);
}
template <class T>
T shifted_back(T a, uint64_t by) {
  return by < 64 ? static_cast<T>(a >> by) : static_cast<T>(negative(a) ? -1 : 0);
}

}  // namespace

// A row: operands, domain, scalar op, roundings (twice the ULPs that tests/llvm/math_test.cpp allows), reference.
#define ROW(name, arity, domain, scalar, roundings, ...) \
  constexpr OpDef def_##name = row<arity, Domain::domain, __VA_ARGS__>(#name, SOp::scalar, roundings);

ROW(add, 2, Number, Add, 1, [](auto a, auto b) { return wrapping(std::plus<>(), a, b); })
ROW(sub, 2, Number, Sub, 1, [](auto a, auto b) { return wrapping(std::minus<>(), a, b); })
ROW(mul, 2, Number, Mul, 1, [](auto a, auto b) { return wrapping(std::multiplies<>(), a, b); })
ROW(div, 2, Number, Div, 1, [](auto a, auto b) { return divide(a, b); })
ROW(mod, 2, Number, Mod, 4, [](auto a, auto b) { return modulo(a, b); })
ROW(rem, 2, Number, Rem, 4, [](auto a, auto b) { return remainder_of(a, b); })
ROW(pow, 2, Float, Pow, 1.02, [](double a, double b) { return std::pow(a, b); })
ROW(min, 2, Number, Min, 0, [](auto a, auto b) { return unordered(a, b) ? a + b : std::min(a, b); })
ROW(max, 2, Number, Max, 0, [](auto a, auto b) { return unordered(a, b) ? a + b : std::max(a, b); })
ROW(neg, 1, Number, Neg, 0, [](auto a) { return wrapping(std::multiplies<>(), a, decltype(a)(-1)); })
ROW(abs, 1, Number, Abs, 0, [](auto a) { return absolute(a); })
ROW(sign, 1, Number, Sign, 0, [](auto a) { return sign_of(a); })
ROW(sqrt, 1, Float, Sqrt, 1, [](double x) { return std::sqrt(x); })
ROW(floor, 1, Float, Floor, 0, [](double x) { return std::floor(x); })
ROW(ceil, 1, Float, Ceil, 0, [](double x) { return std::ceil(x); })
ROW(round, 1, Float, Round, 0, [](double x) { return std::nearbyint(x); })  // half to even
ROW(exp, 1, Float, Exp, 2.2, [](double x) { return std::exp(x); })
ROW(expm1, 1, Float, Expm1, 4, [](double x) { return std::expm1(x); })
ROW(log, 1, Float, Log, 2.2, [](double x) { return std::log(x); })
ROW(log1p, 1, Float, Log1p, 1.02, [](double x) { return std::log1p(x); })
ROW(sin, 1, Float, Sin, 1.02, [](double x) { return std::sin(x); })
ROW(cos, 1, Float, Cos, 1.02, [](double x) { return std::cos(x); })
ROW(tan, 1, Float, Tan, 1.02, [](double x) { return std::tan(x); })
ROW(asin, 1, Float, Asin, 1.02, [](double x) { return std::asin(x); })
ROW(acos, 1, Float, Acos, 1.02, [](double x) { return std::acos(x); })
ROW(atan, 1, Float, Atan, 1.02, [](double x) { return std::atan(x); })
ROW(sinh, 1, Float, Sinh, 1.02, [](double x) { return std::sinh(x); })
ROW(cosh, 1, Float, Cosh, 1.02, [](double x) { return std::cosh(x); })
ROW(tanh, 1, Float, Tanh, 6, [](double x) { return std::tanh(x); })
ROW(asinh, 1, Float, Asinh, 1.02, [](double x) { return std::asinh(x); })
ROW(acosh, 1, Float, Acosh, 1.02, [](double x) { return std::acosh(x); })
ROW(atanh, 1, Float, Atanh, 1.02, [](double x) { return std::atanh(x); })
ROW(erf, 1, Float, Erf, 5, [](double x) { return std::erf(x); })
ROW(sigmoid, 1, Float, Sigmoid, 6, [](double x) { return 1 / (1 + std::exp(-x)); })
ROW(logical_and, 2, Bool, And, 0, [](int64_t a, int64_t b) { return a != 0 && b != 0; })
ROW(logical_or, 2, Bool, Or, 0, [](int64_t a, int64_t b) { return a != 0 || b != 0; })
ROW(logical_xor, 2, Bool, Xor, 0, [](int64_t a, int64_t b) { return a != b; })
ROW(logical_not, 1, Bool, Not, 0, [](int64_t a) { return a == 0; })
ROW(bit_and, 2, Integer, And, 0, [](auto a, auto b) { return a & b; })
ROW(bit_or, 2, Integer, Or, 0, [](auto a, auto b) { return a | b; })
ROW(bit_xor, 2, Integer, Xor, 0, [](auto a, auto b) { return a ^ b; })
ROW(bit_not, 1, Integer, Not, 0, [](auto a) { return ~a; })
ROW(shift_left, 2, Integer, Shl, 0, [](auto a, auto b) { return shifted(a, static_cast<uint64_t>(b)); })
ROW(shift_right, 2, Integer, Shr, 0, [](auto a, auto b) { return shifted_back(a, static_cast<uint64_t>(b)); })
ROW(equal, 2, Any, Eq, 0, [](auto a, auto b) { return a == b; })
ROW(less, 2, Number, Lt, 0, [](auto a, auto b) { return a < b; })
ROW(less_equal, 2, Number, Le, 0, [](auto a, auto b) { return a <= b; })
ROW(is_nan, 1, Float, IsNan, 0, [](double x) { return std::isnan(x); })
ROW(is_inf, 1, Float, IsInf, 0, [](double x) { return std::isinf(x); })
#undef ROW

namespace {

Result<Types> infer_select(Graph& graph, const Node& node) {
  if (input(graph, node, 0).type != DType::Bool) return type_error("the condition of select must be bool");
  TENON_DO(same_type(graph, node, 1, 2));
  TENON_TRY(std::vector<Expr> dims, broadcast_operands(graph, node));
  return Types{{input(graph, node, 1).type, std::move(dims)}};
}

std::vector<Tensor> eval_select(const EvalInput& in) {
  Tensor out = make_output(in);
  Dims strides[3];
  for (size_t i = 0; i < 3; ++i) strides[i] = broadcast_strides(input(in, i).dims, out.dims);
  for_each_index(out.dims, [&](const Dims& index, int64_t k) {
    size_t chosen = input(in, 0).i[static_cast<size_t>(offset_of(index, strides[0]))] ? 1 : 2;
    copy_element(input(in, chosen), offset_of(index, strides[chosen]), out, k);
  });
  return one(std::move(out));
}

}  // namespace

constexpr OpDef def_select{.name = "select",
                           .kind = OpKind::Elementwise,
                           .min_inputs = 3,
                           .max_inputs = 3,
                           .infer = infer_select,
                           .eval = eval_select,
                           .lower = lower_elementwise,
                           .scalar = SOp::Select};

static_assert(complete(def_select));

}  // namespace tenon
