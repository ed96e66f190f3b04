// Composites that are worth keeping whole: softmax, log_softmax, layer_norm. Their temporaries are rows
// that a kernel keeps close; statements share the leading axes.
#include <algorithm>
#include <cmath>
#include <limits>

#include "bound.h"
#include "lower.h"

namespace tenon {

namespace {

Result<size_t> axis_of(const Node& node, const Value& x) {
  int64_t axis = node.attrs.get<Attr::axis>();
  if (axis < 0 || axis >= static_cast<int64_t>(x.dims.size()))
    return fail(Code::E0206, "axis " + std::to_string(axis) + " of a tensor of rank " + std::to_string(x.dims.size()));
  return static_cast<size_t>(axis);
}

Result<void> float_only(const Value& x) {
  if (!is_float(x.type)) return fail(Code::E0205, "needs a float type, not " + std::string(spelling(x.type)));
  return {};
}

Result<std::vector<ValueType>> infer_softmax(Graph& graph, const Node& node) {
  const Value& x = graph.values[node.inputs[0]];
  TENON_DO(float_only(x));
  TENON_DO(axis_of(node, x));
  return std::vector{ValueType{x.type, x.dims}};
}

std::vector<Expr> without(const std::vector<Expr>& all, const std::vector<int64_t>& axes) {
  std::vector<Expr> kept;
  for (size_t d = 0; d < all.size(); ++d)
    if (std::ranges::find(axes, static_cast<int64_t>(d)) == axes.end()) kept.push_back(all[d]);
  return kept;
}

// temporary[kept axes] = finish(reduction over `axes` of term(indices)), in x's compute type.
template <class Term, class Finish>
BufferId reduce_rows(Lower& l, const char* name, const std::vector<int64_t>& axes, Monoid monoid, Term term,
                     Finish finish) {
  const std::vector<Expr>& dims = l.dims(l.in(0));
  DType type = compute_type(l.buffer(l.in(0)).type);
  Expr init = l.number(type, monoid == Monoid::Max ? -std::numeric_limits<double>::infinity() : 0);
  BufferId out = l.temporary(l.buffer(l.out()).name + "." + name, type, without(dims, axes));
  std::vector<Expr> indices = l.axes(l.dims(l.in(0))), reduce;
  for (int64_t a : axes) reduce.push_back(indices[static_cast<size_t>(a)]);
  Accumulator acc = l.accumulator(name, type, init, monoid);
  acc.update = l.p.binary(monoid == Monoid::Max ? SOp::Max : SOp::Add, acc.var, term(indices));
  Statement& s = l.store(out, without(indices, axes), finish(acc.var));
  s.reduce_axes = std::move(reduce);
  s.accumulators = {acc};
  return out;
}

void lower_softmax(LowerInput& in) {
  Lower l(in);
  ExprPool& p = l.p;
  const std::vector<int64_t> axes{l.attrs().get<Attr::axis>()};
  auto itself = [](Expr e) { return e; };
  BufferId most = reduce_rows(l, "max", axes, Monoid::Max, [&](auto& i) { return l.load(l.in(0), i); }, itself);
  BufferId powers = l.temporary(l.buffer(l.out()).name + ".exp", compute_type(l.buffer(l.in(0)).type), l.dims(l.out()));
  std::vector<Expr> i = l.axes(l.dims(l.out()));
  Expr shifted = p.binary(SOp::Sub, l.load(l.in(0), i), l.load(most, without(i, axes)));
  l.store(powers, i, p.unary(SOp::Exp, shifted));
  BufferId total = reduce_rows(l, "sum", axes, Monoid::Sum, [&](auto& j) { return l.load(powers, j); }, itself);
  i = l.axes(l.dims(l.out()));
  l.store(l.out(), i, p.binary(SOp::Div, l.load(powers, i), l.load(total, without(i, axes))));
}

// Calls row(offset of its first element, elements, stride) for every row of x along the node's axis.
template <class Row>
void each_row(const EvalInput& in, Row row) {
  const std::vector<int64_t>& dims = in.inputs[0]->dims;
  auto axis = in.node.attrs.get<Attr::axis>();
  int64_t extent = dims[static_cast<size_t>(axis)], outer = count({dims.begin(), dims.begin() + axis});
  int64_t stride = count({dims.begin() + axis + 1, dims.end()});
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t k = 0; k < stride; ++k) row(o * extent * stride + k, extent, stride);
}

std::vector<Tensor> eval_any_softmax(const EvalInput& in, bool log) {
  Tensor out = *in.inputs[0];
  each_row(in, [&](int64_t first, int64_t extent, int64_t stride) {
    auto at = [&](int64_t k) -> double& { return out.f[static_cast<size_t>(first + k * stride)]; };
    double most = -std::numeric_limits<double>::infinity(), total = 0;
    for (int64_t k = 0; k < extent; ++k) most = std::isnan(at(k)) || at(k) > most ? at(k) : most;
    for (int64_t k = 0; k < extent; ++k) total += std::exp(at(k) - most);
    for (int64_t k = 0; k < extent; ++k)
      at(k) = log ? at(k) - most - std::log(total) : std::exp(at(k) - most) / total;
  });
  return {std::move(out)};
}

std::vector<Tensor> eval_softmax(const EvalInput& in) { return eval_any_softmax(in, false); }
std::vector<Tensor> eval_log_softmax(const EvalInput& in) { return eval_any_softmax(in, true); }

// p = exp(x - m) / sum: relative, the error of x and of the difference, those of the whole row weighted by p,
// and the roundings of exp, sum and quotient. m itself cancels out.
std::vector<Tensor> softmax_bounds(const BoundInput& in) {
  const Tensor &x = *in.eval.inputs[0], &p = in.results[0];
  const double u = unit_roundoff(compute_type(x.type));
  Tensor bound = no_error(p);
  each_row(in.eval, [&](int64_t first, int64_t extent, int64_t stride) {
    auto at = [&](int64_t k) { return static_cast<size_t>(first + k * stride); };
    double most = -std::numeric_limits<double>::infinity(), shared = 0;
    for (int64_t k = 0; k < extent; ++k) most = std::max(most, x.f[at(k)]);
    auto own = [&](int64_t k) { return error_at(in, 0, at(k)) + u * std::abs(x.f[at(k)] - most); };
    for (int64_t k = 0; k < extent; ++k)
      if (p.f[at(k)] > 0) shared += p.f[at(k)] * own(k);
    const double rounded = (2 * roundings_of(in, def_exp) + sum_roundings(static_cast<double>(extent)) + 1) * u;
    for (int64_t k = 0; k < extent; ++k) {
      const double e = std::expm1(own(k) + shared + rounded);
      bound.f[at(k)] = (p.f[at(k)] > 0 ? p.f[at(k)] * e : 0) + unit_roundoff(p.type) * p.f[at(k)] + 0x1p-126;
    }
  });
  return {std::move(bound)};
}

// x - max - log(sum(exp(x - max))), in the compute type of x.
Result<std::vector<ValueId>> decompose_log_softmax(Graph& graph, const Node& node) {
  DType type = graph.values[node.inputs[0]].type, wide = compute_type(type);
  auto make = [&](Op op, std::vector<ValueId> inputs, Attrs attrs = {}) {
    return add_node(graph, {.op = op, .inputs = std::move(inputs), .outputs = {}, .attrs = std::move(attrs),
                            .origin = node.origin});
  };
  auto rows = Attrs().set<Attr::axes>({node.attrs.get<Attr::axis>()}).set<Attr::keep_dims>(1);
  ValueId x = node.inputs[0];
  if (wide != type) {
    TENON_TRY(x, make(Op::cast, {x}, Attrs().set<Attr::to>(wide)));
  }
  TENON_TRY(ValueId most, make(Op::reduce_max, {x}, rows));
  TENON_TRY(ValueId shifted, make(Op::sub, {x, most}));
  TENON_TRY(ValueId powers, make(Op::exp, {shifted}));
  TENON_TRY(ValueId total, make(Op::reduce_sum, {powers}, rows));
  TENON_TRY(ValueId logarithm, make(Op::log, {total}));
  TENON_TRY(ValueId result, make(Op::sub, {shifted, logarithm}));
  if (wide != type) {
    TENON_TRY(result, make(Op::cast, {result}, Attrs().set<Attr::to>(type)));
  }
  return std::vector{result};
}

// layer_norm: (x - mean) / sqrt(variance + epsilon) * scale + bias over `axes`; mode "rms" leaves the mean out.

bool is_rms(const Attrs& attrs) { return attrs.get_or<Attr::mode>("mean") == "rms"; }

Result<std::vector<ValueType>> infer_layer_norm(Graph& graph, const Node& node) {
  const Value& x = graph.values[node.inputs[0]];
  TENON_DO(float_only(x));
  const std::string mode = node.attrs.get_or<Attr::mode>("mean");
  if (mode != "mean" && mode != "rms") return fail(Code::E0206, "mode \"" + mode + "\" is neither mean nor rms");
  for (int64_t a : node.attrs.get<Attr::axes>())
    if (a < 0 || a >= static_cast<int64_t>(x.dims.size())) return fail(Code::E0206, "axes lie outside the tensor's rank");
  const std::vector<Expr> dims = x.dims;
  for (size_t k = 1; k < node.inputs.size(); ++k) {
    if (!node.inputs[k].valid()) continue;
    TENON_DO(float_only(graph.values[node.inputs[k]]));
    std::vector<Expr> both[] = {dims, graph.values[node.inputs[k]].dims};
    TENON_TRY(std::vector<Expr> broadcast, broadcast_dims(graph, both));
    if (broadcast.size() != dims.size()) return fail(Code::E0204, "scale or bias has a higher rank than x");
  }
  return std::vector{ValueType{graph.values[node.inputs[0]].type, graph.values[node.inputs[0]].dims}};
}

void lower_layer_norm(LowerInput& in) {
  Lower l(in);
  ExprPool& p = l.p;
  const std::vector<int64_t>& axes = l.attrs().get<Attr::axes>();
  DType type = compute_type(l.buffer(l.in(0)).type);
  Expr extent = p.index(1);
  for (int64_t a : axes) extent = p.mul(extent, l.dims(l.in(0))[static_cast<size_t>(a)]);
  Expr n = p.cast(extent, type);
  auto mean_of = [&](Expr sum) { return p.binary(SOp::Div, sum, n); };
  auto inverse_root = [&](Expr sum) {
    Expr biased = p.binary(SOp::Add, mean_of(sum), p.constant(type, l.attrs().get_or<Attr::epsilon>(1e-5)));
    return p.binary(SOp::Div, p.constant(type, 1), p.unary(SOp::Sqrt, biased));
  };
  BufferId mean = {};
  if (!is_rms(l.attrs()))
    mean = reduce_rows(l, "mean", axes, Monoid::Sum, [&](auto& i) { return l.load(l.in(0), i); }, mean_of);
  auto centred = [&](const std::vector<Expr>& i) {
    Expr x = l.load(l.in(0), i);
    return mean.valid() ? p.binary(SOp::Sub, x, l.load(mean, without(i, axes))) : x;
  };
  auto square = [&](const std::vector<Expr>& i) { return p.binary(SOp::Mul, centred(i), centred(i)); };
  BufferId factor = reduce_rows(l, "rstd", axes, Monoid::Sum, square, inverse_root);
  std::vector<Expr> i = l.axes(l.dims(l.out()));
  Expr result = p.binary(SOp::Mul, centred(i), l.load(factor, without(i, axes)));
  if (l.in(1).valid()) result = p.binary(SOp::Mul, result, p.cast(l.load_broadcast(l.in(1), i), type));
  if (l.in(2).valid()) result = p.binary(SOp::Add, result, p.cast(l.load_broadcast(l.in(2), i), type));
  l.store(l.out(), i, result);
}

// The rows that the statistics of a norm are taken over.
struct Rows {
  std::vector<int64_t> x, dims;  // of x; of the statistics, reduced dims kept as 1
  double n = 1;                  // elements of a row

