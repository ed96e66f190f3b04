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
      if constexpr (std::is_same_v<decltype(value), double>) out.f[at] = value;
      else out.i[at] = static_cast<int64_t>(value);
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
constexpr OpDef row(std::string_view name, SOp scalar) {
  using Sample = std::conditional_t<has_floats(domain), double, int64_t>;
  constexpr bool to_bool = returns_bool<Sample, f>(std::make_index_sequence<arity>());
  return {.name = name,
          .kind = OpKind::Elementwise,
          .min_inputs = arity,
          .max_inputs = arity,
          .infer = infer_elementwise<domain, to_bool>,
          .eval = eval_elementwise<arity, domain, f>,
          .lower = lower_elementwise,
          .scalar = scalar};
}

// Integers wrap around: computed unsigned.
template <class T, class F>
constexpr T wrapping(F f, T a, T b) {
  if constexpr (std::is_floating_point_v<T>) return f(a, b);
  else return static_cast<T>(f(static_cast<uint64_t>(a), static_cast<uint64_t>(b)));
}

template <class T>
constexpr bool negative(T a) { return std::is_signed_v<T> && a < T(0); }

// Quotient towards zero; by zero 0, and the one overflow wraps.
template <class T>
T divide(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) return a / b;
  else if (b == 0) return 0;
  else if (std::is_signed_v<T> && b == static_cast<T>(-1)) return wrapping(std::minus<>(), T(0), a);
  else return a / b;
}

template <class T>
T remainder_of(T a, T b) {  // sign of the dividend
  if constexpr (std::is_floating_point_v<T>) return std::fmod(a, b);
  else return b == 0 ? T(0) : wrapping(std::minus<>(), a, wrapping(std::multiplies<>(), divide(a, b), b));
}

template <class T>
T modulo(T a, T b) {  // sign of the divisor
  T r = remainder_of(a, b);
  return r != T(0) && negative(r) != negative(b) ? r + b : r;
}

template <class T>
bool unordered(T a, T b) { return a != a || b != b; }

template <class T>
T sign_of(T a) {
  if constexpr (std::is_floating_point_v<T>)
    if (std::isnan(a)) return a;
  return negative(a) ? T(-1) : T(a != T(0));
}

}  // namespace

constexpr OpDef def_add = row<2, Domain::Number, [](auto a, auto b) { return wrapping(std::plus<>(), a, b); }>("add", SOp::Add);
constexpr OpDef def_sub = row<2, Domain::Number, [](auto a, auto b) { return wrapping(std::minus<>(), a, b); }>("sub", SOp::Sub);
constexpr OpDef def_mul = row<2, Domain::Number, [](auto a, auto b) { return wrapping(std::multiplies<>(), a, b); }>("mul", SOp::Mul);
constexpr OpDef def_div = row<2, Domain::Number, [](auto a, auto b) { return divide(a, b); }>("div", SOp::Div);
constexpr OpDef def_mod = row<2, Domain::Number, [](auto a, auto b) { return modulo(a, b); }>("mod", SOp::Mod);
constexpr OpDef def_rem = row<2, Domain::Number, [](auto a, auto b) { return remainder_of(a, b); }>("rem", SOp::Rem);
constexpr OpDef def_pow = row<2, Domain::Float, [](double a, double b) { return std::pow(a, b); }>("pow", SOp::Pow);
constexpr OpDef def_min = row<2, Domain::Number, [](auto a, auto b) { return unordered(a, b) ? a + b : std::min(a, b); }>("min", SOp::Min);
constexpr OpDef def_max = row<2, Domain::Number, [](auto a, auto b) { return unordered(a, b) ? a + b : std::max(a, b); }>("max", SOp::Max);
constexpr OpDef def_neg = row<1, Domain::Number, [](auto a) { return wrapping(std::multiplies<>(), a, decltype(a)(-1)); }>("neg", SOp::Neg);
constexpr OpDef def_abs = row<1, Domain::Number, [](auto a) { return wrapping(std::multiplies<>(), a, decltype(a)(negative(a) ? -1 : 1)); }>("abs", SOp::Abs);
constexpr OpDef def_sign = row<1, Domain::Number, [](auto a) { return sign_of(a); }>("sign", SOp::Sign);

