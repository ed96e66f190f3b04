// Ops that see the same elements at other places: every output element is one input element.
#include <algorithm>
#include <numeric>

#include "eval.h"
#include "infer.h"
#include "lower.h"

namespace tenon {

namespace {

Expr product(ExprPool& pool, std::span<const Expr> dims) {
  Expr p = pool.index(1);
  for (Expr d : dims) p = pool.mul(p, d);
  return p;
}

// --- broadcast: to the dims that x and attr dims broadcast to.

Result<Types> infer_broadcast(Graph& graph, const Node& node) {
  std::vector<Expr> operands[] = {input(graph, node, 0).dims, node.attrs.get<Attr::dims>()};
  TENON_TRY(std::vector<Expr> dims, broadcast_dims(graph, operands));
  return Types{{input(graph, node, 0).type, std::move(dims)}};
}

std::vector<Tensor> eval_broadcast(const EvalInput& in) {
  const Tensor& x = input(in, 0);
  Dims strides = broadcast_strides(x.dims, in.output_dims[0]);
  return one(move_elements(x, make_output(in),
                           [&](const Dims& index, int64_t) { return offset_of(index, strides); }));
}

void lower_broadcast(LowerInput& in) {
  Lower l(in);
  std::vector<Expr> axes = l.axes(l.dims(l.out()));
  l.store(l.out(), axes, l.load_broadcast(l.in(0), axes));
}

// --- reshape: the same elements in row-major order under attr dims.

Result<Types> infer_reshape(Graph& graph, const Node& node) {
  const std::vector<Expr>& dims = node.attrs.get<Attr::dims>();
  Expr before = product(graph.pool, input(graph, node, 0).dims), after = product(graph.pool, dims);
  TENON_TRY(Expr elements, unify_dims(graph, before, after));
  (void)elements;
  return Types{{input(graph, node, 0).type, dims}};
}

std::vector<Tensor> eval_reshape(const EvalInput& in) {
  Tensor out = input(in, 0);
  out.dims = in.output_dims[0];
  return one(std::move(out));
}

// Dims [in_begin, in_end) of the input hold the elements of dims [out_begin, out_end) of the output.
struct ReshapeGroup {
  size_t in_begin, in_end, out_begin, out_end;
};

// The finest groups whose extents are known to agree; where that is not decidable, the rest is one group.
std::vector<ReshapeGroup> reshape_groups(ExprPool& p, const std::vector<Expr>& in,
                                         const std::vector<Expr>& out) {
  std::vector<ReshapeGroup> groups;
  size_t i = 0, o = 0;
  while (i < in.size() && o < out.size()) {
    ReshapeGroup g{i, i + 1, o, o + 1};
    Expr a = in[i], b = out[o];
    while (a != b) {
      bool grow_out = p.div_exact(a, b) && g.out_end < out.size();
      bool grow_in = !grow_out && p.div_exact(b, a) && g.in_end < in.size();
      if (grow_out)
        b = p.mul(b, out[g.out_end++]);
      else if (grow_in)
        a = p.mul(a, in[g.in_end++]);
      else
        break;
    }
    if (a != b) g.in_end = in.size(), g.out_end = out.size();
    groups.push_back(g);
    i = g.in_end;
    o = g.out_end;
  }
  if (i < in.size() || o < out.size()) {  // extents of 1 at the end, or a scalar on one side
    if (groups.empty()) groups.push_back({0, 0, 0, 0});
    groups.back().in_end = in.size();
    groups.back().out_end = out.size();
  }
  return groups;
}

void lower_reshape(LowerInput& in) {
  Lower l(in);
  ExprPool& p = l.p;
  const std::vector<Expr> from = l.dims(l.in(0)), to = l.dims(l.out());
  std::vector<Expr> axes = l.axes(to), indices(from.size());
  for (const ReshapeGroup& g : reshape_groups(p, from, to)) {
    Expr linear = p.index(0);
    for (size_t d = g.out_begin; d < g.out_end; ++d) linear = p.add(p.mul(linear, to[d]), axes[d]);
    Expr stride = p.index(1);
    for (size_t d = g.in_end; d-- > g.in_begin;) {
      Expr quotient = p.floordiv(linear, stride);
      indices[d] = d == g.in_begin ? quotient : p.mod(quotient, from[d]);
      stride = p.mul(stride, from[d]);
    }
  }
  l.store(l.out(), axes, l.load(l.in(0), indices));
}

// --- transpose: out[i...] = x[...] with out dim d from x dim perm[d].

Result<Types> infer_transpose(Graph& graph, const Node& node) {
  const attr::Ints& perm = node.attrs.get<Attr::perm>();
  const ValueType x = type_of(graph, node, 0);
  attr::Ints sorted = perm, identity(x.dims.size());
  std::iota(identity.begin(), identity.end(), 0);
  std::ranges::sort(sorted);
  if (sorted != identity) return attr_error("perm is no permutation of the operand's dims");
  std::vector<Expr> dims;
  for (int64_t d : perm) dims.push_back(x.dims[static_cast<size_t>(d)]);
  return Types{{x.type, std::move(dims)}};
}

std::vector<Tensor> eval_transpose(const EvalInput& in) {
  const Tensor& x = input(in, 0);
  Dims own = strides_of(x.dims), strides;
  for (int64_t d : in.node.attrs.get<Attr::perm>()) strides.push_back(own[static_cast<size_t>(d)]);
  return one(move_elements(x, make_output(in),
                           [&](const Dims& index, int64_t) { return offset_of(index, strides); }));
}

void lower_transpose(LowerInput& in) {
  Lower l(in);
  const attr::Ints& perm = l.attrs().get<Attr::perm>();
  std::vector<Expr> axes = l.axes(l.dims(l.out())), indices(axes.size());
  for (size_t d = 0; d < axes.size(); ++d) indices[static_cast<size_t>(perm[d])] = axes[d];
  l.store(l.out(), axes, l.load(l.in(0), indices));
}

// --- slice: out[i] = x[starts + i * steps].

Result<Types> infer_slice(Graph& graph, const Node& node) {
  const std::vector<Expr>& x = input(graph, node, 0).dims;
  const attr::Dims &starts = node.attrs.get<Attr::starts>(), &dims = node.attrs.get<Attr::dims>();
  const attr::Ints& steps = node.attrs.get<Attr::steps>();
  if (starts.size() != x.size() || steps.size() != x.size() || dims.size() != x.size())
    return attr_error("slice needs a start, a step and an extent for every dim");
  ExprPool& p = graph.pool;
  for (size_t d = 0; d < x.size(); ++d) {
    if (p.bounds(dims[d]).first < 1) continue;  // may be empty: then nothing is read
    Expr last = p.add(starts[d], p.mul(p.sub(dims[d], p.index(1)), p.index(steps[d])));
    for (Expr end : {starts[d], last})
      if (p.bounds(end).second < 0 || p.bounds(p.sub(end, x[d])).first >= 0)
        return shape_error("slice reaches outside dim " + std::to_string(d));
  }
  return Types{{input(graph, node, 0).type, dims}};
}

std::vector<Tensor> eval_slice(const EvalInput& in) {
  const Tensor& x = input(in, 0);
  Dims strides = strides_of(x.dims), starts = in.dims(Attr::starts);
  const attr::Ints& steps = in.node.attrs.get<Attr::steps>();
  return one(move_elements(x, make_output(in), [&](const Dims& index, int64_t) {
    int64_t from = 0;
    for (size_t d = 0; d < index.size(); ++d) from += (starts[d] + index[d] * steps[d]) * strides[d];
    return from;
  }));
}

void lower_slice(LowerInput& in) {
  Lower l(in);
  std::vector<Expr> axes = l.axes(l.dims(l.out())), indices;
  for (size_t d = 0; d < axes.size(); ++d) {
    Expr step = l.p.index(l.attrs().get<Attr::steps>()[d]);
    indices.push_back(l.p.add(in.dim(l.attrs().get<Attr::starts>()[d]), l.p.mul(axes[d], step)));
  }
  l.store(l.out(), axes, l.load(l.in(0), indices));
}

}  // namespace

constexpr OpDef def_broadcast{.name = "broadcast",
                              .kind = OpKind::Movement,
                              .attrs = {Attr::dims},
                              .needs = {Attr::dims},
                              .infer = infer_broadcast,
                              .eval = eval_broadcast,
                              .lower = lower_broadcast};
constexpr OpDef def_reshape{.name = "reshape",
                            .kind = OpKind::Movement,
                            .attrs = {Attr::dims},
                            .needs = {Attr::dims},
                            .infer = infer_reshape,
                            .eval = eval_reshape,
                            .lower = lower_reshape};
constexpr OpDef def_transpose{.name = "transpose",
                              .kind = OpKind::Movement,
                              .attrs = {Attr::perm},
                              .needs = {Attr::perm},
                              .infer = infer_transpose,
                              .eval = eval_transpose,
                              .lower = lower_transpose};
constexpr OpDef def_slice{.name = "slice",
                          .kind = OpKind::Movement,
                          .attrs = {Attr::starts, Attr::steps, Attr::dims},
                          .needs = {Attr::starts, Attr::steps, Attr::dims},
                          .infer = infer_slice,
                          .eval = eval_slice,
                          .lower = lower_slice};

static_assert(complete(def_broadcast) && complete(def_reshape) && complete(def_transpose) &&
              complete(def_slice));

}  // namespace tenon
