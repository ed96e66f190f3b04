// Arithmetic, comparison, logic, conversion: mostly one core op each.
#include <onnx/onnx_pb.h>

#include "families.h"

namespace tenon::frontend {

namespace {

template <Op op>
Vals direct(OnnxNode& n) { return {n.b.emit(op, n.operands())}; }

// Before opset 7 (`broadcast`, `axis`) the right operand's dims could start at any dim of the left's.
Val right_operand(OnnxNode& n) {
  Val a = n[0], b = n[1];
  if (n.opset >= 7 || !n.has("axis") || b.rank() == 0) return b;
  int axis = n.axis("axis", a.rank());
  n.require(axis + b.rank() <= a.rank(), "the operands do not fit at axis " + std::to_string(axis));
  Dims dims = b.dims();
  dims.resize(static_cast<size_t>(a.rank() - axis), n.pool.index(1));
  return reshape(b, dims);
}

template <Op op>
Vals binary(OnnxNode& n) { return {n.b.emit(op, {n[0], right_operand(n)})}; }

template <Op op>
Vals swapped(OnnxNode& n) { return {n.b.emit(op, {right_operand(n), n[0]})}; }

// Any number of operands, from the left.
template <Op op>
Vals folded(OnnxNode& n) {
  Val result = n[0];
  for (size_t i = 1; i < n.operands().size(); ++i) result = n.b.emit(op, {result, n[i]});
  return {result};
}

Vals mean_of_operands(OnnxNode& n) { return {folded<Op::add>(n)[0] / static_cast<double>(n.operands().size())}; }

Vals mod(OnnxNode& n) { return {n.b.emit(n.flag("fmod") ? Op::rem : Op::mod, {n[0], n[1]})}; }

// The result has the base's type, whatever the exponent's.
Vals power(OnnxNode& n) {
  Val base = n[0], exponent = right_operand(n);
  DType type = is_float(base.type()) ? base.type() : is_float(exponent.type()) ? exponent.type() : DType::F64;
  return {cast(pow(cast(base, type), cast(exponent, type)), base.type())};
}

Vals reciprocal(OnnxNode& n) { return {1.0 / n[0]}; }

Vals bit_shift(OnnxNode& n) {
  return {n.b.emit(n.text("direction") == "LEFT" ? Op::shift_left : Op::shift_right, {n[0], n[1]})};
}

Vals is_inf(OnnxNode& n) {
  Val x = n[0], infinite = n.b.emit(Op::is_inf, {x});
  bool negative = n.flag("detect_negative"), positive = n.flag("detect_positive");
  if (negative && positive) return {infinite};
  if (!negative && !positive) return {broadcast(n.b.scalar(DType::Bool, 0), x.dims())};
  return {logical_and(infinite, positive ? 0.0 < x : x < 0.0)};
}

// Bounds were attributes before opset 11.
Vals clip(OnnxNode& n) {
  Val x = n[0];
  if (Val low = n.opt(1)) x = max(x, low);
  else if (n.has("min")) x = max(x, n.real("min"));
  if (Val high = n.opt(2)) return {min(x, high)};
  return {n.has("max") ? min(x, n.real("max")) : x};
}

Val converted(OnnxNode& n, DType type) {
  for (DType t : {type, n[0].type()})
    if (t == DType::String || is_complex(t))
      refuse(Code::E0303, n.op() + " to or from " + std::string(spelling(t)) + " is not supported");
  if (type == n[0].type()) return n[0];
  Attrs attrs = Attrs().set<Attr::to>(type);
  if (is_float(type) && bits(type) <= 8) attrs.set<Attr::saturate>(n.integer_or("saturate", 1));
  return n.b.emit(Op::cast, {n[0]}, attrs);
}
// Before opset 6 the type was spelled out.
Vals cast_to(OnnxNode& n) {
  if (n.opset >= 6) return {converted(n, n.type("to"))};
  onnx::TensorProto::DataType type{};
  if (!onnx::TensorProto::DataType_Parse(n.text("to"), &type)) n.malformed("unknown element type '" + n.text("to") + "'");
  return {converted(n, dtype_from_onnx(type).value_or(DType::String))};
}
Vals cast_like(OnnxNode& n) { return {converted(n, n[1].type())}; }
Vals bit_cast(OnnxNode& n) { return {n.b.emit(Op::bitcast, {n[0]}, Attrs().set<Attr::to>(n.type("to")))}; }

constexpr ImportRow kRows[] = {
    {"Abs", direct<Op::abs>},         {"Acos", direct<Op::acos>},       {"Acosh", direct<Op::acosh>},
    {"Add", binary<Op::add>},         {"And", binary<Op::logical_and>}, {"Asin", direct<Op::asin>},
    {"Asinh", direct<Op::asinh>},     {"Atan", direct<Op::atan>},       {"Atanh", direct<Op::atanh>},
    {"BitCast", bit_cast},            {"BitShift", bit_shift},          {"BitwiseAnd", direct<Op::bit_and>},
    {"BitwiseNot", direct<Op::bit_not>}, {"BitwiseOr", direct<Op::bit_or>}, {"BitwiseXor", direct<Op::bit_xor>},
    {"Cast", cast_to},                {"CastLike", cast_like},          {"Ceil", direct<Op::ceil>},
    {"Clip", clip},                   {"Cos", direct<Op::cos>},         {"Cosh", direct<Op::cosh>},
    {"Div", binary<Op::div>},         {"Equal", binary<Op::equal>},     {"Erf", direct<Op::erf>},
    {"Exp", direct<Op::exp>},         {"Floor", direct<Op::floor>},     {"Greater", swapped<Op::less>},
    {"GreaterOrEqual", swapped<Op::less_equal>}, {"IsInf", is_inf},     {"IsNaN", direct<Op::is_nan>},
    {"Less", binary<Op::less>},       {"LessOrEqual", direct<Op::less_equal>}, {"Log", direct<Op::log>},
    {"Max", folded<Op::max>},         {"Mean", mean_of_operands},       {"Min", folded<Op::min>},
    {"Mod", mod},                     {"Mul", binary<Op::mul>},         {"Neg", direct<Op::neg>},
    {"Not", direct<Op::logical_not>}, {"Or", binary<Op::logical_or>},   {"Pow", power},
    {"Reciprocal", reciprocal},       {"Round", direct<Op::round>},     {"Sigmoid", direct<Op::sigmoid>},
    {"Sign", direct<Op::sign>},       {"Sin", direct<Op::sin>},         {"Sinh", direct<Op::sinh>},
    {"Sqrt", direct<Op::sqrt>},       {"Sub", binary<Op::sub>},         {"Sum", folded<Op::add>},
    {"Tan", direct<Op::tan>},         {"Tanh", direct<Op::tanh>},       {"Where", direct<Op::select>},
    {"Xor", binary<Op::logical_xor>},
};

}  // namespace

std::span<const ImportRow> elementwise_imports() { return kRows; }

}  // namespace tenon::frontend
