// Pooling windows over the trailing dims: x [B..., D...], one window extent per spatial dim. Positions
// outside x take no part; averages are a window_sum over a count.
#include "spatial.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace tenon {

namespace {

Result<std::vector<ValueType>> infer_window(Graph& graph, const Node& node) {
  const Value& x = graph.values[node.inputs[0]];
  const std::vector<int64_t>& sizes = node.attrs.get<Attr::kernel>();
  if (sizes.empty() || sizes.size() > x.dims.size())
    return fail(Code::E0204, "a window has 1 to " + std::to_string(x.dims.size()) + " spatial dims here");
  if (!std::ranges::all_of(sizes, [](int64_t k) { return k > 0; }))
    return fail(Code::E0206, "window extents must be positive");
  TENON_TRY(Spatial s, spatial_of(graph, node, sizes.size()));
  std::vector<Expr> kernel;
  for (int64_t size : sizes) kernel.push_back(graph.pool.index(size));
  auto first = x.dims.end() - static_cast<int64_t>(sizes.size());
  TENON_TRY(std::vector<Expr> extents, window_extents(graph, s, std::span(first, x.dims.end()), kernel));
  std::vector<Expr> dims(x.dims.begin(), first);
  dims.insert(dims.end(), extents.begin(), extents.end());
  std::vector<ValueType> types{{x.type, dims}};
  if (node.outputs.size() > 1) types.push_back({DType::I64, dims});
  return types;
}

// The axes of a window statement, and the element of x that it looks at.
struct Looking {
  std::vector<Expr> axes, reduce, at;
  Expr inside = {};  // invalid: always
};

Looking look(Lower& l) {
  ExprPool& p = l.p;
  const std::vector<Expr>& x = l.dims(l.in(0));
  const std::vector<int64_t>& kernel = l.attrs().get<Attr::kernel>();
  size_t batch = x.size() - kernel.size();
  Spatial s = spatial_of(l, kernel.size());
  Looking w;
  w.axes = l.axes(l.dims(l.out()));
  w.at.assign(w.axes.begin(), w.axes.begin() + static_cast<int64_t>(batch));
  for (size_t d = 0; d < kernel.size(); ++d) {
    Expr k = reduce_axis(l, "k" + std::to_string(d), p.index(kernel[d]), w.reduce);
    Expr i = p.mul(w.axes[batch + d], p.index(s.strides[d]));
    w.at.push_back(p.sub(p.add(i, p.mul(k, p.index(s.dilations[d]))), s.begin[d]));
    w.inside = p.all_of(w.inside, l.inside(w.at.back(), x[batch + d]));
  }
  return w;
}

Expr guarded(Lower& l, const Looking& w, Expr otherwise) {
  Expr element = l.load(l.in(0), w.at);
  return w.inside.valid() ? l.p.select(w.inside, element, otherwise) : element;
}

// What every element is at least.
Expr lowest(Lower& l, DType type) {
  if (is_float(type)) return l.p.constant(type, -std::numeric_limits<double>::infinity());
  return l.p.constant_int(type, is_signed(type) ? std::numeric_limits<int64_t>::min() >> (64 - bits(type)) : 0);
}

void lower_window_sum(LowerInput& in) {
  Lower l(in);
  Looking w = look(l);
  Accumulator sum = l.sum("acc", guarded(l, w, l.zero(compute_type(l.buffer(l.in(0)).type))));
  store_reduced(l, l.out(), w.axes, w.reduce, {sum}, sum.var);
}

// The index of the first maximum: a second pass over the same windows, with the maximum so far beside it.
// A NaN wins over numbers, as it does in max.
void lower_window_max(LowerInput& in) {
  Lower l(in);
  ExprPool& p = l.p;
  Looking w = look(l);
  DType type = compute_type(l.buffer(l.in(0)).type);
  Accumulator best = l.accumulator("best", type, lowest(l, type), Monoid::Max);
  Expr element = guarded(l, w, best.init);
  best.update = p.binary(SOp::Max, best.var, element);
  store_reduced(l, l.out(), w.axes, w.reduce, {best}, best.var);
  if (in.outputs.size() < 2) return;

  Looking v = look(l);
  Accumulator value = l.accumulator("best", type, lowest(l, type), Monoid::Custom);
  Accumulator index = l.accumulator("index", DType::I64, p.constant_int(DType::I64, -1), Monoid::Custom);
  element = guarded(l, v, value.init);
  Expr offset = p.index(0);
  for (size_t d = 0; d < v.at.size(); ++d) offset = p.add(p.mul(offset, l.dims(l.in(0))[d]), v.at[d]);
  Expr first = p.binary(SOp::Lt, index.var, p.constant_int(DType::I64, 0));
  Expr better = p.binary(SOp::Or, first, p.binary(SOp::Lt, value.var, element));
  if (is_float(type)) {
    Expr turns_nan = p.binary(SOp::And, p.unary(SOp::IsNan, element), p.unary(SOp::Not, p.unary(SOp::IsNan, value.var)));
    better = p.binary(SOp::Or, better, turns_nan);
  }
  better = p.all_of(v.inside, better);
  value.update = p.select(better, element, value.var);
  index.update = p.select(better, p.cast(offset, DType::I64), index.var);
  store_reduced(l, l.out(1), v.axes, v.reduce, {value, index}, index.var);
}

// Calls visit(plane, position, offset in x) for every element of every window, taps in row-major order.
template <class Visit>
void each_element(const EvalInput& in, Visit visit) {
  const std::vector<int64_t>&x = in.inputs[0]->dims, &out = in.output_dims[0];
  const std::vector<int64_t>& kernel = in.node.attrs.get<Attr::kernel>();
  size_t batch = x.size() - kernel.size();
  Taps geometry(in, std::span(out).subspan(batch), std::span(x).subspan(batch), kernel);
  int64_t positions = geometry.positions(), plane = count(geometry.in);
  std::vector<int64_t> offsets = geometry.offsets(0, positions);
  for (int64_t b = 0; b < count({x.begin(), x.begin() + static_cast<int64_t>(batch)}); ++b)
    for (size_t t = 0; t < offsets.size(); ++t)
      if (offsets[t] >= 0) visit(static_cast<size_t>(b * positions) + t % static_cast<size_t>(positions),
                                 static_cast<size_t>(b * plane + offsets[t]));
}

std::vector<Tensor> eval_window_sum(const EvalInput& in) {
  Tensor out = Tensor::zeros(in.inputs[0]->type, in.output_dims[0]);
  const Tensor& x = *in.inputs[0];
  each_element(in, [&](size_t to, size_t from) {
    if (is_float(x.type)) out.f[to] += x.f[from];
    else out.i[to] += x.i[from];
  });
  if (!is_float(x.type)) round_elements(out);
  return {std::move(out)};
}

std::vector<Tensor> eval_window_max(const EvalInput& in) {
  const Tensor& x = *in.inputs[0];
  Tensor index = Tensor::zeros(DType::I64, in.output_dims[0]);
  std::ranges::fill(index.i, -1);
  each_element(in, [&](size_t to, size_t from) {
    auto best = static_cast<size_t>(index.i[to]);
    bool better = index.i[to] < 0;
    if (!better && is_float(x.type)) better = x.f[from] > x.f[best] || (std::isnan(x.f[from]) && !std::isnan(x.f[best]));
    else if (!better) better = x.type == DType::U64 ? static_cast<uint64_t>(x.i[from]) > static_cast<uint64_t>(x.i[best])
                                                    : x.i[from] > x.i[best];
    if (better) index.i[to] = static_cast<int64_t>(from);
  });
  Tensor out = Tensor::zeros(x.type, in.output_dims[0]);
  int64_t lowest = is_signed(x.type) ? std::numeric_limits<int64_t>::min() >> (64 - bits(x.type)) : 0;
  for (size_t k = 0; k < index.i.size(); ++k) {
    auto at = static_cast<size_t>(index.i[k]);
    bool empty = index.i[k] < 0;
    if (is_float(x.type)) out.f[k] = empty ? -std::numeric_limits<double>::infinity() : x.f[at];
    else out.i[k] = empty ? lowest : x.i[at];
  }
  std::vector<Tensor> outputs{std::move(out)};
  if (in.node.outputs.size() > 1) outputs.push_back(std::move(index));
  return outputs;
}

}  // namespace

constexpr OpDef def_window_max{
    .name = "window_max", .kind = OpKind::Reduction, .max_outputs = 2,
    .attrs = {Attr::kernel, Attr::strides, Attr::dilations, Attr::pads_begin, Attr::pads_end},
    .needs = {Attr::kernel},
    .infer = infer_window, .eval = eval_window_max, .lower = lower_window_max};
static_assert(complete(def_window_max));

constexpr OpDef def_window_sum{
    .name = "window_sum", .kind = OpKind::Reduction,
    .attrs = {Attr::kernel, Attr::strides, Attr::dilations, Attr::pads_begin, Attr::pads_end},
    .needs = {Attr::kernel},
    .infer = infer_window, .eval = eval_window_sum, .lower = lower_window_sum,
    .terms = [](const EvalInput& in) { return static_cast<double>(count(in.node.attrs.get<Attr::kernel>())); }};
static_assert(complete(def_window_sum));

}  // namespace tenon
