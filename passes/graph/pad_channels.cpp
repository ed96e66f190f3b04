// Does: gives byte convolutions of 2, 3, 5 ... channels a multiple of four, with weights of zero: instructions sum
// four products along the channels. The copy that this takes holds the border, too. Requires: fold_quantized has run.
// Guarantees: the same sums. Why here: before regions are formed, so that the copy joins what makes the input.
// Cost: linear in the weights that change.
#include <algorithm>

#include "constants.h"

namespace tenon {

namespace {

constexpr int64_t kBytesPerWord = 4;

Result<ValueId> padded(Graph& g, const Node& n, ValueId x, ValueId value, const std::vector<Expr>& begin, const std::vector<Expr>& end) {
  return make_folded(g, n, Op::pad, {x, value},
                     Attrs().set<Attr::mode>("constant").set<Attr::pads_begin>(begin).set<Attr::pads_end>(end));
}

Result<std::vector<ValueId>> pad(Graph& g, const Node& n) {
  if (n.op != Op::conv || n.attrs.get_or<Attr::groups>(1) != 1 || !g.constant(n.inputs[1])) return {};
  const DType type = g.values[n.inputs[0]].type, weight_type = g.values[n.inputs[1]].type;
  if (!is_integer(type) || bits(type) != 8 || bits(weight_type) != 8) return {};
  ExprPool& p = g.pool;
  const size_t rank = g.values[n.inputs[0]].dims.size();
  const auto channels = p.as_int(g.values[n.inputs[1]].dims[1]);
  if (!channels || *channels < 2 || *channels % kBytesPerWord == 0) return {};

  const std::vector<Expr> none(rank, p.index(0)), no_border(rank - 2, p.index(0));
  std::vector<Expr> begin = none, end = none;
  end[1] = p.index(kBytesPerWord - *channels % kBytesPerWord);
  TENON_TRY(ValueId weights, padded(g, n, n.inputs[1], add_number(g, "zero", weight_type, 0), begin, end));
  const auto border_begin = n.attrs.get_or<Attr::pads_begin>(no_border), border_end = n.attrs.get_or<Attr::pads_end>(no_border);
  auto grows = [&](Expr e) { return p.provably_nonnegative(e); };
  Attrs attrs = n.attrs;
  std::vector<ValueId> inputs = n.inputs;
  if (std::ranges::all_of(border_begin, grows) && std::ranges::all_of(border_end, grows)) {
    std::ranges::copy(border_begin, begin.begin() + 2);
    std::ranges::copy(border_end, end.begin() + 2);
    attrs.set<Attr::pads_begin>(no_border).set<Attr::pads_end>(no_border);
    inputs.resize(2);
  }
  const ValueId outside = n.inputs.size() > 2 ? n.inputs[2] : add_number(g, "zero", type, 0);
  TENON_TRY(inputs[0], padded(g, n, n.inputs[0], outside, begin, end));
  inputs[1] = weights;
  TENON_TRY(ValueId sums, make(g, n, Op::conv, inputs, attrs));
  return std::vector{sums};
}

}  // namespace

Result<Graph> pad_channels(Graph graph) { return rewrite(std::move(graph), pad); }

}  // namespace tenon
