// Reductions over axes, index of the extremum, running sums and products.
#include <algorithm>
#include <cmath>

#include "bound.h"
#include "eval.h"
#include "infer.h"
#include "lower.h"

namespace tenon {

namespace {

bool reduces(const attr::Ints& axes, size_t d) {
  return std::ranges::find(axes, static_cast<int64_t>(d)) != axes.end();
}

// The dims that stay, with 1 for reduced ones under keep_dims.
std::vector<Expr> reduced_dims(ExprPool& p, const std::vector<Expr>& x, const attr::Ints& axes, bool keep) {
  std::vector<Expr> dims;
  for (size_t d = 0; d < x.size(); ++d) {
    if (!reduces(axes, d))
      dims.push_back(x[d]);
    else if (keep)
      dims.push_back(p.index(1));
  }
  return dims;
}

// --- reduce_sum, reduce_prod, reduce_max, reduce_min: attrs axes, keep_dims.

Result<Types> infer_reduce(Graph& graph, const Node& node) {
  const ValueType x = type_of(graph, node, 0);
  const attr::Ints& axes = node.attrs.get<Attr::axes>();
  if (!is_float(x.type) && !is_integer(x.type)) return type_error("only numbers can be reduced");
  for (int64_t a : axes)
    if (a < 0 || a >= static_cast<int64_t>(x.dims.size()))
      return attr_error("reduced axis outside the operand's rank");
  return Types{{x.type, reduced_dims(graph.pool, x.dims, axes, node.attrs.get_or<Attr::keep_dims>(0) != 0)}};
}

// Where element `index` of x goes: strides over x's dims, 0 along the reduced ones.
Dims result_strides(const Dims& x, const attr::Ints& axes) {
  Dims strides(x.size(), 0);
  int64_t stride = 1;
  for (size_t d = x.size(); d-- > 0;)
    if (!reduces(axes, d)) {
      strides[d] = stride;
      stride *= x[d];
    }
  return strides;
}

// What the reduction of no element is.
template <class T, Monoid monoid>
T neutral(DType type) {
  if (monoid == Monoid::Sum || monoid == Monoid::Prod) return monoid == Monoid::Prod ? T(1) : T(0);
  if constexpr (std::is_same_v<T, double>)
    return monoid == Monoid::Max ? -INFINITY : INFINITY;
  else
    return static_cast<T>(monoid == Monoid::Max ? least(type) : greatest(type));
}

template <class T, Monoid monoid>
T combine(T a, T b) {
  if constexpr (monoid == Monoid::Sum || monoid == Monoid::Prod) {
    using U = std::conditional_t<std::is_same_v<T, double>, double, uint64_t>;  // integers wrap around
    U x = static_cast<U>(a), y = static_cast<U>(b);
    return static_cast<T>(monoid == Monoid::Sum ? x + y : x * y);
  } else {
    if (a != a || b != b) return a + b;  // NaN stays
    return monoid == Monoid::Max ? std::max(a, b) : std::min(a, b);
  }
}

template <Monoid monoid>
std::vector<Tensor> eval_reduce(const EvalInput& in) {
  const Tensor& x = input(in, 0);
  Dims strides = result_strides(x.dims, in.node.attrs.get<Attr::axes>());
  Tensor out = make_output(in);
  with_wide(x.type, [&]<class T>() {
    std::fill_n(elements<T>(out), out.count(), neutral<T, monoid>(x.type));
    for_each_index(x.dims, [&](const Dims& index, int64_t k) {
      T& state = elements<T>(out)[offset_of(index, strides)];
      state = combine<T, monoid>(state, elements<T>(x)[k]);
    });
  });
  if (!is_float(out.type)) round_elements(out);
  return one(std::move(out));
}

Expr extreme(Lower& l, DType type, bool lowest) {
  if (is_float(type)) return l.p.constant(type, lowest ? -INFINITY : INFINITY);
  return l.p.constant_int(type, lowest ? least(type) : greatest(type));
}

// Axes of x: the result's where an axis stays, fresh reduce axes elsewhere.
std::vector<Expr> split_axes(Lower& l, const attr::Ints& reduced, const std::vector<Expr>& out_axes,
                             bool keep, std::vector<Expr>& reduce_axes) {
  std::vector<Expr> indices;
  size_t next = 0;
  for (size_t d = 0; d < l.rank(l.in(0)); ++d) {
    if (reduces(reduced, d)) {
      reduce_axes.push_back(l.p.axis("r" + std::to_string(d), l.dims(l.in(0))[d]));
      indices.push_back(reduce_axes.back());
      next += keep;
    } else {
      indices.push_back(out_axes[next++]);
    }
  }
  return indices;
}

template <SOp op, Monoid monoid>
void lower_reduce(LowerInput& in) {
  Lower l(in);
  std::vector<Expr> axes = l.axes(l.dims(l.out())), reduce_axes;
  bool keep = l.attrs().get_or<Attr::keep_dims>(0) != 0;
  Expr x = l.load(l.in(0), split_axes(l, l.attrs().get<Attr::axes>(), axes, keep, reduce_axes));
  DType type = l.p.type(x);
  Expr init = monoid == Monoid::Sum    ? l.zero(type)
              : monoid == Monoid::Prod ? l.number(type, 1)
                                       : extreme(l, type, monoid == Monoid::Max);
  Accumulator acc = l.accumulator("acc", type, init, monoid);
  acc.update = l.p.binary(op, acc.var, x);
  Statement& s = l.store(l.out(), axes, acc.var);
  s.reduce_axes = reduce_axes;
  s.accumulators = {acc};
}

// Terms of one sum or product, for error bounds.
double reduce_terms(const EvalInput& in) {
  return static_cast<double>(in.inputs[0]->count()) / static_cast<double>(std::max<int64_t>(count(in.output_dims[0]), 1));
}

// --- argmax, argmin: attrs axis, keep_dims, last_index. NaN is never the extremum.

Result<Types> infer_arg(Graph& graph, const Node& node) {
  const ValueType x = type_of(graph, node, 0);
  if (!is_float(x.type) && !is_integer(x.type)) return type_error("only numbers are ordered");
  TENON_TRY(size_t axis, axis_of(node, x.dims.size()));
  attr::Ints axes = {static_cast<int64_t>(axis)};
  return Types{
      {DType::I64, reduced_dims(graph.pool, x.dims, axes, node.attrs.get_or<Attr::keep_dims>(0) != 0)}};
}

template <bool largest>
std::vector<Tensor> eval_arg(const EvalInput& in) {
  const Tensor& x = input(in, 0);
  int64_t axis = in.node.attrs.get<Attr::axis>();
  bool last = in.node.attrs.get_or<Attr::last_index>(0) != 0;
  Dims strides = result_strides(x.dims, {axis});
  Tensor out = make_output(in);
  std::vector<int64_t> best(static_cast<size_t>(out.count()), -1);  // position in x
  auto before = [&](int64_t a, int64_t b) {
    return with_wide(x.type, [&]<class T>() { return elements<T>(x)[a] < elements<T>(x)[b]; });
  };
  for_each_index(x.dims, [&](const Dims& index, int64_t k) {
    if (is_float(x.type) && std::isnan(x.f[static_cast<size_t>(k)])) return;
    auto at = static_cast<size_t>(offset_of(index, strides));
    bool better = best[at] < 0 || (largest ? before(best[at], k) : before(k, best[at]));
    bool equal = best[at] >= 0 && !before(best[at], k) && !before(k, best[at]);
    if (!better && !(equal && last)) return;
    best[at] = k;
    out.i[at] = index[static_cast<size_t>(axis)];
  });
  return one(std::move(out));
}

template <bool largest>
void lower_arg(LowerInput& in) {
  Lower l(in);
  ExprPool& p = l.p;
  std::vector<Expr> axes = l.axes(l.dims(l.out())), reduce_axes;
  bool keep = l.attrs().get_or<Attr::keep_dims>(0) != 0, last = l.attrs().get_or<Attr::last_index>(0) != 0;
  Expr x = l.load(l.in(0), split_axes(l, {l.attrs().get<Attr::axis>()}, axes, keep, reduce_axes));
  Accumulator best = l.accumulator("best", p.type(x), extreme(l, p.type(x), largest), Monoid::Custom);
  Accumulator where = l.accumulator("where", DType::I64, l.zero(DType::I64), Monoid::Custom);
  SOp order = largest ? (last ? SOp::Ge : SOp::Gt) : (last ? SOp::Le : SOp::Lt);
  Expr better = p.binary(order, x, best.var);
  best.update = p.select(better, x, best.var);
  where.update = p.select(better, p.cast(reduce_axes[0], DType::I64), where.var);
  Statement& s = l.store(l.out(), axes, where.var);
  s.reduce_axes = reduce_axes;
  s.accumulators = {best, where};
}

// The index is certain where no other element comes within the errors of the extremum.
template <bool largest>
std::vector<Tensor> arg_bounds(const BoundInput& in) {
  Tensor bound = no_error(in.results[0]);
  if (exact_operands(in)) return one(std::move(bound));
  const Tensor& x = input(in.eval, 0);
  Dims strides = result_strides(x.dims, {in.eval.node.attrs.get<Attr::axis>()});
  std::vector<double> reached(bound.f.size(), -INFINITY);  // what the extremum is at least
  auto value = [&](size_t k) { return (largest ? 1 : -1) * (x.f.empty() ? static_cast<double>(x.i[k]) : x.f[k]); };
  auto each = [&](auto visit) {
    for_each_index(x.dims, [&](const Dims& index, int64_t k) {
      visit(static_cast<size_t>(offset_of(index, strides)), static_cast<size_t>(k));
    });
  };
  each([&](size_t at, size_t k) { reached[at] = std::max(reached[at], value(k) - error_at(in, 0, k)); });
  std::vector<int> candidates(bound.f.size());
  each([&](size_t at, size_t k) { candidates[at] += value(k) + error_at(in, 0, k) >= reached[at]; });
  for (size_t k = 0; k < candidates.size(); ++k)
    if (candidates[k] > 1) bound.f[k] = INFINITY;
  return one(std::move(bound));
}

// --- cumulate: running sum or product (mode) along axis; exclusive: without the element itself.

Result<Types> infer_cumulate(Graph& graph, const Node& node) {
  const ValueType x = type_of(graph, node, 0);
  if (!is_float(x.type) && !is_integer(x.type)) return type_error("only numbers can be summed");
  TENON_TRY(size_t axis, axis_of(node, x.dims.size()));
  (void)axis;
  const std::string& mode = node.attrs.get<Attr::mode>();
  if (mode != "sum" && mode != "prod") return attr_error("unknown mode of cumulate: " + mode);
  return Types{x};
}

template <class T>
void cumulate(const T* x, T* out, int64_t count, int64_t n, int64_t stride, const Attrs& attrs) {
  bool sum = attrs.get<Attr::mode>() == "sum";
  bool reverse = attrs.get_or<Attr::reverse>(0) != 0, exclusive = attrs.get_or<Attr::exclusive>(0) != 0;
  for (int64_t first = 0; first < count; ++first) {
    if (first / stride % n != 0) continue;  // not the head of a row
    T state = sum ? T(0) : T(1);
    for (int64_t k = 0; k < n; ++k) {
      int64_t at = first + (reverse ? n - 1 - k : k) * stride;
      T next = sum ? combine<T, Monoid::Sum>(state, x[at]) : combine<T, Monoid::Prod>(state, x[at]);
      out[at] = exclusive ? state : next;
      state = next;
    }
  }
}

std::vector<Tensor> eval_cumulate(const EvalInput& in) {
  const Tensor& x = input(in, 0);
  auto axis = static_cast<size_t>(in.node.attrs.get<Attr::axis>());
  Tensor out = make_output(in);
  with_wide(x.type, [&]<class T>() {
    cumulate(elements<T>(x), elements<T>(out), x.count(), x.dims[axis], strides_of(x.dims)[axis],
             in.node.attrs);
  });
  if (!is_float(x.type)) round_elements(out);
  return one(std::move(out));
}

void lower_cumulate(LowerInput& in) {
  Lower l(in);
  ExprPool& p = l.p;
  auto axis = static_cast<size_t>(l.attrs().get<Attr::axis>());
  bool sum = l.attrs().get<Attr::mode>() == "sum";
  std::vector<Expr> dims = l.dims(l.in(0));
  Expr n = dims[axis], k = p.axis("k", n);
  auto at_step = [&](Expr step, std::vector<Expr> indices) {
    indices[axis] = l.attrs().get_or<Attr::reverse>(0) ? p.sub(p.sub(n, p.index(1)), step) : step;
    return indices;
  };
  std::vector<Expr> axes = l.axes(dims), indices = at_step(k, axes);
  DType type = compute_type(l.buffer(l.in(0)).type);
  Expr init = l.number(type, sum ? 0 : 1), term;
  if (l.attrs().get_or<Attr::exclusive>(0)) {
    Expr before = l.load(l.in(0), at_step(p.sub(k, p.index(1)), axes));
    term = p.select(p.binary(SOp::Lt, p.index(0), k), before, init);
  } else {
    term = l.load(l.in(0), indices);
  }
  Accumulator acc = l.accumulator("acc", type, init, Monoid::Custom);
  acc.update = p.binary(sum ? SOp::Add : SOp::Mul, acc.var, term);
  axes.erase(axes.begin() + static_cast<std::ptrdiff_t>(axis));
  Statement& s = l.store(l.out(), axes, acc.var);
  s.indices = indices;
  s.reduce_axes = {k};
  s.accumulators = {acc};
  s.scan = true;
}

}  // namespace

constexpr OpDef def_reduce_sum{.name = "reduce_sum",
                               .kind = OpKind::Reduction,
                               .attrs = {Attr::axes, Attr::keep_dims},
                               .needs = {Attr::axes},
                               .infer = infer_reduce,
                               .eval = eval_reduce<Monoid::Sum>,
                               .lower = lower_reduce<SOp::Add, Monoid::Sum>,
                               .terms = reduce_terms};
constexpr OpDef def_reduce_prod{.name = "reduce_prod",
                                .kind = OpKind::Reduction,
                                .attrs = {Attr::axes, Attr::keep_dims},
                                .needs = {Attr::axes},
                                .infer = infer_reduce,
                                .eval = eval_reduce<Monoid::Prod>,
                                .lower = lower_reduce<SOp::Mul, Monoid::Prod>,
                                .terms = reduce_terms};
constexpr OpDef def_reduce_max{.name = "reduce_max",
                               .kind = OpKind::Reduction,
                               .attrs = {Attr::axes, Attr::keep_dims},
                               .needs = {Attr::axes},
                               .infer = infer_reduce,
                               .eval = eval_reduce<Monoid::Max>,
                               .lower = lower_reduce<SOp::Max, Monoid::Max>};
constexpr OpDef def_reduce_min{.name = "reduce_min",
                               .kind = OpKind::Reduction,
                               .attrs = {Attr::axes, Attr::keep_dims},
                               .needs = {Attr::axes},
                               .infer = infer_reduce,
                               .eval = eval_reduce<Monoid::Min>,
                               .lower = lower_reduce<SOp::Min, Monoid::Min>};
constexpr OpDef def_argmax{.name = "argmax",
                           .kind = OpKind::Reduction,
                           .attrs = {Attr::axis, Attr::keep_dims, Attr::last_index},
                           .needs = {Attr::axis},
                           .infer = infer_arg,
                           .eval = eval_arg<true>,
                           .lower = lower_arg<true>,
                           .bound = arg_bounds<true>};
constexpr OpDef def_argmin{.name = "argmin",
                           .kind = OpKind::Reduction,
                           .attrs = {Attr::axis, Attr::keep_dims, Attr::last_index},
                           .needs = {Attr::axis},
                           .infer = infer_arg,
                           .eval = eval_arg<false>,
                           .lower = lower_arg<false>,
                           .bound = arg_bounds<false>};
constexpr OpDef def_cumulate{.name = "cumulate",
                             .kind = OpKind::Reduction,
                             .attrs = {Attr::axis, Attr::mode, Attr::exclusive, Attr::reverse},
                             .needs = {Attr::axis, Attr::mode},
                             .infer = infer_cumulate,
                             .eval = eval_cumulate,
                             .lower = lower_cumulate,
                             .terms = [](const EvalInput& in) {
                               return static_cast<double>(in.inputs[0]->dims[static_cast<size_t>(in.node.attrs.get<Attr::axis>())]);
                             }};

static_assert(complete(def_reduce_sum) && complete(def_reduce_prod) && complete(def_reduce_max) &&
              complete(def_reduce_min) && complete(def_argmax) && complete(def_argmin) &&
              complete(def_cumulate));

}  // namespace tenon
