// Algebraic rules: one row each, with its law. A rule is exact for every element, infinities and NaN
// included; where the sign of a zero or of an infinity, or a rounding, may differ, its law says so. Not here, on
// purpose: x*0 = 0 and x-x = 0 (NaN), reassociation (rounding), select(is_nan(softmax)) (rows of -inf).
// Cost: linear per round; every rule makes the graph smaller or its nodes cheaper, so rounds end.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "constants.h"

namespace tenon {

namespace {

ValueId in(const Node& n, size_t i) { return n.inputs[i]; }

// x, where it already has the type of the node's result.
Applied itself(const Graph& g, const Node& n, ValueId x) { return same_type(g, x, n.outputs[0]) ? x : kNo; }

bool is_number(const Graph& g, ValueId v, double value) { return splat_value(g, v) == value; }

// The operand beside the constant `value`.
ValueId beside(const Graph& g, const Node& n, double value) {
  return is_number(g, in(n, 1), value) ? in(n, 0) : is_number(g, in(n, 0), value) ? in(n, 1) : kNo;
}

Applied beside_neutral(const Graph& g, const Node& n, double neutral) {
  ValueId x = beside(g, n, neutral);
  return x.valid() ? itself(g, n, x) : kNo;
}

Applied right_neutral(const Graph& g, const Node& n, double neutral) {
  return is_number(g, in(n, 1), neutral) ? itself(g, n, in(n, 0)) : kNo;
}

// Drops a pair of the same involution.
Applied cancel(Graph& g, const Node& n) {
  const Node* inner = producer(g, in(n, 0), n.op);
  return inner ? in(*inner, 0) : kNo;
}

Applied idempotent(Graph& g, const Node& n) { return producer(g, in(n, 0), n.op) ? in(n, 0) : kNo; }

Applied add_zero(Graph& g, const Node& n) { return beside_neutral(g, n, 0); }
Applied sub_zero(Graph& g, const Node& n) { return right_neutral(g, n, 0); }
Applied mul_one(Graph& g, const Node& n) { return beside_neutral(g, n, 1); }
Applied div_one(Graph& g, const Node& n) { return right_neutral(g, n, 1); }
Applied pow_one(Graph& g, const Node& n) { return right_neutral(g, n, 1); }

Applied mul_minus_one(Graph& g, const Node& n) {
  ValueId x = beside(g, n, -1);
  if (!x.valid() || !same_type(g, x, n.outputs[0])) return kNo;
  return make(g, n, Op::neg, {x});
}

Applied add_negated(Graph& g, const Node& n) {
  for (size_t k : {1u, 0u})
    if (const Node* negated = producer(g, in(n, k), Op::neg)) return make(g, n, Op::sub, {in(n, 1 - k), in(*negated, 0)});
  return kNo;
}

Applied sub_negated(Graph& g, const Node& n) {
  const Node* negated = producer(g, in(n, 1), Op::neg);
  if (!negated) return kNo;
  return make(g, n, Op::add, {in(n, 0), in(*negated, 0)});
}

Applied div_power_of_two(Graph& g, const Node& n) {
  const Constant* c = g.constant(in(n, 1));
  if (!c || !is_float(c->type) || c->count() > 4096) return kNo;
  Tensor t = tensor_of(*c);
  for (double& v : t.f) {
    int exponent = 0;
    if (std::abs(std::frexp(v, &exponent)) != 0.5 || std::abs(exponent) > 100) return kNo;
    v = 1 / v;
  }
  if (c->type != DType::F32 && c->type != DType::F64) return kNo;  // narrow types have too few exponents
  return make(g, n, Op::mul, {in(n, 0), add_tensor(g, "inverse", t)});
}

Applied pow_square(Graph& g, const Node& n) {
  if (!is_number(g, in(n, 1), 2) || !same_type(g, in(n, 0), n.outputs[0])) return kNo;
  return make(g, n, Op::mul, {in(n, 0), in(n, 0)});
}

Applied pow_cube(Graph& g, const Node& n) {
  if (!is_number(g, in(n, 1), 3) || !same_type(g, in(n, 0), n.outputs[0])) return kNo;
  TENON_TRY(ValueId square, make(g, n, Op::mul, {in(n, 0), in(n, 0)}));
  return make(g, n, Op::mul, {square, in(n, 0)});
}

Applied pow_half(Graph& g, const Node& n) {
  if (!is_number(g, in(n, 1), 0.5) || !same_type(g, in(n, 0), n.outputs[0])) return kNo;
  return make(g, n, Op::sqrt, {in(n, 0)});
}

Applied min_max_same(Graph& g, const Node& n) {
  return in(n, 0) == in(n, 1) ? itself(g, n, in(n, 0)) : kNo;
}
Applied max_lowest(Graph& g, const Node& n) { return beside_neutral(g, n, -std::numeric_limits<double>::infinity()); }
Applied min_highest(Graph& g, const Node& n) { return beside_neutral(g, n, std::numeric_limits<double>::infinity()); }

// max(max(x, a), a)
Applied min_max_again(Graph& g, const Node& n) {
  const Node* inner = producer(g, in(n, 0), n.op);
  if (!inner || (in(*inner, 1) != in(n, 1) && in(*inner, 0) != in(n, 1))) return kNo;
  return itself(g, n, in(n, 0));
}

Applied and_true(Graph& g, const Node& n) { return beside_neutral(g, n, 1); }
Applied or_false(Graph& g, const Node& n) { return beside_neutral(g, n, 0); }

Applied select_known(Graph& g, const Node& n) {
  auto condition = splat_value(g, in(n, 0));
  return condition ? itself(g, n, in(n, *condition != 0 ? 1 : 2)) : kNo;
}
Applied select_same(Graph& g, const Node& n) { return in(n, 1) == in(n, 2) ? itself(g, n, in(n, 1)) : kNo; }

Applied select_negated(Graph& g, const Node& n) {
  const Node* negated = producer(g, in(n, 0), Op::logical_not);
  if (!negated) return kNo;
  return make(g, n, Op::select, {in(*negated, 0), in(n, 2), in(n, 1)});
}

// Elementwise operations broadcast by themselves.
Applied drop_broadcast(Graph& g, const Node& n) {
  if (!is_pointwise(n.op)) return kNo;
  for (size_t k = 0; k < n.inputs.size(); ++k) {
    const Node* broadcast = producer(g, in(n, k), Op::broadcast);
    if (!broadcast) continue;
    std::vector<std::vector<Expr>> dims;
    for (size_t i = 0; i < n.inputs.size(); ++i) dims.push_back(g.values[i == k ? in(*broadcast, 0) : in(n, i)].dims);
    // Only where the dims of the result follow from the other operands without unifying anything.
    const std::vector<Expr>& result = g.values[n.outputs[0]].dims;
    bool implied = std::ranges::any_of(dims, [&](const std::vector<Expr>& operand) { return operand.size() == result.size(); });
    for (size_t d = 0; d < result.size(); ++d) {
      bool found = g.pool.is_index(result[d], 1), fits = true;
      for (const std::vector<Expr>& operand : dims) {
        if (d + operand.size() < result.size()) continue;
        Expr extent = operand[d + operand.size() - result.size()];
        found |= extent == result[d];
        fits &= extent == result[d] || g.pool.is_index(extent, 1);
      }
      implied &= found && fits;
    }
    if (!implied) continue;
    std::vector<ValueId> inputs = n.inputs;
    inputs[k] = in(*broadcast, 0);
    return make(g, n, n.op, inputs, n.attrs);
  }
  return kNo;
}

// Whether every value of `from` is one of `to`.
bool widens(DType from, DType to) {
  if (from == DType::Bool) return is_integer(to) || is_float(to);
  if (is_float(from) && is_float(to)) {
    if (to == DType::F64 || from == to) return true;
    return to == DType::F32 && (from == DType::F16 || from == DType::BF16 || bits(from) <= 8);
  }
  if (is_integer(from) && is_integer(to))
    return is_signed(to) ? bits(from) < bits(to) || (is_signed(from) && bits(from) == bits(to))
                         : is_unsigned(from) && bits(from) <= bits(to);
  return is_integer(from) && is_float(to) && bits(from) <= (to == DType::F64 ? 32 : to == DType::F32 ? 16 : 8) &&
         bits(to) >= 16;
}

Applied cast_same(Graph& g, const Node& n) { return itself(g, n, in(n, 0)); }

Applied cast_cast(Graph& g, const Node& n) {
  const Node* inner = producer(g, in(n, 0), Op::cast);
  if (!inner) return kNo;
  DType from = g.values[in(*inner, 0)].type, middle = g.values[in(n, 0)].type, to = n.attrs.get<Attr::to>();
  if (!widens(from, middle) || to == DType::Bool) return kNo;
  if (from == to) return itself(g, n, in(*inner, 0));
  return make(g, n, Op::cast, {in(*inner, 0)}, n.attrs);
}

Applied same_dims(Graph& g, const Node& n) { return itself(g, n, in(n, 0)); }

Applied reshape_reshape(Graph& g, const Node& n) {
  const Node* inner = producer(g, in(n, 0), Op::reshape);
  if (!inner) return kNo;
  return make(g, n, Op::reshape, {in(*inner, 0)}, n.attrs);
}

Applied broadcast_broadcast(Graph& g, const Node& n) {
  const Node* inner = producer(g, in(n, 0), Op::broadcast);
  if (!inner) return kNo;
  return make(g, n, Op::broadcast, {in(*inner, 0)}, Attrs().set<Attr::dims>(g.values[n.outputs[0]].dims));
}

Applied transpose_identity(Graph& g, const Node& n) {
  return std::ranges::is_sorted(n.attrs.get<Attr::perm>()) ? itself(g, n, in(n, 0)) : kNo;
}

Applied transpose_transpose(Graph& g, const Node& n) {
  const Node* inner = producer(g, in(n, 0), Op::transpose);
  if (!inner) return kNo;
  std::vector<int64_t> perm;
  for (int64_t d : n.attrs.get<Attr::perm>()) perm.push_back(inner->attrs.get<Attr::perm>()[static_cast<size_t>(d)]);
  return make(g, n, Op::transpose, {in(*inner, 0)}, Attrs().set<Attr::perm>(perm));
}

// A transpose that moves only extents of 1.
Applied transpose_reshape(Graph& g, const Node& n) {
  const std::vector<Expr>& dims = g.values[in(n, 0)].dims;
  std::vector<int64_t> moved;
  for (int64_t d : n.attrs.get<Attr::perm>())
    if (!g.pool.is_index(dims[static_cast<size_t>(d)], 1)) moved.push_back(d);
  if (!std::ranges::is_sorted(moved)) return kNo;
  return make(g, n, Op::reshape, {in(n, 0)}, Attrs().set<Attr::dims>(g.values[n.outputs[0]].dims));
}

Applied slice_all(Graph& g, const Node& n) {
  auto zero = [&](Expr e) { return g.pool.is_index(e, 0); };
  auto one = [](int64_t s) { return s == 1; };
  if (!std::ranges::all_of(n.attrs.get<Attr::starts>(), zero) || !std::ranges::all_of(n.attrs.get<Attr::steps>(), one))
    return kNo;
  return itself(g, n, in(n, 0));
}

Applied slice_slice(Graph& g, const Node& n) {
  const Node* found = producer(g, in(n, 0), Op::slice);
  if (!found) return kNo;
  const Node inner = *found;
  ExprPool& p = g.pool;
  std::vector<Expr> starts = inner.attrs.get<Attr::starts>();
  std::vector<int64_t> steps = inner.attrs.get<Attr::steps>();
  for (size_t d = 0; d < starts.size(); ++d) {
    starts[d] = p.add(starts[d], p.mul(p.index(steps[d]), n.attrs.get<Attr::starts>()[d]));
    steps[d] *= n.attrs.get<Attr::steps>()[d];
  }
  Attrs attrs = n.attrs;
  return make(g, n, Op::slice, {in(inner, 0)}, attrs.set<Attr::starts>(starts).set<Attr::steps>(steps));
}

Applied pad_nothing(Graph& g, const Node& n) {
  auto zero = [&](Expr e) { return g.pool.is_index(e, 0); };
  bool none = std::ranges::all_of(n.attrs.get<Attr::pads_begin>(), zero) &&
              std::ranges::all_of(n.attrs.get<Attr::pads_end>(), zero);
  return none ? itself(g, n, in(n, 0)) : kNo;
}

Applied concat_one(Graph& g, const Node& n) { return n.inputs.size() == 1 ? itself(g, n, in(n, 0)) : kNo; }

Applied concat_empty(Graph& g, const Node& n) {
  auto axis = static_cast<size_t>(n.attrs.get<Attr::axis>());
  std::vector<ValueId> inputs = n.inputs;
  std::erase_if(inputs, [&](ValueId v) { return g.pool.is_index(g.values[v].dims[axis], 0); });
  if (inputs.size() == n.inputs.size() || inputs.empty()) return kNo;
  return make(g, n, Op::concat, inputs, n.attrs);
}

// Attention in several spellings scales keys, of which there are more than queries, and transposes them first.
Applied dot_scaled(Graph& g, const Node& n) {
  const Node* scaled = producer(g, in(n, 1), Op::mul);
  if (!scaled || !is_float(g.values[n.outputs[0]].type)) return kNo;
  for (size_t k : {0u, 1u}) {
    const ValueId factor = in(*scaled, k), rest = in(*scaled, 1 - k);
    const auto number = splat_value(g, factor);
    if (!number || !std::isfinite(*number) || *number == 0 || !same_type(g, rest, in(n, 1))) continue;
    TENON_TRY(const ValueId left, make(g, n, Op::mul, {in(n, 0), factor}));
    return same_type(g, left, in(n, 0)) ? make(g, n, Op::dot, {left, rest}, n.attrs) : kNo;
  }
  return kNo;
}

// u of 1 + tanh(u).
ValueId one_plus_tanh(const Graph& g, ValueId v) {
  const Node* sum = producer(g, v, Op::add);
  const ValueId t = sum ? beside(g, *sum, 1) : kNo;
  const Node* inner = t.valid() && same_type(g, t, v) ? producer(g, t, Op::tanh) : nullptr;
  return inner ? in(*inner, 0) : kNo;
}

// In the spellings of GELU's approximation: (y/2) (1 + tanh(u)), y (1/2 (1 + tanh(u))), 1/2 (y (1 + tanh(u))).
Applied mul_one_plus_tanh(Graph& g, const Node& n) {
  auto gated = [&](ValueId y, ValueId u) -> Applied {  // y sigmoid(2 u), no y: the sigmoid itself
    TENON_TRY(const ValueId twice, make(g, n, Op::mul, {u, add_number(g, "two", g.values[u].type, 2)}));
    TENON_TRY(const ValueId gate, make(g, n, Op::sigmoid, {twice}));
    return y.valid() ? make(g, n, Op::mul, {y, gate}) : Applied(gate);
  };
  for (size_t k : {0u, 1u}) {
    if (const ValueId u = one_plus_tanh(g, in(n, k)); u.valid()) {
      const ValueId other = in(n, 1 - k);
      if (is_number(g, other, 0.5)) return same_type(g, u, n.outputs[0]) ? gated(kNo, u) : kNo;
      const Node* halved = producer(g, other, Op::mul);
      if (const ValueId y = halved ? beside(g, *halved, 0.5) : kNo; y.valid() && same_type(g, y, other)) return gated(y, u);
    }
    const Node* product = is_number(g, in(n, k), 0.5) && same_type(g, in(n, 1 - k), n.outputs[0]) ? producer(g, in(n, 1 - k), Op::mul) : nullptr;
    for (size_t side : {0u, 1u})
      if (const ValueId u = product ? one_plus_tanh(g, in(*product, side)) : kNo; u.valid()) return gated(in(*product, 1 - side), u);
  }
  return kNo;
}

struct Row {
  Op op;
  Applied (*apply)(Graph&, const Node&);
  std::string_view law;
};

constexpr Row kRules[] = {
    {Op::add, add_zero, "x + 0 = x, but for -0 + 0"},
    {Op::add, add_negated, "x + -y = x - y"},
    {Op::sub, sub_zero, "x - 0 = x"},
    {Op::sub, sub_negated, "x - -y = x + y"},
    {Op::mul, mul_one, "x * 1 = x"},
    {Op::mul, mul_minus_one, "x * -1 = -x"},
    {Op::mul, mul_one_plus_tanh, "(1 + tanh(u)) / 2 = sigmoid(2 u), which keeps the digits of small results"},
    {Op::div, div_one, "x / 1 = x"},
    {Op::div, div_power_of_two, "x / 2^k = x * 2^-k"},
    {Op::pow, pow_one, "x ^ 1 = x"},
    {Op::pow, pow_square, "x ^ 2 = x * x"},
    {Op::pow, pow_cube, "x ^ 3 = x * x * x, rounded twice"},
    {Op::pow, pow_half, "x ^ 0.5 = sqrt(x), but for -0 and -inf"},
    {Op::dot, dot_scaled, "a (c b) = (c a) b, c a number: rounded elsewhere"},
    {Op::neg, cancel, "--x = x"},
    {Op::logical_not, cancel, "not not x = x"},
    {Op::bit_not, cancel, "~~x = x"},
    {Op::abs, idempotent, "abs(abs(x)) = abs(x)"},
    {Op::sign, idempotent, "sign(sign(x)) = sign(x)"},
    {Op::floor, idempotent, "floor(floor(x)) = floor(x)"},
    {Op::ceil, idempotent, "ceil(ceil(x)) = ceil(x)"},
    {Op::round, idempotent, "round(round(x)) = round(x)"},
    {Op::max, max_lowest, "max(x, -inf) = x"},
    {Op::min, min_highest, "min(x, inf) = x"},
    {Op::max, min_max_same, "max(x, x) = x"},
    {Op::min, min_max_same, "min(x, x) = x"},
    {Op::max, min_max_again, "max(max(x, a), a) = max(x, a)"},
    {Op::min, min_max_again, "min(min(x, a), a) = min(x, a)"},
    {Op::logical_and, and_true, "x and true = x"},
    {Op::logical_or, or_false, "x or false = x"},
    {Op::select, select_known, "select(true, a, b) = a"},
    {Op::select, select_same, "select(c, a, a) = a"},
    {Op::select, select_negated, "select(not c, a, b) = select(c, b, a)"},
    {Op::cast, cast_same, "cast to the same type"},
    {Op::cast, cast_cast, "cast after a cast that widens"},
    {Op::reshape, same_dims, "reshape to the same dims"},
    {Op::reshape, reshape_reshape, "reshape(reshape(x)) = reshape(x)"},
    {Op::broadcast, same_dims, "broadcast to the same dims"},
    {Op::broadcast, broadcast_broadcast, "broadcast(broadcast(x)) = broadcast(x)"},
    {Op::transpose, transpose_identity, "transpose by the identity"},
    {Op::transpose, transpose_transpose, "transposes compose"},
    {Op::transpose, transpose_reshape, "extents of 1 move freely"},
    {Op::slice, slice_all, "slice of everything"},
    {Op::slice, slice_slice, "slices compose"},
    {Op::pad, pad_nothing, "pad by nothing"},
    {Op::concat, concat_one, "concat of one"},
    {Op::concat, concat_empty, "concat leaves out what is empty"},
};

}  // namespace

Result<Graph> simplify(Graph graph) {
  return rewrite_to_fixpoint(std::move(graph), [](Graph& g, const Node& node) -> Result<std::vector<ValueId>> {
    for (const Row& row : kRules) {
      if (row.op != node.op) continue;
      TENON_TRY(ValueId by, row.apply(g, node));
      if (by.valid()) return std::vector{by};
    }
    TENON_TRY(ValueId by, drop_broadcast(g, node));
    return by.valid() ? std::vector{by} : std::vector<ValueId>{};
  });
}

}  // namespace tenon
