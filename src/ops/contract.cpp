// Products: dot, conv and conv_transpose.
#include "contract_eval.h"
#include "spatial.h"

#include <algorithm>
#include <numeric>

namespace tenon {

namespace {

// The type of a product: floats keep theirs, bytes and nibbles in any mix give i32.
Result<DType> product_type(DType a, DType b) {
  if (is_integer(a) && is_integer(b) && bits(a) <= 8 && bits(b) <= 8) return DType::I32;
  if (a == b && (is_float(a) || (is_integer(a) && bits(a) >= 32))) return a;
  return fail(Code::E0205, "no product of " + std::string(spelling(a)) + " and " + std::string(spelling(b)));
}

// out[axes] = sum over reduce of a * b; both factors widened to the type that is summed in.
void store_product(Lower& l, std::vector<Expr> axes, std::vector<Expr> reduce, Expr a, Expr b) {
  DType type = compute_type(l.buffer(l.out()).type);
  Expr term = l.p.binary(SOp::Mul, l.p.cast(a, type), l.p.cast(b, type));
  Accumulator sum = l.sum("acc", term);
  store_reduced(l, l.out(), std::move(axes), std::move(reduce), {sum}, sum.var);
}

// dot

Result<std::vector<ValueType>> infer_dot(Graph& graph, const Node& node) {
  auto dims = [&](size_t i) -> const std::vector<Expr>& { return graph.values[node.inputs[i]].dims; };
  TENON_TRY(DType type, product_type(graph.values[node.inputs[0]].type, graph.values[node.inputs[1]].type));
  if (dims(0).size() < 2 || dims(1).size() < 2) return fail(Code::E0204, "dot needs operands of rank 2 or more");
  TENON_DO(unify_dims(graph, dims(0).back(), dims(1)[dims(1).size() - 2]));
  std::vector<Expr> batch[] = {{dims(0).begin(), dims(0).end() - 2}, {dims(1).begin(), dims(1).end() - 2}};
  TENON_TRY(std::vector<Expr> result, broadcast_dims(graph, batch));
  result.push_back(dims(0)[dims(0).size() - 2]);
  result.push_back(dims(1).back());
  return std::vector{ValueType{type, std::move(result)}};
}

void lower_dot(LowerInput& in) {
  Lower l(in);
  std::vector<Expr> axes = l.axes(l.dims(l.out())), reduce;
  Expr k = reduce_axis(l, "k", l.dims(l.in(0)).back(), reduce);
  // Indices of an operand: its batch dims, then row and column.
  auto factor = [&](BufferId b, Expr row, Expr column) {
    std::vector<Expr> indices;
    for (size_t d = 0; d + 2 < l.rank(b); ++d)
      indices.push_back(l.broadcast_index(l.dims(b)[d], axes[axes.size() - l.rank(b) + d]));
    indices.insert(indices.end(), {row, column});
    return l.load(b, indices);
  };
  Expr a = factor(l.in(0), axes[axes.size() - 2], k), b = factor(l.in(1), k, axes.back());
  store_product(l, axes, std::move(reduce), a, b);
}

// conv

Result<std::vector<ValueType>> infer_conv(Graph& graph, const Node& node) {
  ExprPool& p = graph.pool;
  const Value &x = graph.values[node.inputs[0]], &w = graph.values[node.inputs[1]];
  TENON_TRY(DType type, product_type(x.type, w.type));
  size_t rank = x.dims.size() - 2;
  if (x.dims.size() < 3 || w.dims.size() != x.dims.size())
    return fail(Code::E0204, "conv needs x [N,C,D...] and w [O,C/groups,K...] of one rank");
  Expr groups = p.index(node.attrs.get_or<Attr::groups>(1));
  if (*p.as_int(groups) < 1 || !p.is_index(p.mod(w.dims[0], groups), 0))
    return fail(Code::E0204, "output channels are no multiple of the groups");
  TENON_TRY(Spatial s, spatial_of(graph, node, rank));
  TENON_DO(unify_dims(graph, x.dims[1], p.mul(w.dims[1], groups)));
  std::vector<Expr> result{x.dims[0], w.dims[0]};
  TENON_TRY(std::vector<Expr> extents,
            window_extents(graph, s, std::span(x.dims).subspan(2), std::span(w.dims).subspan(2)));
  result.insert(result.end(), extents.begin(), extents.end());
  return std::vector{ValueType{type, std::move(result)}};
}

// out[n,o,i...] = sum(c,k...) x[n, g(o)*C/g + c, i*s + k*d - p ...] * w[o,c,k...]
void lower_conv(LowerInput& in) {
  Lower l(in);
  ExprPool& p = l.p;
  const std::vector<Expr>&x = l.dims(l.in(0)), &w = l.dims(l.in(1));
  Spatial s = spatial_of(l, x.size() - 2);
  std::vector<Expr> axes = l.axes(l.dims(l.out())), reduce;
  Expr c = reduce_axis(l, "c", w[1], reduce);
  Expr groups = p.index(l.attrs().get_or<Attr::groups>(1));
  bool depthwise = p.is_index(w[1], 1) && w[0] == groups;
  Expr group = depthwise ? axes[1] : p.floordiv(axes[1], p.floordiv(w[0], groups));
  std::vector<Expr> at{axes[0], p.is_index(groups, 1) ? c : p.add(p.mul(group, w[1]), c)}, tap{axes[1], c};
  Expr covered = {};
  for (size_t d = 2; d < x.size(); ++d) {
    Expr k = reduce_axis(l, "k" + std::to_string(d - 2), w[d], reduce);
    Expr i = p.mul(axes[d], p.index(s.strides[d - 2]));
    at.push_back(p.sub(p.add(i, p.mul(k, p.index(s.dilations[d - 2]))), s.begin[d - 2]));
    tap.push_back(k);
    covered = p.all_of(covered, l.inside(at.back(), x[d]));
  }
  Expr a = l.load(l.in(0), at);
  if (covered.valid()) {
    BufferId pad = l.in(2);
    Expr outside = pad.valid() ? l.load(pad, std::vector(l.rank(pad), p.index(0))) : l.zero(p.type(a));
    a = p.select(covered, a, outside);
  }
  store_product(l, axes, std::move(reduce), a, l.load(l.in(1), tap));
}

// conv_transpose

Result<std::vector<ValueType>> infer_conv_transpose(Graph& graph, const Node& node) {
  ExprPool& p = graph.pool;
  const Value &x = graph.values[node.inputs[0]], &w = graph.values[node.inputs[1]];
  TENON_TRY(DType type, product_type(x.type, w.type));
  size_t rank = x.dims.size() - 2;
  if (x.dims.size() < 3 || w.dims.size() != x.dims.size())
    return fail(Code::E0204, "conv_transpose needs x [N,C,D...] and w [C,O/groups,K...] of one rank");
  Expr groups = p.index(node.attrs.get_or<Attr::groups>(1));
  if (*p.as_int(groups) < 1 || !p.is_index(p.mod(w.dims[0], groups), 0))
    return fail(Code::E0204, "input channels are no multiple of the groups");
  TENON_TRY(Spatial s, spatial_of(graph, node, rank));
  TENON_DO(unify_dims(graph, x.dims[1], w.dims[0]));
  std::vector<Expr> result{x.dims[0], p.mul(w.dims[1], groups)};
  for (size_t d = 0; d < rank; ++d) {
    Expr reach = p.mul(p.sub(w.dims[d + 2], p.index(1)), p.index(s.dilations[d]));
    Expr full = p.add(p.mul(p.sub(x.dims[d + 2], p.index(1)), p.index(s.strides[d])), p.add(reach, p.index(1)));
    result.push_back(p.sub(p.sub(full, s.begin[d]), s.end[d]));
    if (auto extent = p.as_int(result.back()); extent && *extent < 0)
      return fail(Code::E0204, "the pads are larger than the output along spatial dim " + std::to_string(d));
  }
  return std::vector{ValueType{type, std::move(result)}};
}

int64_t inverse_modulo(int64_t a, int64_t m) {
  for (int64_t b = 0; b < m; ++b)
    if (a * b % m == 1 % m) return b;
  internal_error(__FILE__, __LINE__, "no inverse: the numbers have a common factor");
}

// out[n,o,y...] sums x[n,c,i...] * w[c,o,k...] over i*s + k*d = y + p. Per dim, only every s/gcd(s,d)-th
// tap meets a given y: with t = (y+p)/g, s = g*s', d = g*d', these are the taps k = k0 + j*s' where
// k0 = t/d' mod s', and then i = (t - k*d') / s'. The sum runs over j, so that no step is idle but at
// the borders.
void lower_conv_transpose(LowerInput& in) {
  Lower l(in);
  ExprPool& p = l.p;
  const std::vector<Expr>&x = l.dims(l.in(0)), &w = l.dims(l.in(1));
  Spatial s = spatial_of(l, x.size() - 2);
  std::vector<Expr> axes = l.axes(l.dims(l.out())), reduce;
  Expr groups = p.index(l.attrs().get_or<Attr::groups>(1)), per_group = p.floordiv(w[0], groups);
  Expr c = reduce_axis(l, "c", per_group, reduce), o = axes[1];
  if (!p.is_index(groups, 1)) {
    c = p.add(p.mul(p.floordiv(o, w[1]), per_group), c);
    o = p.mod(o, w[1]);
  }
  std::vector<Expr> at{axes[0], c}, tap{c, o};
  Expr met = {}, tapped = {};
  for (size_t d = 2; d < x.size(); ++d) {
    int64_t stride = s.strides[d - 2], dilation = s.dilations[d - 2], g = std::gcd(stride, dilation);
    Expr step = p.index(stride / g), reach = p.index(dilation / g);
    Expr y = p.add(axes[d], s.begin[d - 2]), t = p.floordiv(y, p.index(g));
    Expr j = reduce_axis(l, "j" + std::to_string(d - 2), p.ceildiv(w[d], step), reduce);
    Expr k0 = p.mod(p.mul(t, p.index(inverse_modulo(dilation / g, stride / g))), step);
    Expr k = p.add(k0, p.mul(j, step));
    Expr borrowed = p.floordiv(p.sub(p.mod(t, step), p.mul(k0, reach)), step);
    at.push_back(p.sub(p.add(p.floordiv(t, step), borrowed), p.mul(j, reach)));
    tap.push_back(k);
    if (g > 1) met = p.all_of(met, p.binary(SOp::Eq, p.mod(y, p.index(g)), p.index(0)));
    if (!p.is_index(p.mod(w[d], step), 0)) tapped = p.all_of(tapped, l.inside(k, w[d]));
    met = p.all_of(met, l.inside(at.back(), x[d]));
  }
  met = p.all_of(met, tapped);
  Expr a = l.load(l.in(0), at), b = l.load(l.in(1), tap);
  if (met.valid()) a = p.select(met, a, l.zero(p.type(a)));
  if (tapped.valid()) b = p.select(tapped, b, l.zero(p.type(b)));
  store_product(l, axes, std::move(reduce), a, b);
}

// Terms of one sum, for error bounds.
double dot_terms(const EvalInput& in) { return static_cast<double>(in.inputs[0]->dims.back()); }
double conv_terms(const EvalInput& in) {
  const std::vector<int64_t>& w = in.inputs[1]->dims;
  return static_cast<double>(count(w) / std::max<int64_t>(w[0], 1));
}
double conv_transpose_terms(const EvalInput& in) {
  const std::vector<int64_t>& w = in.inputs[1]->dims;
  const int64_t outputs = w[1] * in.node.attrs.get_or<Attr::groups>(1);
  return static_cast<double>(count(w) / std::max<int64_t>(outputs, 1));
}

}  // namespace

constexpr OpDef def_dot{.name = "dot", .kind = OpKind::Contraction, .min_inputs = 2, .max_inputs = 2,
                        .infer = infer_dot, .eval = eval_dot, .lower = lower_dot, .terms = dot_terms};
static_assert(complete(def_dot));

constexpr OpDef def_conv{.name = "conv", .kind = OpKind::Contraction, .min_inputs = 2, .max_inputs = 3,
                         .attrs = {Attr::strides, Attr::dilations, Attr::pads_begin, Attr::pads_end, Attr::groups},
                         .infer = infer_conv, .eval = eval_conv, .lower = lower_conv, .terms = conv_terms};
static_assert(complete(def_conv));

constexpr OpDef def_conv_transpose{
    .name = "conv_transpose", .kind = OpKind::Contraction, .min_inputs = 2, .max_inputs = 2,
    .attrs = {Attr::strides, Attr::dilations, Attr::pads_begin, Attr::pads_end, Attr::groups},
    .infer = infer_conv_transpose, .eval = eval_conv_transpose, .lower = lower_conv_transpose, .terms = conv_transpose_terms};
static_assert(complete(def_conv_transpose));

}  // namespace tenon
