// Does: a convolution whose channels are spread over space (pixel shuffle, CRD: channel c*b*b + i*b + j becomes pixel
// (i, j) of channel c) makes them in the order (i, j, c), so that whoever reads a pixel finds its channels beside each
// other. Requires: constants folded, since weights are reordered. Guarantees: the same bits. Why here: after batch norms
// were folded, before transposes move. Cost: linear in the weights that change.
#include <algorithm>

#include "constants.h"

namespace tenon {

namespace {

// Channels as [c, blocks], outermost first, and as [blocks, c].
struct Order {
  int64_t channels = 1, blocks = 1;
};

class Reorder {
 public:
  Reorder(Graph& graph, const std::vector<int>& uses, Order order) : g_(graph), uses_(uses), order_(order) {}

  // Whether v comes from a convolution of constant weights through pointwise nodes whose other operands are constants.
  bool reaches(ValueId v) const {
    const Node* made = producer(g_, v);
    if (!made || made->outputs.size() != 1 || uses(v) != 1) return false;
    if (made->op == Op::conv)
      return made->inputs.size() == 2 && g_.constant(made->inputs[1]) && made->attrs.get_or<Attr::groups>(1) == 1;
    if (!is_pointwise(made->op)) return false;
    const size_t rank = g_.values[v].dims.size();
    int variable = 0;
    for (ValueId in : made->inputs) {
      if (!g_.constant(in)) ++variable;
      if (!g_.constant(in) && (g_.values[in].dims != g_.values[v].dims || !reaches(in))) return false;
      if (g_.constant(in) && g_.values[in].dims.size() > rank) return false;
    }
    return variable == 1;
  }

  // v, made with its channels in the new order.
  Result<ValueId> make_again(ValueId v) {
    const Node made = *producer(g_, v);
    std::vector<ValueId> inputs = made.inputs;
    if (made.op == Op::conv) {
      TENON_TRY(inputs[1], exchanged(g_, made, inputs[1], 0, order_.channels, order_.blocks));
      return make(g_, made, made.op, inputs, made.attrs);
    }
    constexpr size_t kChannel = 1;
    for (ValueId& in : inputs) {
      const size_t shorter = g_.values[v].dims.size() - g_.values[in].dims.size();  // dims are aligned at the end
      if (!g_.constant(in)) {
        TENON_TRY(in, make_again(in));
      } else if (shorter <= kChannel) {
        TENON_TRY(in, exchanged(g_, made, in, kChannel - shorter, order_.channels, order_.blocks));
      }
    }
    return make(g_, made, made.op, inputs, made.attrs);
  }

 private:
  int uses(ValueId v) const { return static_cast<size_t>(v.index) < uses_.size() ? uses_[static_cast<size_t>(v.index)] : 1; }

  Graph& g_;
  const std::vector<int>& uses_;
  Order order_;
};

Result<std::vector<ValueId>> order(Graph& g, const Node& n, const std::vector<int>& uses) {
  // [N, C, b, b, H, W] -> [N, C, H, b, W, b]
  if (n.op != Op::transpose || n.attrs.get<Attr::perm>() != std::vector<int64_t>{0, 1, 4, 2, 5, 3}) return {};
  const Node* apart = producer(g, n.inputs[0], Op::reshape);
  if (!apart || uses[static_cast<size_t>(n.inputs[0].index)] != 1) return {};
  const ValueId whole = apart->inputs[0];
  const std::vector<Expr> from = g.values[whole].dims, to = g.values[n.inputs[0]].dims;
  if (from.size() != 4 || from[0] != to[0] || from[2] != to[4] || from[3] != to[5]) return {};
  const auto c = g.pool.as_int(to[1]), rows = g.pool.as_int(to[2]), columns = g.pool.as_int(to[3]);
  if (!c || !rows || !columns || *c == 1) return {};
  Reorder reorder(g, uses, {*c, *rows * *columns});
  if (!reorder.reaches(whole)) return {};
  const Node split = *apart;
  TENON_TRY(ValueId again, reorder.make_again(whole));
  const std::vector<Expr> dims = {to[0], to[2], to[3], to[1], to[4], to[5]};
  TENON_TRY(ValueId blocks, make(g, split, Op::reshape, {again}, Attrs().set<Attr::dims>(dims)));
  TENON_TRY(ValueId out, make(g, n, Op::transpose, {blocks}, Attrs().set<Attr::perm>(std::vector<int64_t>{0, 3, 4, 1, 5, 2})));
  return std::vector{out};
}

}  // namespace

Result<Graph> order_channels(Graph graph) {
  const std::vector<int> uses = use_counts(graph);
  return rewrite(std::move(graph), [&](Graph& g, const Node& n) { return order(g, n, uses); });
}

}  // namespace tenon
