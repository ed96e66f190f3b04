// Sorting. The lowering calls a routine of backends/runtime:
//   void tn_topk(const void* x, void* values, int64_t* indices,
//                int64_t outer, n, inner, k,    x [outer, n, inner], results [outer, k, inner]
//                int64_t bits, is_signed,       of the element type; floats are signed
//                int64_t infinity,              the float type's, as bits; 0 for integers
//                int64_t largest)
#include <algorithm>
#include <cmath>

#include "eval.h"
#include "infer.h"
#include "lower.h"
#include "tenon/narrow_float.h"

namespace tenon {

namespace {

// --- top_k: the dims[0] greatest (largest) or least elements along axis, best first, and their indices.
// Equal elements keep their order; NaN counts as greater than every number.

Result<Types> infer_top_k(Graph& graph, const Node& node) {
  ValueType x = type_of(graph, node, 0);
  TENON_TRY(size_t axis, axis_of(node, x.dims.size()));
  bool ordered = is_float(x.type) ? bits(x.type) >= 16 : is_integer(x.type) && bits(x.type) >= 8;
  if (!ordered) return type_error("top_k is not defined for " + std::string(spelling(x.type)));
  const attr::Dims& k = node.attrs.get<Attr::dims>();
  if (k.size() != 1) return attr_error("top_k takes one extent");
  if (graph.pool.bounds(graph.pool.sub(x.dims[axis], k[0])).second < 0)
    return shape_error("top_k asks for more elements than there are");
  x.dims[axis] = k[0];
  return Types{x, {DType::I64, x.dims}};
}

template <class T>
bool less_than(T a, T b) {
  if (b != b) return a == a;  // NaN is the greatest
  return a < b;
}

std::vector<Tensor> eval_top_k(const EvalInput& in) {
  const Tensor& x = input(in, 0);
  auto axis = static_cast<size_t>(in.node.attrs.get<Attr::axis>());
  bool largest = in.node.attrs.get_or<Attr::largest>(1) != 0;
  std::vector<Tensor> outs = {make_output(in, 0), make_output(in, 1)};
  int64_t n = x.dims[axis], k = outs[0].dims[axis], inner = strides_of(x.dims)[axis];
  for (int64_t row = 0; n > 0 && row < x.count() / n; ++row) {
    int64_t o = row / inner, i = row % inner;
    std::vector<int64_t> order(static_cast<size_t>(n));
    for (int64_t j = 0; j < n; ++j) order[static_cast<size_t>(j)] = j;
    with_wide(x.type, [&]<class T>() {
      const T* first = elements<T>(x) + o * n * inner + i;
      std::ranges::stable_sort(order, [&](int64_t a, int64_t b) {
        T p = first[a * inner], q = first[b * inner];
        return largest ? less_than(q, p) : less_than(p, q);
      });
    });
    for (int64_t j = 0; j < k; ++j) {
      int64_t to = (o * k + j) * inner + i, from = order[static_cast<size_t>(j)];
      copy_element(x, (o * n + from) * inner + i, outs[0], to);
      outs[1].i[static_cast<size_t>(to)] = from;
    }
  }
  return outs;
}

void lower_top_k(LowerInput& in) {
  Lower l(in);
  ExprPool& p = l.p;
  const std::vector<Expr>& dims = l.dims(l.in(0));
  auto axis = static_cast<size_t>(l.attrs().get<Attr::axis>());
  Expr outer = p.index(1), inner = p.index(1);
  for (size_t d = 0; d < axis; ++d) outer = p.mul(outer, dims[d]);
  for (size_t d = axis + 1; d < dims.size(); ++d) inner = p.mul(inner, dims[d]);
  DType type = l.buffer(l.in(0)).type;
  auto infinity = is_float(type) ? static_cast<int64_t>(float_bits(type, INFINITY)) : 0;
  bool has_sign = is_float(type) || is_signed(type);
  in.region.statements.push_back(
      {.out = l.out(0),
       .routine = "tn_topk",
       .operands = {l.in(0)},
       .more_outs = {l.out(1)},
       .scalars = {outer, dims[axis], inner, l.dims(l.out(0))[axis], p.index(bits(type)), p.index(has_sign),
                   p.index(infinity), p.index(l.attrs().get_or<Attr::largest>(1))}});
}

}  // namespace

constexpr OpDef def_top_k{.name = "top_k",
                          .kind = OpKind::Routine,
                          .min_outputs = 2,
                          .max_outputs = 2,
                          .attrs = {Attr::axis, Attr::dims, Attr::largest, Attr::sorted},
                          .needs = {Attr::axis, Attr::dims},
                          .infer = infer_top_k,
                          .eval = eval_top_k,
                          .lower = lower_top_k};

static_assert(complete(def_top_k));

}  // namespace tenon
