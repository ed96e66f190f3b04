// Ops that put a tensor together: from an operand and a border, from several operands, from its indices.
#include <algorithm>

#include "eval.h"
#include "infer.h"
#include "lower.h"

namespace tenon {

namespace {

// --- pad: modes constant (operand 1 or zero), edge, reflect (the border is not repeated), wrap.
// Negative pads crop.

Result<Types> infer_pad(Graph& graph, const Node& node) {
  const ValueType x = type_of(graph, node, 0);
  const attr::Dims &begin = node.attrs.get<Attr::pads_begin>(), &end = node.attrs.get<Attr::pads_end>();
  if (begin.size() != x.dims.size() || end.size() != x.dims.size())
    return attr_error("pad needs two pads for every dim");
  static constexpr std::string_view kModes[] = {"constant", "edge", "reflect", "wrap"};
  if (std::ranges::find(kModes, node.attrs.get<Attr::mode>()) == std::end(kModes))
    return attr_error("unknown pad mode " + node.attrs.get<Attr::mode>());
  if (has_input(node, 1)) {
    TENON_DO(same_type(graph, node, 0, 1));
    for (Expr d : input(graph, node, 1).dims) TENON_DO(unify_dims(graph, d, graph.pool.index(1)));
  }
  std::vector<Expr> dims;
  for (size_t d = 0; d < x.dims.size(); ++d) {
    dims.push_back(graph.pool.add(graph.pool.add(begin[d], x.dims[d]), end[d]));
    if (graph.pool.bounds(dims.back()).second < 0)
      return shape_error("pads crop more than dim " + std::to_string(d));
  }
  return Types{{x.type, std::move(dims)}};
}

// Where an index that may lie outside [0, n) reads; -1: the constant.
int64_t padded_source(const std::string& mode, int64_t i, int64_t n) {
  if (i >= 0 && i < n) return i;
  if (mode == "edge") return i < 0 ? 0 : n - 1;
  if (mode == "wrap") return ((i % n) + n) % n;
  if (mode == "constant") return -1;
  if (n == 1) return 0;
  while (i < 0 || i >= n) i = i < 0 ? -i : 2 * (n - 1) - i;
  return i;
}

std::vector<Tensor> eval_pad(const EvalInput& in) {
  const Tensor& x = input(in, 0);
  Dims strides = strides_of(x.dims), begin = in.dims(Attr::pads_begin);
  const std::string& mode = in.node.attrs.get<Attr::mode>();
  Tensor out = make_output(in);
  if (has_input(in, 1))
    for (int64_t k = 0; k < out.count(); ++k) copy_element(input(in, 1), 0, out, k);
  return one(move_elements(x, std::move(out), [&](const Dims& index, int64_t) {
    int64_t from = 0;
    for (size_t d = 0; d < index.size(); ++d) {
      int64_t source = padded_source(mode, index[d] - begin[d], x.dims[d]);
      if (source < 0) return int64_t{-1};
      from += source * strides[d];
    }
    return from;
  }));
}

void lower_pad(LowerInput& in) {
  Lower l(in);
  ExprPool& p = l.p;
  const std::string& mode = l.attrs().get<Attr::mode>();
  std::vector<Expr> axes = l.axes(l.dims(l.out())), indices;
  Expr condition = {};
  for (size_t d = 0; d < axes.size(); ++d) {
    Expr begin = in.dim(l.attrs().get<Attr::pads_begin>()[d]);
    Expr i = p.sub(axes[d], begin), n = l.dims(l.in(0))[d], one = p.index(1), last = p.sub(n, one);
    bool untouched = p.is_index(begin, 0) && l.dims(l.out())[d] == n;
    if (mode == "constant" || untouched) {
      condition = p.all_of(condition, l.inside(i, n));
    } else if (mode == "edge") {
      i = p.max(p.min(i, last), p.index(0));
    } else if (mode == "wrap") {
      i = p.mod(i, p.max(n, one));
    } else {  // a triangle wave of period 2 * (n - 1)
      Expr period = p.mul(last, p.index(2));
      i = p.mod(i, p.max(period, one));
      i = p.min(i, p.sub(period, i));
    }
    indices.push_back(i);
  }
  Expr value = l.load(l.in(0), indices);
  if (condition.valid()) {
    Expr outside = l.zero(p.type(value));
    if (l.in(1).valid()) outside = l.load(l.in(1), std::vector<Expr>(l.rank(l.in(1)), p.index(0)));
    value = p.select(condition, value, outside);
  }
  l.store(l.out(), axes, value);
}

// --- concat: along axis.

Result<Types> infer_concat(Graph& graph, const Node& node) {
  ValueType out = type_of(graph, node, 0);
  TENON_TRY(size_t axis, axis_of(node, out.dims.size()));
  for (size_t i = 1; i < node.inputs.size(); ++i) {
    TENON_DO(same_type(graph, node, 0, i));
    const std::vector<Expr> dims = input(graph, node, i).dims;
    if (dims.size() != out.dims.size()) return shape_error("operands of concat differ in rank");
    for (size_t d = 0; d < dims.size(); ++d) {
      if (d == axis) {
        out.dims[d] = graph.pool.add(out.dims[d], dims[d]);
      } else {
        TENON_TRY(out.dims[d], unify_dims(graph, out.dims[d], dims[d]));
      }
    }
  }
  return Types{std::move(out)};
}

std::vector<Tensor> eval_concat(const EvalInput& in) {
  auto axis = static_cast<size_t>(in.node.attrs.get<Attr::axis>());
  Tensor out = make_output(in);
  Dims strides = strides_of(out.dims);
  int64_t first = 0;
  for (const Tensor* x : in.inputs) {
    for_each_index(x->dims, [&](const Dims& index, int64_t k) {
      copy_element(*x, k, out, offset_of(index, strides) + first * strides[axis]);
    });
    first += x->dims[axis];
  }
  return one(std::move(out));
}

// The operand that holds the axis, by halving: as many decisions as the logarithm of the operands.
Expr concat_part(Lower& l, size_t axis, std::span<const Expr> ends, size_t begin, size_t end,
                 std::vector<Expr> indices) {
  ExprPool& p = l.p;
  if (end - begin == 1) {
    if (begin > 0) indices[axis] = p.sub(indices[axis], ends[begin - 1]);
    return l.load(l.in(begin), indices);
  }
  size_t middle = (begin + end) / 2;
  Expr before = concat_part(l, axis, ends, begin, middle, indices);
  Expr after = concat_part(l, axis, ends, middle, end, indices);
  return p.select(p.binary(SOp::Lt, indices[axis], ends[middle - 1]), before, after);
}

void lower_concat(LowerInput& in) {
  Lower l(in);
  auto axis = static_cast<size_t>(l.attrs().get<Attr::axis>());
  std::vector<Expr> axes = l.axes(l.dims(l.out())), ends;
  for (BufferId b : in.inputs) {
    Expr extent = l.dims(b)[axis];
    ends.push_back(ends.empty() ? extent : l.p.add(ends.back(), extent));
  }
  l.store(l.out(), axes, concat_part(l, axis, ends, 0, in.inputs.size(), axes));
}

// --- iota: the index along axis; extents: the elements of attr dims, as ONNX's Shape gives them.

Result<Types> infer_iota(Graph&, const Node& node) {
  const attr::Dims& dims = node.attrs.get<Attr::dims>();
  TENON_TRY(size_t axis, axis_of(node, dims.size()));
  (void)axis;
  DType type = node.attrs.get<Attr::to>();
  if (!is_integer(type) && !is_float(type)) return type_error("iota makes numbers");
  return Types{{type, dims}};
}

std::vector<Tensor> eval_iota(const EvalInput& in) {
  auto axis = static_cast<size_t>(in.node.attrs.get<Attr::axis>());
  Tensor out = make_output(in);
  for_each_index(out.dims, [&](const Dims& index, int64_t k) {
    if (is_float(out.type))
      out.f[static_cast<size_t>(k)] = static_cast<double>(index[axis]);
    else
      out.i[static_cast<size_t>(k)] = index[axis];
  });
  round_elements(out);
  return one(std::move(out));
}

void lower_iota(LowerInput& in) {
  Lower l(in);
  std::vector<Expr> axes = l.axes(l.dims(l.out()));
  Expr value = axes[static_cast<size_t>(l.attrs().get<Attr::axis>())];
  l.store(l.out(), axes, l.p.cast(value, compute_type(l.buffer(l.out()).type)));
}

Result<Types> infer_extents(Graph& graph, const Node& node) {
  auto count = static_cast<int64_t>(node.attrs.get<Attr::dims>().size());
  return Types{{DType::I64, {graph.pool.index(count)}}};
}

std::vector<Tensor> eval_extents(const EvalInput& in) {
  Tensor out = make_output(in);
  out.i = in.dims(Attr::dims);
  return one(std::move(out));
}

void lower_extents(LowerInput& in) {
  Lower l(in);
  std::vector<Expr> axes = l.axes(l.dims(l.out()));
  const attr::Dims& dims = l.attrs().get<Attr::dims>();
  Expr value = l.zero(DType::I64);
  for (size_t k = dims.size(); k-- > 0;) {
    Expr here = l.p.binary(SOp::Eq, axes[0], l.p.index(static_cast<int64_t>(k)));
    value = l.p.select(here, l.p.cast(in.dim(dims[k]), DType::I64), value);
  }
  l.store(l.out(), axes, value);
}

}  // namespace

constexpr OpDef def_pad{.name = "pad",
                        .kind = OpKind::Movement,
                        .max_inputs = 2,
                        .attrs = {Attr::pads_begin, Attr::pads_end, Attr::mode},
                        .needs = {Attr::pads_begin, Attr::pads_end, Attr::mode},
                        .infer = infer_pad,
                        .eval = eval_pad,
                        .lower = lower_pad};
constexpr OpDef def_concat{.name = "concat",
                           .kind = OpKind::Movement,
                           .max_inputs = -1,
                           .attrs = {Attr::axis},
                           .needs = {Attr::axis},
                           .infer = infer_concat,
                           .eval = eval_concat,
                           .lower = lower_concat};
constexpr OpDef def_iota{.name = "iota",
                         .kind = OpKind::Movement,
                         .min_inputs = 0,
                         .max_inputs = 0,
                         .attrs = {Attr::dims, Attr::axis, Attr::to},
                         .needs = {Attr::dims, Attr::axis, Attr::to},
                         .infer = infer_iota,
                         .eval = eval_iota,
                         .lower = lower_iota};
constexpr OpDef def_extents{.name = "extents",
                            .kind = OpKind::Movement,
                            .min_inputs = 0,
                            .max_inputs = 0,
                            .attrs = {Attr::dims},
                            .needs = {Attr::dims},
                            .infer = infer_extents,
                            .eval = eval_extents,
                            .lower = lower_extents};

static_assert(complete(def_pad) && complete(def_concat) && complete(def_iota) && complete(def_extents));

}  // namespace tenon
