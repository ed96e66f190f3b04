// Moves per-channel scales and shifts that follow a convolution or a product into its weights and one
// bias: conv(x, w) * s + t = conv(x, w * s) + t, for chains of any length over single-use values.
// Requires: constants folded. Numerics: scale and shift are composed in float64; weights and bias are
// rounded once each. Cost: linear in the weights.
#include <algorithm>

#include "constants.h"

namespace tenon {

namespace {

// y -> y * scale + shift, per channel.
struct Affine {
  std::vector<double> scale, shift;
};

struct Chain {
  size_t contraction = 0;  // index into the nodes
  Affine affine;
  int steps = 0;
  bool scales = false;
};

size_t channel_axis(const Graph& g, const Node& n) {
  return n.op == Op::dot ? g.values[n.outputs[0]].dims.size() - 1 : 1;
}

// One number per channel from a constant that broadcasts along all other axes.
std::optional<std::vector<double>> per_channel(const Graph& g, ValueId v, size_t rank, size_t axis, int64_t channels) {
  const Constant* c = g.constant(v);
  if (!c || !is_float(c->type) || c->dims.size() > rank) return std::nullopt;
  int64_t n = c->count();
  for (size_t d = 0; d < c->dims.size(); ++d)
    if (c->dims[d] != 1 && (d + rank - c->dims.size() != axis || c->dims[d] != channels)) return std::nullopt;
  Tensor t = tensor_of(*c);
  return n == 1 ? std::vector(static_cast<size_t>(channels), t.f[0]) : std::move(t.f);
}

// Appends what the node does to its operand y; false where it is no such step.
bool compose(const Graph& g, const Node& n, ValueId y, size_t axis, Chain& chain) {
  bool left = n.inputs.size() == 2 && n.inputs[0] == y, right = n.inputs.size() == 2 && n.inputs[1] == y;
  if (left == right || !same_type(g, y, n.outputs[0])) return false;
  if (n.op != Op::add && n.op != Op::sub && n.op != Op::mul && !(n.op == Op::div && left)) return false;
  auto& [scale, shift] = chain.affine;
  auto c = per_channel(g, n.inputs[left ? 1 : 0], g.values[y].dims.size(), axis, static_cast<int64_t>(scale.size()));
  if (!c) return false;
  for (size_t k = 0; k < scale.size(); ++k) {
    double factor = n.op == Op::mul ? (*c)[k] : n.op == Op::div ? 1 / (*c)[k] : n.op == Op::sub && right ? -1 : 1;
    double term = n.op == Op::add || (n.op == Op::sub && right) ? (*c)[k] : n.op == Op::sub ? -(*c)[k] : 0;
    scale[k] *= factor;
    shift[k] = shift[k] * factor + term;
    chain.scales |= factor != 1;
  }
  ++chain.steps;
  return true;
}

// Chains by the node that ends them.
std::unordered_map<ValueId, Chain> find_chains(const Graph& g) {
  std::unordered_map<ValueId, Chain> chains;
  std::vector<int> uses = use_counts(g);
  std::vector<std::vector<int>> users = g.users();
  for (size_t k = 0; k < g.nodes.size(); ++k) {
    const Node& n = g.nodes[k];
    if (n.op != Op::conv && n.op != Op::conv_transpose && n.op != Op::dot) continue;
    const Constant* w = g.constant(n.inputs[1]);
    if (!w || !is_float(w->type) || (n.op == Op::dot && w->dims.size() != 2)) continue;
    size_t axis = channel_axis(g, n);
    auto channels = g.pool.as_int(g.values[n.outputs[0]].dims[axis]);
    if (!channels) continue;
    Chain chain{.contraction = k, .affine = {std::vector(static_cast<size_t>(*channels), 1.0),
                                             std::vector(static_cast<size_t>(*channels), 0.0)}};
    ValueId end = n.outputs[0];
    while (uses[static_cast<size_t>(end.index)] == 1) {
      const std::vector<int>& next = users[static_cast<size_t>(end.index)];
      if (next.empty() || !compose(g, g.nodes[static_cast<size_t>(next[0])], end, axis, chain)) break;
      end = g.nodes[static_cast<size_t>(next[0])].outputs[0];
    }
    // A single bias is what would come out.
    if (chain.scales || chain.steps > 1) chains.emplace(end, std::move(chain));
  }
  return chains;
}

// w with every element that makes output channel o times scale[o].
Tensor scaled(const Constant& constant, Op op, const std::vector<double>& scale, int64_t groups) {
  Tensor w = tensor_of(constant);
  auto inner = static_cast<size_t>(count({w.dims.begin() + 1, w.dims.end()}));
  for (size_t k = 0; k < w.f.size(); ++k) {
    size_t o = k / inner;                      // conv: w [O,C/g,K...]
    if (op == Op::dot) o = k % inner;          // w [K,N]
    if (op == Op::conv_transpose) {            // w [C,O/g,K...]
      size_t per_group = scale.size() / static_cast<size_t>(groups), taps = inner / per_group;
      size_t group = o / (static_cast<size_t>(w.dims[0]) / static_cast<size_t>(groups));
      o = group * per_group + k / taps % per_group;
    }
    w.f[k] *= scale[o];
  }
  return w;
}

}  // namespace

Result<Graph> fold_batch_norm(Graph graph) {
  auto chains = find_chains(graph);
  const std::vector<Node> nodes = graph.nodes;
  return rewrite(std::move(graph), [&](Graph& g, const Node& node) -> Result<std::vector<ValueId>> {
    auto it = chains.find(node.outputs[0]);
    if (it == chains.end()) return {};
    const auto& [contraction, affine, steps, scales] = it->second;
    // The contraction as it is now: its operands may have been replaced since.
    const Node* found = producer(g, nodes[contraction].outputs[0]);
    if (!found) return {};
    const Node product = *found;
    const Constant& w = *g.constant(product.inputs[1]);
    std::vector<ValueId> inputs = product.inputs;
    if (scales)
      inputs[1] = add_tensor(g, g.values[inputs[1]].name,
                             scaled(w, product.op, affine.scale, product.attrs.get_or<Attr::groups>(1)));
    TENON_TRY(ValueId y, make(g, product, product.op, inputs, product.attrs));
    if (std::ranges::all_of(affine.shift, [](double t) { return t == 0; })) return std::vector{y};
    size_t axis = channel_axis(g, product), rank = g.values[y].dims.size();
    Tensor bias = Tensor::zeros(g.values[y].type, std::vector<int64_t>(rank - axis, 1));
    bias.dims[0] = static_cast<int64_t>(affine.shift.size());
    bias.f = affine.shift;
    TENON_TRY(ValueId sum, make(g, product, Op::add, {y, add_tensor(g, g.values[y].name + ".bias", bias)}));
    return std::vector{sum};
  });
}

}  // namespace tenon