  Rows(const std::vector<int64_t>& of, const std::vector<int64_t>& axes) : x(of), dims(of) {
    for (int64_t a : axes) n *= static_cast<double>(std::exchange(dims[static_cast<size_t>(a)], 1));
  }
  size_t count() const { return static_cast<size_t>(tenon::count(dims)); }
  // Offset of the element of a tensor of dims `from` that broadcasts to element k of x.
  size_t offset(const std::vector<int64_t>& from, size_t k) const {
    size_t at = 0, scale = 1;
    for (size_t d = x.size(), e = from.size(); e-- > 0;) {
      auto extent = static_cast<size_t>(x[--d]);
      if (from[e] != 1) at += k % extent * scale;
      scale *= static_cast<size_t>(from[e]);
      k /= extent;
    }
    return at;
  }
};

std::vector<Tensor> eval_layer_norm(const EvalInput& in) {
  const Tensor& x = *in.inputs[0];
  const Rows rows(x.dims, in.node.attrs.get<Attr::axes>());
  std::vector<double> mean(rows.count()), variance(mean.size());
  for (size_t k = 0; !is_rms(in.node.attrs) && k < x.f.size(); ++k) mean[rows.offset(rows.dims, k)] += x.f[k] / rows.n;
  for (size_t k = 0; k < x.f.size(); ++k) variance[rows.offset(rows.dims, k)] += std::pow(x.f[k] - mean[rows.offset(rows.dims, k)], 2) / rows.n;
  double epsilon = in.node.attrs.get_or<Attr::epsilon>(1e-5);
  auto operand = [&](size_t i) { return i < in.inputs.size() ? in.inputs[i] : nullptr; };
  Tensor out = x;
  for (size_t k = 0; k < x.f.size(); ++k) {
    double y = (x.f[k] - mean[rows.offset(rows.dims, k)]) / std::sqrt(variance[rows.offset(rows.dims, k)] + epsilon);
    if (const Tensor* scale = operand(1)) y *= scale->f[rows.offset(scale->dims, k)];
    if (const Tensor* bias = operand(2)) y += bias->f[rows.offset(bias->dims, k)];
    out.f[k] = y;
  }
  return {std::move(out)};
}

// With d = x - mean and r = 1/sqrt(v + epsilon): first-order errors of mean, v, r and the product, in turn.
std::vector<Tensor> layer_norm_bounds(const BoundInput& in) {
  const Tensor& x = *in.eval.inputs[0];
  const Rows rows(x.dims, in.eval.node.attrs.get<Attr::axes>());
  const double u = unit_roundoff(compute_type(x.type)), epsilon = in.eval.node.attrs.get_or<Attr::epsilon>(1e-5);
  const double sum = sum_roundings(rows.n) + 1;
  const bool centred = !is_rms(in.eval.node.attrs);
  std::vector<double> mean(rows.count()), size(mean.size()), mean_error(mean.size());
  for (size_t k = 0; centred && k < x.f.size(); ++k) {
    const size_t r = rows.offset(rows.dims, k);
    mean[r] += x.f[k] / rows.n;
    mean_error[r] += (sum * u * std::abs(x.f[k]) + error_at(in, 0, k)) / rows.n;
  }
  auto difference = [&](size_t k) { return x.f[k] - mean[rows.offset(rows.dims, k)]; };
  auto difference_error = [&](size_t k) {
    return error_at(in, 0, k) + mean_error[rows.offset(rows.dims, k)] + (centred ? u * std::abs(difference(k)) : 0);
  };
  std::vector<double> variance(mean.size()), variance_error(mean.size());
  for (size_t k = 0; k < x.f.size(); ++k) {
    const size_t r = rows.offset(rows.dims, k);
    const double d = difference(k), e = difference_error(k);
    variance[r] += d * d / rows.n;
    variance_error[r] += (2 * std::abs(d) * e + e * e + (sum + 1) * u * d * d) / rows.n;
  }
  Tensor bound = no_error(in.results[0]);
  for (size_t k = 0; k < x.f.size(); ++k) {
    const size_t r = rows.offset(rows.dims, k);
    const double factor = 1 / std::sqrt(variance[r] + epsilon), relative = variance_error[r] / (2 * (variance[r] + epsilon)) + 3 * u;
    const double d = std::abs(difference(k));
    double e = factor * difference_error(k) + d * factor * relative, y = d * factor;
    for (size_t operand : {size_t{1}, size_t{2}}) {
      const Tensor* t = operand < in.eval.inputs.size() ? in.eval.inputs[operand] : nullptr;
      if (!t) continue;
      const size_t at = rows.offset(t->dims, k);
      const double value = std::abs(t->f[at]), error = error_at(in, operand, at);
      e = operand == 1 ? e * (value + error) + y * error : e + error;
      y = operand == 1 ? y * value : y + value;
    }
    bound.f[k] = e + 3 * u * y + unit_roundoff(in.results[0].type) * y + 0x1p-126;
  }
  return {std::move(bound)};
}

}  // namespace

constexpr OpDef def_softmax{.name = "softmax", .kind = OpKind::Composite, .attrs = {Attr::axis}, .needs = {Attr::axis},
                            .infer = infer_softmax, .eval = eval_softmax, .lower = lower_softmax, .bound = softmax_bounds};
static_assert(complete(def_softmax));

constexpr OpDef def_log_softmax{.name = "log_softmax", .kind = OpKind::Composite, .attrs = {Attr::axis}, .needs = {Attr::axis},
                                .infer = infer_softmax, .eval = eval_log_softmax, .decompose = decompose_log_softmax};
static_assert(complete(def_log_softmax));

constexpr OpDef def_layer_norm{.name = "layer_norm", .kind = OpKind::Composite, .max_inputs = 3,
                               .attrs = {Attr::axes, Attr::epsilon, Attr::mode},
                               .needs = {Attr::axes},
                               .infer = infer_layer_norm, .eval = eval_layer_norm, .lower = lower_layer_norm,
                               .bound = layer_norm_bounds};
static_assert(complete(def_layer_norm));

}  // namespace tenon