// The functions of <cmath>, under their own names.
#define UNARY(name, scalar, function) \
  constexpr OpDef def_##name = row<1, Domain::Float, [](double x) { return function(x); }>(#name, SOp::scalar);
UNARY(sqrt, Sqrt, std::sqrt)
UNARY(floor, Floor, std::floor)
UNARY(ceil, Ceil, std::ceil)
UNARY(round, Round, std::nearbyint)  // half to even
UNARY(exp, Exp, std::exp)
UNARY(expm1, Expm1, std::expm1)
UNARY(log, Log, std::log)
UNARY(log1p, Log1p, std::log1p)
UNARY(sin, Sin, std::sin)
UNARY(cos, Cos, std::cos)
UNARY(tan, Tan, std::tan)
UNARY(asin, Asin, std::asin)
UNARY(acos, Acos, std::acos)
UNARY(atan, Atan, std::atan)
UNARY(sinh, Sinh, std::sinh)
UNARY(cosh, Cosh, std::cosh)
UNARY(tanh, Tanh, std::tanh)
UNARY(asinh, Asinh, std::asinh)
UNARY(acosh, Acosh, std::acosh)
UNARY(atanh, Atanh, std::atanh)
UNARY(erf, Erf, std::erf)
#undef UNARY
constexpr OpDef def_sigmoid = row<1, Domain::Float, [](double x) { return 1 / (1 + std::exp(-x)); }>("sigmoid", SOp::Sigmoid);

constexpr OpDef def_logical_and = row<2, Domain::Bool, [](int64_t a, int64_t b) { return a != 0 && b != 0; }>("logical_and", SOp::And);
constexpr OpDef def_logical_or = row<2, Domain::Bool, [](int64_t a, int64_t b) { return a != 0 || b != 0; }>("logical_or", SOp::Or);
constexpr OpDef def_logical_xor = row<2, Domain::Bool, [](int64_t a, int64_t b) { return a != b; }>("logical_xor", SOp::Xor);
constexpr OpDef def_logical_not = row<1, Domain::Bool, [](int64_t a) { return a == 0; }>("logical_not", SOp::Not);
constexpr OpDef def_bit_and = row<2, Domain::Integer, [](auto a, auto b) { return a & b; }>("bit_and", SOp::And);
constexpr OpDef def_bit_or = row<2, Domain::Integer, [](auto a, auto b) { return a | b; }>("bit_or", SOp::Or);
constexpr OpDef def_bit_xor = row<2, Domain::Integer, [](auto a, auto b) { return a ^ b; }>("bit_xor", SOp::Xor);
constexpr OpDef def_bit_not = row<1, Domain::Integer, [](auto a) { return ~a; }>("bit_not", SOp::Not);
constexpr OpDef def_shift_left = row<2, Domain::Integer, [](auto a, auto b) {
  return static_cast<uint64_t>(b) < 64 ? static_cast<decltype(a)>(static_cast<uint64_t>(a) << b) : 0;
}>("shift_left", SOp::Shl);
constexpr OpDef def_shift_right = row<2, Domain::Integer, [](auto a, auto b) {
  return static_cast<uint64_t>(b) < 64 ? (a >> b) : static_cast<decltype(a)>(negative(a) ? -1 : 0);
}>("shift_right", SOp::Shr);
constexpr OpDef def_equal = row<2, Domain::Any, [](auto a, auto b) { return a == b; }>("equal", SOp::Eq);
constexpr OpDef def_less = row<2, Domain::Number, [](auto a, auto b) { return a < b; }>("less", SOp::Lt);
constexpr OpDef def_less_equal = row<2, Domain::Number, [](auto a, auto b) { return a <= b; }>("less_equal", SOp::Le);
constexpr OpDef def_is_nan = row<1, Domain::Float, [](double x) { return std::isnan(x); }>("is_nan", SOp::IsNan);
constexpr OpDef def_is_inf = row<1, Domain::Float, [](double x) { return std::isinf(x); }>("is_inf", SOp::IsInf);

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

constexpr OpDef def_select{.name = "select", .kind = OpKind::Elementwise, .min_inputs = 3, .max_inputs = 3,
                           .infer = infer_select, .eval = eval_select, .lower = lower_elementwise, .scalar = SOp::Select};

}  // namespace tenon
