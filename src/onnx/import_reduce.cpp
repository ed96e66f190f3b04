// Reductions, running sums, positions of extrema.
#include <numeric>

#include "families.h"

namespace tenon::frontend {

namespace {

struct Reduction {
  std::vector<int64_t> axes;
  bool keep = true;
  bool nothing = false;  // no axes, and the model says that this means none
};

Reduction reduction_of(OnnxNode& n) {
  Reduction r{.axes = {}, .keep = n.integer("keepdims") != 0};
  if (auto axes = n.integers_or_attribute(1, "axes")) r.axes = n.axes(*axes, n[0].rank());
  if (!r.axes.empty()) return r;
  r.nothing = n.flag("noop_with_empty_axes");
  if (!r.nothing) {
    r.axes.resize(n[0].dims().size());
    std::iota(r.axes.begin(), r.axes.end(), 0);
  }
  return r;
}

Val reduced(OnnxNode& n, Op op, Val x) {
  Reduction r = reduction_of(n);
  return r.nothing ? x : reduce(op, x, r.axes, r.keep);
}

template <Op op>
Vals plain(OnnxNode& n) {
  if (n[0].type() != DType::Bool) return {reduced(n, op, n[0])};
  return {cast(reduced(n, op, cast(n[0], DType::U8)), DType::Bool)};  // max is "any", min is "all"
}

Vals reduce_mean(OnnxNode& n) {
  Reduction r = reduction_of(n);
  return {r.nothing ? n[0] : mean(n[0], r.axes, r.keep)};
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
Vals reduce_log_sum_exp(OnnxNode& n) {
  Reduction r = reduction_of(n);
  if (r.nothing) return {n[0]};
  Val x = in_float(n), most = reduce(Op::reduce_max, x, r.axes, true);
  most = select(n.b.emit(Op::is_inf, {most}), most.like(0), most);
  Val sum = log(reduce(Op::reduce_sum, exp(x - most), r.axes, true)) + most;
  if (!r.keep) sum = reshape(sum, reduce(Op::reduce_max, x, r.axes, false).dims());
  return {cast(sum, n[0].type())};
}

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
  int64_t axis = n.constant_integers(1).at(0);
  return {n.b.emit(Op::cumulate, {n[0]},
                   Attrs()
                       .set<Attr::axis>(n.axis(axis, n[0].rank()))
                       .set<Attr::mode>(mode)
                       .set<Attr::exclusive>(n.integer("exclusive"))
                       .set<Attr::reverse>(n.integer("reverse")))};
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
