// quantize: y = sat(rne(x / scale) + zero_point); dequantize: x = (q - zero_point) * scale. Scale and zero
// point are scalars (per tensor), vectors along axis, or of x's rank with one entry per `block` indices
// along axis. For 8-bit and 4-bit floats the conversion itself rounds and saturates.
#include <algorithm>
#include <cmath>

#include "bound.h"
#include "eval.h"
#include "infer.h"
#include "lower.h"
#include "tenon/narrow_float.h"

namespace tenon {

namespace {

// The dims of scale fit x; zero point fits scale.
Result<void> check_parameters(Graph& graph, const Node& node) {
  const std::vector<Expr> x = input(graph, node, 0).dims, scale = input(graph, node, 1).dims;
  int64_t block = node.attrs.get_or<Attr::block>(0);
  if (!is_float(input(graph, node, 1).type)) return type_error("scale must be a float");
  bool per_tensor = scale.empty() || (scale.size() == 1 && block == 0 && graph.pool.is_index(scale[0], 1));
  if (!per_tensor) {
    TENON_TRY(size_t axis, axis_of(node, x.size()));
    if (scale.size() != (block > 0 ? x.size() : 1)) return shape_error("scale has the wrong rank");
    for (size_t d = 0; d < scale.size(); ++d) {
      Expr extent = x[block > 0 ? d : axis];
      if (block > 0 && d == axis) extent = graph.pool.ceildiv(extent, graph.pool.index(block));
      TENON_DO(unify_dims(graph, scale[d], extent));
    }
  }
  if (has_input(node, 2)) {
    const std::vector<Expr> zero = input(graph, node, 2).dims;
    if (zero.size() != scale.size()) return shape_error("scale and zero point differ in rank");
    for (size_t d = 0; d < zero.size(); ++d) TENON_DO(unify_dims(graph, scale[d], zero[d]));
  }
  return {};
}

bool is_quantized(DType type) {
  return (is_integer(type) && bits(type) <= 32) || (is_float(type) && bits(type) <= 8);
}

Result<Types> infer_quantize(Graph& graph, const Node& node) {
  TENON_DO(check_parameters(graph, node));
  const ValueType x = type_of(graph, node, 0);
  DType to = has_input(node, 2) ? input(graph, node, 2).type : node.attrs.get_or<Attr::to>(DType::U8);
  if (node.attrs.get_or<Attr::to>(to) != to)
    return type_error("attribute `to` differs from the zero point's type");
  if (!is_float(x.type) && x.type != DType::I32) return type_error("only floats and i32 are quantized");
  if (!is_quantized(to) || bits(to) > 16)
    return type_error("not a quantized type: " + std::string(spelling(to)));
  return Types{{to, x.dims}};
}

Result<Types> infer_dequantize(Graph& graph, const Node& node) {
  TENON_DO(check_parameters(graph, node));
  const ValueType q = type_of(graph, node, 0);
  if (has_input(node, 2)) TENON_DO(same_type(graph, node, 0, 2));
  if (!is_quantized(q.type)) return type_error("not a quantized type: " + std::string(spelling(q.type)));
  DType to = node.attrs.get_or<Attr::to>(input(graph, node, 1).type);
  if (!is_float(to)) return type_error("dequantize makes floats");
  return Types{{to, q.dims}};
}

// Where in `parameter` (scale or zero point) the entry for x's element `index` lies.
int64_t parameter_offset(const EvalInput& in, const Tensor& parameter, const Dims& index) {
  if (parameter.count() == 1) return 0;
  auto axis = static_cast<size_t>(in.node.attrs.get<Attr::axis>());
  int64_t block = in.node.attrs.get_or<Attr::block>(0);
  if (block == 0) return index[axis];
  Dims at = index;
  at[axis] /= block;
  return offset_of(at, strides_of(parameter.dims));
}

double zero_point(const EvalInput& in, int64_t at) {
  if (!has_input(in, 2) || is_float(input(in, 2).type)) return 0;
  return static_cast<double>(input(in, 2).i[static_cast<size_t>(at)]);
}

std::vector<Tensor> eval_quantize(const EvalInput& in) {
  const Tensor &x = input(in, 0), &scale = input(in, 1);
  Tensor out = make_output(in);
  bool saturate = in.node.attrs.get_or<Attr::saturate>(1) != 0;
  for_each_index(x.dims, [&](const Dims& index, int64_t k) {
    auto e = static_cast<size_t>(k);
    int64_t at = parameter_offset(in, scale, index);
    double quotient =
        (is_float(x.type) ? x.f[e] : static_cast<double>(x.i[e])) / scale.f[static_cast<size_t>(at)];
    if (is_float(out.type)) {
      out.f[e] = round_to(out.type, quotient, saturate);
    } else {
      double q = std::nearbyint(quotient) + zero_point(in, at);
      auto lo = static_cast<double>(least(out.type)), hi = static_cast<double>(greatest(out.type));
      out.i[e] = std::isnan(q) ? 0 : static_cast<int64_t>(std::clamp(q, lo, hi));
    }
  });
  return one(std::move(out));
}

std::vector<Tensor> eval_dequantize(const EvalInput& in) {
  const Tensor &q = input(in, 0), &scale = input(in, 1);
  Tensor out = make_output(in);
  for_each_index(q.dims, [&](const Dims& index, int64_t k) {
    auto e = static_cast<size_t>(k);
    int64_t at = parameter_offset(in, scale, index);
    double value = is_float(q.type) ? q.f[e] : static_cast<double>(q.i[e]);
    out.f[e] = (value - zero_point(in, at)) * scale.f[static_cast<size_t>(at)];
  });
  return one(std::move(out));
}

Expr load_parameter(Lower& l, size_t operand, const std::vector<Expr>& axes, DType compute) {
  ExprPool& p = l.p;
  BufferId b = l.in(operand);
  int64_t block = l.attrs().get_or<Attr::block>(0);
  std::vector<Expr> at;
  if (l.rank(b) == 1 && block == 0) {
    bool per_tensor = p.is_index(l.dims(b)[0], 1);
    at = {per_tensor ? p.index(0) : axes[static_cast<size_t>(l.attrs().get<Attr::axis>())]};
  } else if (l.rank(b) > 0) {
    at = axes;
    Expr& along = at[static_cast<size_t>(l.attrs().get<Attr::axis>())];
    along = p.floordiv(along, p.index(block));
  }
  return p.cast(l.load(b, at), compute);
}

DType arithmetic_type(DType a, DType b) {
  return a == DType::F64 || b == DType::F64 ? DType::F64 : DType::F32;
}

bool has_zero_point(Lower& l) { return l.in(2).valid() && is_integer(l.buffer(l.in(2)).type); }

void lower_quantize(LowerInput& in) {
  Lower l(in);
  ExprPool& p = l.p;
  std::vector<Expr> axes = l.axes(l.dims(l.out()));
  DType to = l.buffer(l.out()).type, t = arithmetic_type(l.buffer(l.in(0)).type, l.buffer(l.in(1)).type);
  Expr value = p.binary(SOp::Div, p.cast(l.load(l.in(0), axes), t), load_parameter(l, 1, axes, t));
  if (is_integer(to)) value = p.unary(SOp::Round, value);
  if (has_zero_point(l)) value = p.binary(SOp::Add, value, load_parameter(l, 2, axes, t));
  bool saturate = is_integer(to) || l.attrs().get_or<Attr::saturate>(1) != 0;
  l.store(l.out(), axes, p.make(saturate ? SOp::CastSat : SOp::Cast, to, std::array{value}));
}

void lower_dequantize(LowerInput& in) {
  Lower l(in);
  ExprPool& p = l.p;
  std::vector<Expr> axes = l.axes(l.dims(l.out()));
  DType t = arithmetic_type(l.buffer(l.out()).type, l.buffer(l.in(1)).type);
  Expr value = p.cast(l.load(l.in(0), axes), t);
  if (has_zero_point(l)) value = p.binary(SOp::Sub, value, load_parameter(l, 2, axes, t));
  l.store(l.out(), axes, p.binary(SOp::Mul, value, load_parameter(l, 1, axes, t)));
}

// The quotient is rounded before it becomes an integer: a value near a tie may go to either side.
std::vector<Tensor> quantize_bounds(const BoundInput& in) {
  const Tensor& x = input(in.eval, 0);
  Tensor error = no_error(x);
  for (size_t k = 0; k < error.f.size(); ++k) {
    const double size = x.f.empty() ? static_cast<double>(x.i[k]) : x.f[k];
    error.f[k] = error_at(in, 0, k) + 2 * unit_roundoff(DType::F32) * std::abs(size);
  }
  std::vector<const Tensor*> errors(in.errors.begin(), in.errors.end());
  errors[0] = &error;
  // Integers are compared through a float operand, so that the quotient moves by less than one.
  Tensor real = x;
  if (x.f.empty()) {
    real.type = DType::F64;
    real.f.assign(x.i.begin(), x.i.end());
    real.i.clear();
  }
  std::vector<const Tensor*> inputs(in.eval.inputs.begin(), in.eval.inputs.end());
  inputs[0] = &real;
  const EvalInput eval{in.eval.node, inputs, in.eval.output_types, in.eval.output_dims, in.eval.dims};
  return monotone_bounds({eval, errors, in.results});
}

}  // namespace

constexpr OpDef def_quantize{.name = "quantize",
                             .kind = OpKind::Elementwise,
                             .min_inputs = 2,
                             .max_inputs = 3,
                             .attrs = {Attr::axis, Attr::block, Attr::to, Attr::saturate},
                             .infer = infer_quantize,
                             .eval = eval_quantize,
                             .lower = lower_quantize,
                             .bound = quantize_bounds};
constexpr OpDef def_dequantize{.name = "dequantize",
                               .kind = OpKind::Elementwise,
                               .min_inputs = 2,
                               .max_inputs = 3,
                               .attrs = {Attr::axis, Attr::block, Attr::to},
                               .infer = infer_dequantize,
                               .eval = eval_dequantize,
                               .lower = lower_dequantize,
                               .roundings = 2};

static_assert(complete(def_quantize) && complete(def_dequantize));

}  // namespace tenon
