// Indirect reads and writes. Negative indices count from the end. A read outside is clamped to the
// nearest element and a write outside is dropped, so no index in a model's data can leave a tensor.
#include <algorithm>

#include "bound.h"
#include "eval.h"
#include "infer.h"
#include "lower.h"

namespace tenon {

namespace {

Result<void> check_indices(const Graph& graph, const Node& node) {
  DType type = input(graph, node, 1).type;
  if (type != DType::I64 && type != DType::I32) return type_error("indices must be i32 or i64");
  return {};
}

int64_t wrapped(int64_t index, int64_t extent) { return index < 0 ? index + extent : index; }
int64_t clamped(int64_t index, int64_t extent) {
  return std::clamp<int64_t>(wrapped(index, extent), 0, extent - 1);
}

// The index that is stored at `at`, counted from the front.
Expr wrapped_index(Lower& l, BufferId indices, const std::vector<Expr>& at, Expr extent) {
  Expr index = l.p.cast(l.load_raw(indices, at), DType::Index);
  return l.p.select(l.p.binary(SOp::Lt, index, l.p.index(0)), l.p.add(index, extent), index);
}
Expr clamped_index(Lower& l, BufferId indices, const std::vector<Expr>& at, Expr extent) {
  Expr last = l.p.sub(extent, l.p.index(1));
  return l.p.max(l.p.min(wrapped_index(l, indices, at, extent), last), l.p.index(0));
}

template <class T>
std::vector<T> slice_of(const std::vector<T>& v, size_t begin, size_t end) {
  return {v.begin() + static_cast<std::ptrdiff_t>(begin), v.begin() + static_cast<std::ptrdiff_t>(end)};
}
template <class T>
void append(std::vector<T>& to, const std::vector<T>& from) {
  to.insert(to.end(), from.begin(), from.end());
}

// --- gather: out[a..., j..., b...] = data[a..., indices[j...], b...], axis between a and b.

// A byte among so many elements is an index by its bits.
constexpr int64_t kBytes = 256;

Result<Types> infer_gather(Graph& graph, const Node& node) {
  const DType index = input(graph, node, 1).type;
  const bool looks_up = (index == DType::U8 || index == DType::I8) && rank(graph, node, 0) == 1 &&
                        graph.pool.is_index(input(graph, node, 0).dims[0], kBytes);
  if (!looks_up) TENON_DO(check_indices(graph, node));
  const ValueType data = type_of(graph, node, 0);
  TENON_TRY(size_t axis, axis_of(node, data.dims.size()));
  std::vector<Expr> dims = slice_of(data.dims, 0, axis);
  append(dims, input(graph, node, 1).dims);
  append(dims, slice_of(data.dims, axis + 1, data.dims.size()));
  return Types{{data.type, std::move(dims)}};
}

std::vector<Tensor> eval_gather(const EvalInput& in) {
  const Tensor &data = input(in, 0), &indices = input(in, 1);
  auto axis = static_cast<size_t>(in.node.attrs.get<Attr::axis>());
  Tensor out = make_output(in);
  int64_t inner = strides_of(data.dims)[axis], n = data.dims[axis], picks = indices.count();
  for (int64_t k = 0; k < out.count(); ++k) {
    int64_t pick = clamped(indices.i[static_cast<size_t>(k / inner % picks)], n);
    copy_element(data, (k / (inner * picks) * n + pick) * inner + k % inner, out, k);
  }
  return one(std::move(out));
}

void lower_gather(LowerInput& in) {
  Lower l(in);
  auto axis = static_cast<size_t>(l.attrs().get<Attr::axis>());
  size_t picked = l.rank(l.in(1));
  std::vector<Expr> axes = l.axes(l.dims(l.out())), at = slice_of(axes, 0, axis);
  const std::vector<Expr> from = slice_of(axes, axis, axis + picked);
  if (bits(l.buffer(l.in(1)).type) == 8)
    at.push_back(l.p.cast(l.p.make(SOp::Bitcast, DType::U8, std::array{l.load_raw(l.in(1), from)}), DType::Index));
  else at.push_back(clamped_index(l, l.in(1), from, l.dims(l.in(0))[axis]));
  append(at, slice_of(axes, axis + picked, axes.size()));
  l.store(l.out(), axes, l.load(l.in(0), at));
}

// --- gather_elements: out[i...] = data[i... with indices[i...] at axis].

Result<Types> infer_gather_elements(Graph& graph, const Node& node) {
  TENON_DO(check_indices(graph, node));
  if (rank(graph, node, 0) != rank(graph, node, 1)) return shape_error("data and indices differ in rank");
  TENON_TRY(size_t axis, axis_of(node, rank(graph, node, 0)));
  (void)axis;
  return Types{{input(graph, node, 0).type, input(graph, node, 1).dims}};
}

std::vector<Tensor> eval_gather_elements(const EvalInput& in) {
  const Tensor &data = input(in, 0), &indices = input(in, 1);
  auto axis = static_cast<size_t>(in.node.attrs.get<Attr::axis>());
  Tensor out = make_output(in);
  Dims strides = strides_of(data.dims);
  for_each_index(out.dims, [&](const Dims& index, int64_t k) {
    Dims at = index;
    at[axis] = clamped(indices.i[static_cast<size_t>(k)], data.dims[axis]);
    copy_element(data, offset_of(at, strides), out, k);
  });
  return one(std::move(out));
}

void lower_gather_elements(LowerInput& in) {
  Lower l(in);
  auto axis = static_cast<size_t>(l.attrs().get<Attr::axis>());
  std::vector<Expr> axes = l.axes(l.dims(l.out())), at = axes;
  at[axis] = clamped_index(l, l.in(1), axes, l.dims(l.in(0))[axis]);
  l.store(l.out(), axes, l.load(l.in(0), at));
}

// --- gather_nd: the last dim of indices holds the leading indices of data, after batch_dims shared dims.

// Length of the index tuples: must be known and leave no more than data's rank.
Result<size_t> tuple_length(const Graph& graph, const Node& node, size_t batch) {
  const std::vector<Expr>& indices = input(graph, node, 1).dims;
  auto length = indices.empty() ? std::nullopt : graph.pool.as_int(indices.back());
  if (!length || batch + 1 > indices.size() || batch + static_cast<size_t>(*length) > rank(graph, node, 0))
    return shape_error("the last dim of indices must be known and at most data's rank");
  return static_cast<size_t>(*length);
}

Result<Types> infer_gather_nd(Graph& graph, const Node& node) {
  TENON_DO(check_indices(graph, node));
  int64_t shared = node.attrs.get_or<Attr::batch_dims>(0);
  if (shared < 0 || shared >= static_cast<int64_t>(rank(graph, node, 1))) return attr_error("batch_dims is out of range");
  auto batch = static_cast<size_t>(shared);
  TENON_TRY(size_t length, tuple_length(graph, node, batch));
  for (size_t d = 0; d < batch; ++d)
    TENON_DO(unify_dims(graph, input(graph, node, 0).dims[d], input(graph, node, 1).dims[d]));
  const std::vector<Expr>&data = input(graph, node, 0).dims, &indices = input(graph, node, 1).dims;
  std::vector<Expr> dims = slice_of(indices, 0, indices.size() - 1);
  append(dims, slice_of(data, batch + length, data.size()));
  return Types{{input(graph, node, 0).type, std::move(dims)}};
}

std::vector<Tensor> eval_gather_nd(const EvalInput& in) {
  const Tensor &data = input(in, 0), &indices = input(in, 1);
  auto batch = static_cast<size_t>(in.node.attrs.get_or<Attr::batch_dims>(0));
  auto length = static_cast<size_t>(indices.dims.back());
  size_t outer = indices.dims.size() - 1;
  Tensor out = make_output(in);
  Dims data_strides = strides_of(data.dims), index_strides = strides_of(indices.dims);
  for_each_index(out.dims, [&](const Dims& index, int64_t k) {
    Dims tuple = slice_of(index, 0, outer), at = slice_of(index, 0, batch);
    for (size_t t = 0; t < length; ++t) {
      int64_t where = offset_of(tuple, index_strides) + static_cast<int64_t>(t);
      at.push_back(clamped(indices.i[static_cast<size_t>(where)], data.dims[batch + t]));
    }
    append(at, slice_of(index, outer, index.size()));
    copy_element(data, offset_of(at, data_strides), out, k);
  });
  return one(std::move(out));
}

void lower_gather_nd(LowerInput& in) {
  Lower l(in);
  auto batch = static_cast<size_t>(l.attrs().get_or<Attr::batch_dims>(0));
  size_t outer = l.rank(l.in(1)) - 1, length = static_cast<size_t>(*l.p.as_int(l.dims(l.in(1)).back()));
  std::vector<Expr> axes = l.axes(l.dims(l.out())), at = slice_of(axes, 0, batch);
  for (size_t t = 0; t < length; ++t) {
    std::vector<Expr> tuple = slice_of(axes, 0, outer);
    tuple.push_back(l.p.index(static_cast<int64_t>(t)));
    at.push_back(clamped_index(l, l.in(1), tuple, l.dims(l.in(0))[batch + t]));
  }
  append(at, slice_of(axes, outer, axes.size()));
  l.store(l.out(), axes, l.load(l.in(0), at));
}

// --- scatters: a copy of data, in which attr reduction (none, add, mul, min, max) combines updates in
// row-major order.

Result<void> check_scatter(Graph& graph, const Node& node) {
  static constexpr std::string_view kReductions[] = {"none", "add", "mul", "min", "max"};
  TENON_DO(check_indices(graph, node));
  TENON_DO(same_type(graph, node, 0, 2));
  const std::string reduction = node.attrs.get<Attr::reduction>();
  if (std::ranges::find(kReductions, reduction) == std::end(kReductions))
    return attr_error("unknown scatter reduction " + reduction);
  DType type = input(graph, node, 0).type;
  if (reduction != "none" && !is_float(type) && !is_integer(type))
    return type_error("only numbers can be combined");
  return {};
}

void combine_element(const std::string& reduction, const Tensor& updates, int64_t from, Tensor& out,
                     int64_t at) {
  if (reduction == "none") return copy_element(updates, from, out, at);
  with_wide(out.type, [&]<class T>() {
    T &a = elements<T>(out)[at], b = elements<T>(updates)[from];
    if (reduction == "min") a = std::min(a, b);
    if (reduction == "max") a = std::max(a, b);
    using U = std::conditional_t<std::is_same_v<T, double>, double, uint64_t>;
    if (reduction == "add") a = static_cast<T>(static_cast<U>(a) + static_cast<U>(b));
    if (reduction == "mul") a = static_cast<T>(static_cast<U>(a) * static_cast<U>(b));
  });
}

// One statement copies data, the next visits the updates; writes outside are left out.
void lower_scatter(Lower& l, const std::vector<Expr>& axes, const std::vector<Expr>& at, Expr inside) {
  ExprPool& p = l.p;
  std::vector<Expr> all = l.axes(l.dims(l.out()), "d");
  l.store(l.out(), all, l.load(l.in(0), all));
  const std::string& reduction = l.attrs().get<Attr::reduction>();
  Expr value = l.load(l.in(2), axes);
  if (reduction != "none") {
    SOp op = reduction == "add"   ? SOp::Add
             : reduction == "mul" ? SOp::Mul
             : reduction == "min" ? SOp::Min
                                  : SOp::Max;
    value = p.binary(op, l.load(l.out(), at), value);
  }
  Statement& s = l.store(l.out(), axes, value);
  s.indices = at;
  s.condition = inside;
}

Result<Types> infer_scatter_elements(Graph& graph, const Node& node) {
  TENON_DO(check_scatter(graph, node));
  size_t n = rank(graph, node, 0);
  if (rank(graph, node, 1) != n || rank(graph, node, 2) != n)
    return shape_error("operands of scatter differ in rank");
  TENON_TRY(size_t axis, axis_of(node, n));
  (void)axis;
  for (size_t d = 0; d < n; ++d)
    TENON_DO(unify_dims(graph, input(graph, node, 1).dims[d], input(graph, node, 2).dims[d]));
  return Types{type_of(graph, node, 0)};
}

std::vector<Tensor> eval_scatter_elements(const EvalInput& in) {
  const Tensor &indices = input(in, 1), &updates = input(in, 2);
  auto axis = static_cast<size_t>(in.node.attrs.get<Attr::axis>());
  Tensor out = input(in, 0);
  Dims strides = strides_of(out.dims);
  for_each_index(updates.dims, [&](const Dims& index, int64_t k) {
    Dims at = index;
    at[axis] = wrapped(indices.i[static_cast<size_t>(k)], out.dims[axis]);
    if (at[axis] < 0 || at[axis] >= out.dims[axis]) return;
    combine_element(in.node.attrs.get<Attr::reduction>(), updates, k, out, offset_of(at, strides));
  });
  if (!out.i.empty()) round_elements(out);
  return one(std::move(out));
}

void lower_scatter_elements(LowerInput& in) {
  Lower l(in);
  auto axis = static_cast<size_t>(l.attrs().get<Attr::axis>());
  std::vector<Expr> axes = l.axes(l.dims(l.in(2))), at = axes;
  at[axis] = wrapped_index(l, l.in(1), axes, l.dims(l.out())[axis]);
  lower_scatter(l, axes, at, l.inside(at[axis], l.dims(l.out())[axis]));
}

Result<Types> infer_scatter_nd(Graph& graph, const Node& node) {
  TENON_DO(check_scatter(graph, node));
  TENON_TRY(size_t length, tuple_length(graph, node, 0));
  std::vector<Expr> expected = slice_of(input(graph, node, 1).dims, 0, rank(graph, node, 1) - 1);
  append(expected, slice_of(input(graph, node, 0).dims, length, rank(graph, node, 0)));
  if (expected.size() != rank(graph, node, 2))
    return shape_error("the updates of scatter_nd have the wrong rank");
  for (size_t d = 0; d < expected.size(); ++d)
    TENON_DO(unify_dims(graph, expected[d], input(graph, node, 2).dims[d]));
  return Types{type_of(graph, node, 0)};
}

std::vector<Tensor> eval_scatter_nd(const EvalInput& in) {
  const Tensor &indices = input(in, 1), &updates = input(in, 2);
  auto length = static_cast<size_t>(indices.dims.back());
  size_t outer = indices.dims.size() - 1;
  Tensor out = input(in, 0);
  Dims strides = strides_of(out.dims), index_strides = strides_of(indices.dims);
  for_each_index(updates.dims, [&](const Dims& index, int64_t k) {
    Dims at;
    for (size_t t = 0; t < length; ++t) {
      int64_t where = offset_of(slice_of(index, 0, outer), index_strides) + static_cast<int64_t>(t);
      at.push_back(wrapped(indices.i[static_cast<size_t>(where)], out.dims[t]));
      if (at[t] < 0 || at[t] >= out.dims[t]) return;
    }
    append(at, slice_of(index, outer, index.size()));
    combine_element(in.node.attrs.get<Attr::reduction>(), updates, k, out, offset_of(at, strides));
  });
  if (!out.i.empty()) round_elements(out);
  return one(std::move(out));
}

void lower_scatter_nd(LowerInput& in) {
  Lower l(in);
  size_t outer = l.rank(l.in(1)) - 1, length = static_cast<size_t>(*l.p.as_int(l.dims(l.in(1)).back()));
  std::vector<Expr> axes = l.axes(l.dims(l.in(2))), at;
  Expr inside = {};
  for (size_t t = 0; t < length; ++t) {
    std::vector<Expr> tuple = slice_of(axes, 0, outer);
    tuple.push_back(l.p.index(static_cast<int64_t>(t)));
    at.push_back(wrapped_index(l, l.in(1), tuple, l.dims(l.out())[t]));
    inside = l.p.all_of(inside, l.inside(at[t], l.dims(l.out())[t]));
  }
  append(at, slice_of(axes, outer, axes.size()));
  lower_scatter(l, axes, at, inside);
}

// Which updates meet in one element is data: at most all of them.
std::vector<Tensor> scatter_bounds(const BoundInput& in) {
  const std::string& reduction = in.eval.node.attrs.get<Attr::reduction>();
  if (reduction != "add" && reduction != "mul") return monotone_bounds(in);
  return sum_bounds(in, sum_roundings(static_cast<double>(input(in.eval, 2).count())));
}

}  // namespace

constexpr OpDef def_gather{.name = "gather",
                           .kind = OpKind::Gather,
                           .min_inputs = 2,
                           .max_inputs = 2,
                           .attrs = {Attr::axis},
                           .needs = {Attr::axis},
                           .infer = infer_gather,
                           .eval = eval_gather,
                           .lower = lower_gather};
constexpr OpDef def_gather_elements{.name = "gather_elements",
                                    .kind = OpKind::Gather,
                                    .min_inputs = 2,
                                    .max_inputs = 2,
                                    .attrs = {Attr::axis},
                                    .needs = {Attr::axis},
                                    .infer = infer_gather_elements,
                                    .eval = eval_gather_elements,
                                    .lower = lower_gather_elements};
constexpr OpDef def_gather_nd{.name = "gather_nd",
                              .kind = OpKind::Gather,
                              .min_inputs = 2,
                              .max_inputs = 2,
                              .attrs = {Attr::batch_dims},
                              .infer = infer_gather_nd,
                              .eval = eval_gather_nd,
                              .lower = lower_gather_nd};
constexpr OpDef def_scatter_elements{.name = "scatter_elements",
                                     .kind = OpKind::Scatter,
                                     .min_inputs = 3,
                                     .max_inputs = 3,
                                     .attrs = {Attr::axis, Attr::reduction},
                                     .needs = {Attr::axis, Attr::reduction},
                                     .infer = infer_scatter_elements,
                                     .eval = eval_scatter_elements,
                                     .lower = lower_scatter_elements,
                                .bound = scatter_bounds};
constexpr OpDef def_scatter_nd{.name = "scatter_nd",
                               .kind = OpKind::Scatter,
                               .min_inputs = 3,
                               .max_inputs = 3,
                               .attrs = {Attr::reduction},
                               .needs = {Attr::reduction},
                               .infer = infer_scatter_nd,
                               .eval = eval_scatter_nd,
                               .lower = lower_scatter_nd,
                                .bound = scatter_bounds};

static_assert(complete(def_gather) && complete(def_gather_elements) && complete(def_gather_nd) &&
              complete(def_scatter_elements) && complete(def_scatter_nd));

}  // namespace tenon
