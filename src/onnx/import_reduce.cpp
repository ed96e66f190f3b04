// Reductions, running sums, positions of extrema.
#include <numeric>

#include "axes.h"
#include "families.h"

namespace tenon::frontend {

namespace {

// f(x, axes, keep) over the axes that the node names, be they known only when the model runs.
template <class F>
Val over_axes(OnnxNode& n, Val x, const F& f) {
  bool keep = n.integer("keepdims") != 0;
  Dims axes = n.elements_or_attribute(1, "axes").value_or(Dims{});
  if (axes.empty()) {
    if (n.flag("noop_with_empty_axes")) return x;
    std::vector<int64_t> all(x.dims().size());
    std::iota(all.begin(), all.end(), 0);
    return f(x, all, keep);
  }
  if (auto known = known_integers(n.pool, axes)) return f(x, n.axes(*known, x.rank()), keep);
  return reduce_over(n, x, axes, keep, [&](Val split, const std::vector<int64_t>& second) {
    return f(split, second, false);
  });
}

Val reduced(OnnxNode& n, Op op, Val x) {
  return over_axes(n, x, [&](Val v, const std::vector<int64_t>& axes, bool keep) { return reduce(op, v, axes, keep); });
}

template <Op op>
Vals plain(OnnxNode& n) {
  if (n[0].type() != DType::Bool) return {reduced(n, op, n[0])};
  return {cast(reduced(n, op, cast(n[0], DType::U8)), DType::Bool)};  // max is "any", min is "all"
}

Vals reduce_mean(OnnxNode& n) {
  return {over_axes(n, n[0], [](Val x, const std::vector<int64_t>& axes, bool keep) { return mean(x, axes, keep); })};
}

// Roots and logarithms of integers are taken in f64 and truncated.
Val in_float(OnnxNode& n) { return is_float(n[0].type()) ? n[0] : cast(n[0], DType::F64); }

Vals reduce_l1(OnnxNode& n) { return {reduced(n, Op::reduce_sum, abs(n[0]))}; }
Vals reduce_sum_square(OnnxNode& n) { return {reduced(n, Op::reduce_sum, n[0] * n[0])}; }
Vals reduce_l2(OnnxNode& n) {
  Val x = in_float(n);
  return {cast(sqrt(reduced(n, Op::reduce_sum, x * x)), n[0].type())};
}
Vals reduce_log_sum(OnnxNode& n) { return {cast(log(reduced(n, Op::reduce_sum, in_float(n))), n[0].type())}; }

// log sum exp(x) = m + log sum exp(x - m); m = 0 where the maximum is infinite.
Val log_sum_exp(Val x, const std::vector<int64_t>& axes, bool keep) {
  Val most = reduce(Op::reduce_max, x, axes, true);
  most = select(x.builder().emit(Op::is_inf, {most}), most.like(0), most);
  Val sum = log(reduce(Op::reduce_sum, exp(x - most), axes, true)) + most;
  return keep ? sum : reshape(sum, reduce(Op::reduce_max, x, axes, false).dims());
}
Vals reduce_log_sum_exp(OnnxNode& n) { return {cast(over_axes(n, in_float(n), log_sum_exp), n[0].type())}; }

template <Op op>
Vals position(OnnxNode& n) {
  return {n.b.emit(op, {n[0]},
                   Attrs()
                       .set<Attr::axis>(n.axis("axis", n[0].rank()))
                       .set<Attr::keep_dims>(n.integer("keepdims"))
                       .set<Attr::last_index>(n.integer_or("select_last_index", 0)))};
}

// One at the first maximum along axis, zero elsewhere. Before opset 13 all dims from axis on are one.
Vals hardmax(OnnxNode& n) {
  int axis = n.axis("axis", n[0].rank());
  Val x = n.opset < 13 ? flatten(n[0], axis, n[0].rank()) : n[0];
  Val at = n.b.emit(Op::argmax, {x}, Attrs().set<Attr::axis>(axis).set<Attr::keep_dims>(1));
  Val hot = cast(n.b.iota(DType::I64, x.dims(), axis) == at, x.type());
  return {reshape(hot, n[0].dims())};
}

template <const char* mode>
Vals cumulate(OnnxNode& n) {
  Dims axis = n.elements(1);
  n.require(axis.size() == 1, "the axis must be one number");
  auto f = [&](Val x, int at) {
    return n.b.emit(Op::cumulate, {x},
                    Attrs()
                        .set<Attr::axis>(at)
                        .set<Attr::mode>(mode)
                        .set<Attr::exclusive>(n.integer("exclusive"))
                        .set<Attr::reverse>(n.integer("reverse")));
  };
  if (auto known = n.pool.as_int(axis[0])) return {f(n[0], n.axis(*known, n[0].rank()))};
  return {along(n, n[0], axis[0], f)};
}
constexpr char kSum[] = "sum", kProduct[] = "prod";

constexpr ImportRow kRows[] = {
    {"ArgMax", position<Op::argmax>},        {"ArgMin", position<Op::argmin>},   {"CumProd", cumulate<kProduct>},
    {"CumSum", cumulate<kSum>},              {"Hardmax", hardmax},               {"ReduceL1", reduce_l1},
    {"ReduceL2", reduce_l2},                 {"ReduceLogSum", reduce_log_sum},   {"ReduceLogSumExp", reduce_log_sum_exp},
    {"ReduceMax", plain<Op::reduce_max>},    {"ReduceMean", reduce_mean},        {"ReduceMin", plain<Op::reduce_min>},
    {"ReduceProd", plain<Op::reduce_prod>},  {"ReduceSum", plain<Op::reduce_sum>}, {"ReduceSumSquare", reduce_sum_square},
};

}  // namespace

std::span<const ImportRow> reduce_imports() { return kRows; }

}  // namespace tenon::frontend
