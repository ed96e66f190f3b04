// Turns products of dequantised tensors into products of integers:
//   quantize(dequantize(x) * dequantize(w) + b) = sat(rne((sum(x*w) + c) * (sx*sw/sy)) + zy)
// with i32 sums, the zero points and an integer bias in c, and one f32 multiplication per channel. Equal
// to the definition up to that multiplication's rounding. Q and DQ first move through nodes that only
// move or compare elements, which is exact. What does not match stays as it is, in floats.
// Requires: constants folded, dequantised constants left alone.
#include <algorithm>
#include <cmath>

#include "constants.h"
#include "quantized.h"

namespace tenon {

namespace {

using Replacement = Result<std::vector<ValueId>>;

// DQ moves down, Q up.

// dequantize(q) with the parameters of `like`.
Result<ValueId> dequantize_like(Graph& g, const Node& like, ValueId q) {
  return make(g, like, Op::dequantize, {q, like.inputs[1], like.inputs.size() > 2 ? like.inputs[2] : ValueId{}}, like.attrs);
}

// move(dequantize(q)) = dequantize(move(q))
Replacement move_down(Graph& g, const Node& n) {
  if (n.inputs.empty() || n.outputs.size() != 1) return {};
  const Node* found = producer(g, n.inputs[0], Op::dequantize);
  if (!found) return {};
  Node dq = *found;
  auto params = parameters(g, dq);
  if (!params) return {};
  std::vector<ValueId> inputs = n.inputs;
  inputs[0] = dq.inputs[0];
  switch (n.op) {
    case Op::transpose:
      if (params->axis >= 0) {
        const std::vector<int64_t>& perm = n.attrs.get<Attr::perm>();
        dq.attrs.set<Attr::axis>(std::ranges::find(perm, params->axis) - perm.begin());
      }
      break;
    case Op::reshape:
      if (params->axis >= 0) {  // a bias: one channel dim, now among extents of 1
        const std::vector<Expr>& dims = g.values[n.outputs[0]].dims;
        auto channel = std::ranges::find_if(dims, [&](Expr d) { return !g.pool.is_index(d, 1); });
        if (g.values[n.inputs[0]].dims.size() != 1 || channel == dims.end()) return {};
        dq.attrs.set<Attr::axis>(channel - dims.begin());
      }
      break;
    case Op::broadcast:
    case Op::slice:
    case Op::gather:
    case Op::window_max:
      if (params->axis >= 0) return {};
      break;
    case Op::concat:
      for (size_t k = 1; k < n.inputs.size(); ++k) {
        const Node* other = producer(g, n.inputs[k], Op::dequantize);
        auto same = other ? parameters(g, *other) : std::nullopt;
        if (!same || *same != *params || params->axis >= 0) return {};
        inputs[k] = other->inputs[0];
      }
      break;
    case Op::max: {  // relu
      if (params->axis >= 0 || splat_value(g, n.inputs[1]) != 0 || !same_type(g, n.inputs[0], n.outputs[0])) return {};
      inputs[1] = add_number(g, "zero_point", params->type, static_cast<double>(params->zero[0]));
      break;
    }
    default: return {};
  }
  TENON_TRY(ValueId moved, make_folded(g, n, n.op, inputs, n.attrs));
  TENON_TRY(ValueId out, dequantize_like(g, dq, moved));
  return std::vector{out};
}

// quantize(dequantize(q)) = q under equal parameters; quantize(max(y, c)) = max(quantize(y), quantize(c)).
Replacement move_up(Graph& g, const Node& n, const std::vector<int>& uses) {
  auto params = n.op == Op::quantize ? parameters(g, n) : std::nullopt;
  if (!params) return {};
  const Node* y = producer(g, n.inputs[0]);
  if (!y) return {};
  if (y->op == Op::dequantize) {
    auto before = parameters(g, *y);
    return before && *before == *params ? Replacement(std::vector{y->inputs[0]}) : Replacement();
  }
  if ((y->op != Op::max && y->op != Op::min) || params->axis >= 0 || !is_integer(params->type)) return {};
  auto k = static_cast<size_t>(n.inputs[0].index);
  auto bound = splat_value(g, y->inputs[1]);
  if (!bound || (k < uses.size() && uses[k] > 1) || !same_type(g, y->inputs[0], n.inputs[0])) return {};
  const Op op = y->op;
  double limit = params->quantized(*bound);
  std::vector<ValueId> inputs = n.inputs;
  inputs[0] = y->inputs[0];
  TENON_TRY(ValueId q, make(g, n, Op::quantize, inputs, n.attrs));
  if (limit == (op == Op::max ? params->least() : params->greatest())) return std::vector{q};
  TENON_TRY(q, make(g, n, op, {q, add_number(g, "bound", params->type, limit)}));
  return std::vector{q};
}

// A scale of 1 in the place of a quantize node's.
Result<ValueId> unit_scale(Graph& g, const Node& n) {
  ValueId one = add_number(g, "one", DType::F32, 1);
  const std::vector<Expr> dims = g.values[n.inputs[1]].dims;
  if (dims.empty()) return one;
  return make_folded(g, n, Op::reshape, {one}, Attrs().set<Attr::dims>(dims));
}

// quantize(y + b), y a product: the product, and its bias if any.
Replacement fold_requantized(Graph& g, const Node& n, const std::vector<int>& uses) {
  auto out = n.op == Op::quantize ? parameters(g, n) : std::nullopt;
  if (!out || out->axis >= 0 || !is_integer(out->type) || g.values[n.inputs[0]].type != DType::F32) return {};
  auto once = [&](ValueId v) {
    auto k = static_cast<size_t>(v.index);
    return k >= uses.size() || uses[k] == 1;
  };
  ValueId y = n.inputs[0], bias = {};
  if (const Node* sum = producer(g, y, Op::add); sum && once(y)) {
    size_t k = producer(g, sum->inputs[0]) && is_product(producer(g, sum->inputs[0])->op) ? 0 : 1;
    bias = sum->inputs[1 - k];
    if (!same_type(g, y, sum->inputs[k])) return {};
    y = sum->inputs[k];
  }
  const Node* product = producer(g, y);
  if (!product || !is_product(product->op) || !once(y)) return {};
  const Node kept = *product;
  TENON_TRY(std::optional<IntegerProduct> made, integer_product(g, kept));
  if (!made) return {};
  auto shift = bias.valid() ? bias_of(g, bias, *made) : std::optional(Bias{});
  if (!shift) return {};
  if (!shift->integers.empty()) {
    ValueId term = made->channel_tensor(g, "bias", DType::I32, shift->integers), sums = made->sums;
    if (const Node* centred = producer(g, sums, Op::add); centred && g.constant(centred->inputs[1])) {
      sums = centred->inputs[0];
      TENON_TRY(term, make_folded(g, kept, Op::add, {centred->inputs[1], term}));
    }
    TENON_TRY(made->sums, make(g, kept, Op::add, {sums, term}));
  }
  std::vector<double> factor = made->scale;
  for (double& f : factor) f /= out->scale[0];
  TENON_TRY(ValueId scaled, made->scaled(g, kept, factor));
  if (!shift->reals.empty()) {
    for (double& b : shift->reals) b /= out->scale[0];
    TENON_TRY(scaled, make(g, kept, Op::add, {scaled, made->channel_tensor(g, "bias", DType::F32, shift->reals)}));
  }
  std::vector<ValueId> inputs = n.inputs;
  inputs[0] = scaled;
  TENON_TRY(inputs[1], unit_scale(g, n));
  TENON_TRY(ValueId q, make(g, n, Op::quantize, inputs, n.attrs));
  return std::vector{q};
}

// quantize(dequantize(p) + dequantize(q)) = sat(rne(p*(sp/sy) + (q*(sq/sy) + c)) + zy), c = -zp*(sp/sy) - zq*(sq/sy):
// no division, and zero points are dealt with at compile time.
Replacement fold_sum(Graph& g, const Node& n, const std::vector<int>& uses) {
  auto out = n.op == Op::quantize ? parameters(g, n) : std::nullopt;
  const Node* sum = out ? producer(g, n.inputs[0], Op::add) : nullptr;
  const auto k = static_cast<size_t>(n.inputs[0].index);
  if (!sum || out->axis >= 0 || g.values[n.inputs[0]].type != DType::F32 || (k < uses.size() && uses[k] > 1)) return {};
  const Node kept = *sum;
  double shift = 0;
  ValueId terms[2];
  for (size_t i = 0; i < 2; ++i) {
    const Node* dq = producer(g, kept.inputs[i], Op::dequantize);
    auto params = dq ? parameters(g, *dq) : std::nullopt;
    if (!params || params->axis >= 0 || bits(params->type) > 8 || !same_type(g, kept.inputs[i], n.inputs[0])) return {};
    const double factor = static_cast<double>(static_cast<float>(params->scale[0] / out->scale[0]));
    shift -= factor * static_cast<double>(params->zero[0]);
    TENON_TRY(ValueId real, make_folded(g, kept, Op::cast, {dq->inputs[0]}, Attrs().set<Attr::to>(DType::F32)));
    TENON_TRY(terms[i], make_folded(g, kept, Op::mul, {real, add_number(g, "scale", DType::F32, factor)}));
  }
  TENON_TRY(ValueId inner, make_folded(g, kept, Op::add, {terms[1], add_number(g, "shift", DType::F32, shift)}));
  TENON_TRY(ValueId scaled, make(g, kept, Op::add, {terms[0], inner}));
  TENON_TRY(ValueId one, unit_scale(g, n));
  std::vector<ValueId> inputs = n.inputs;
  inputs[0] = scaled;
  inputs[1] = one;
  TENON_TRY(ValueId q, make(g, n, Op::quantize, inputs, n.attrs));
  return std::vector{q};
}

// A product whose result stays in floats.
Replacement fold_product(Graph& g, const Node& n) {
  if (!is_product(n.op)) return {};
  TENON_TRY(std::optional<IntegerProduct> made, integer_product(g, n));
  if (!made) return {};
  TENON_TRY(ValueId y, made->scaled(g, n, made->scale));
  return std::vector{y};
}

}  // namespace

Result<Graph> fold_quantized(Graph graph) {
  for (bool changed = true; changed;) {
    changed = false;
    std::vector<int> uses = use_counts(graph);
    TENON_TRY(graph, rewrite(std::move(graph), [&](Graph& g, const Node& n) -> Replacement {
      TENON_TRY(std::vector<ValueId> by, move_down(g, n));
      return by.empty() ? move_up(g, n, uses) : by;
    }, &changed));
  }
  std::vector<int> uses = use_counts(graph);
  TENON_TRY(graph, rewrite(std::move(graph), [&](Graph& g, const Node& n) { return fold_requantized(g, n, uses); }));
  uses = use_counts(graph);
  TENON_TRY(graph, rewrite(std::move(graph), [&](Graph& g, const Node& n) { return fold_sum(g, n, uses); }));
  TENON_TRY(graph, rewrite(std::move(graph), fold_product));
  TENON_TRY(graph, fold_tables(std::move(graph)));
  // What is left of dequantised constants: small ones become floats, large ones stay small.
  return rewrite(std::move(graph), [](Graph& g, const Node& n) -> Replacement {
    return n.op == Op::dequantize ? fold_node(g, n).value_or(std::vector<ValueId>{}) : std::vector<ValueId>{};
  });
}

}  // namespace tenon
