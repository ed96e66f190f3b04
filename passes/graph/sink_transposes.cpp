// Moves transposes towards the outputs, past nodes that do not mind the order of dims, until they meet
// their inverse and cancel (simplify has the law) or reach a node that reads through them.
// Requires: each moved transpose has one reader, so no work is repeated. Cost: linear per round; a
// transpose only ever moves forward, so rounds end.
#include <algorithm>
#include <numeric>

#include "constants.h"

namespace tenon {

namespace {

using Perm = std::vector<int64_t>;

Perm inverse(const Perm& perm) {
  Perm result(perm.size());
  for (size_t d = 0; d < perm.size(); ++d) result[static_cast<size_t>(perm[d])] = static_cast<int64_t>(d);
  return result;
}

template <class T>
std::vector<T> permuted(const std::vector<T>& list, const Perm& perm) {
  std::vector<T> result;
  for (int64_t d : perm) result.push_back(list[static_cast<size_t>(d)]);
  return result;
}

class Sinker {
 public:
  explicit Sinker(std::vector<int>& uses) : uses_(uses) {}

  Result<std::vector<ValueId>> operator()(Graph& g, const Node& n) {
    if (n.outputs.size() != 1 || n.inputs.empty()) return {};
    const Perm* found = common_perm(g, n);
    if (!found) return {};
    const Perm perm = *found;
    if (perm.size() != g.values[n.outputs[0]].dims.size()) return {};
    std::optional<Attrs> attrs = moved_attrs(g, n, perm);
    if (!attrs) return {};
    std::vector<ValueId> inputs;
    for (ValueId v : n.inputs) {
      TENON_TRY(ValueId before, untransposed(g, n, v, perm));
      if (!before.valid()) return {};
      inputs.push_back(before);
    }
    TENON_TRY(ValueId y, make(g, n, n.op, inputs, *attrs));
    TENON_TRY(ValueId out, make(g, n, Op::transpose, {y}, Attrs().set<Attr::perm>(perm)));
    return std::vector{out};
  }

 private:
  bool single(ValueId v) const {
    auto k = static_cast<size_t>(v.index);
    return k >= uses_.size() || uses_[k] == 1;
  }

  // The permutation of all operands that are transposes; null if there is none, or two differ.
  const Perm* common_perm(const Graph& g, const Node& n) const {
    const Perm* perm = nullptr;
    for (ValueId v : n.inputs) {
      const Node* t = v.valid() ? producer(g, v, Op::transpose) : nullptr;
      if (!t) continue;
      const Perm& own = t->attrs.get<Attr::perm>();
      if (!single(v) || (perm && *perm != own)) return nullptr;
      perm = &own;
    }
    return perm;
  }

  // What the operand is before the transpose: a transpose's own operand, a constant with its dims put
  // back, a scalar as it is. Invalid for anything else.
  Result<ValueId> untransposed(Graph& g, const Node& n, ValueId v, const Perm& perm) {
    if (const Node* t = producer(g, v, Op::transpose)) return t->inputs[0];
    if (g.values[v].dims.empty()) return v;
    if (!g.constant(v) || g.values[v].dims.size() > perm.size()) return ValueId{};
    std::vector<Expr> dims = g.values[v].dims;
    if (is_pointwise(n.op) && std::ranges::all_of(dims, [&](Expr d) { return g.pool.is_index(d, 1); }))
      return make_folded(g, n, Op::reshape, {v}, Attrs().set<Attr::dims>({}));
    dims.insert(dims.begin(), perm.size() - dims.size(), g.pool.index(1));
    TENON_TRY(ValueId full, make_folded(g, n, Op::reshape, {v}, Attrs().set<Attr::dims>(dims)));
    return make_folded(g, n, Op::transpose, {full}, Attrs().set<Attr::perm>(inverse(perm)));
  }

  // The node's attributes in the dims before the transpose; nothing where the node minds the order.
  static std::optional<Attrs> moved_attrs(const Graph& g, const Node& n, const Perm& perm) {
    Attrs attrs = n.attrs;
    if (is_pointwise(n.op)) return attrs;
    const Perm back = inverse(perm);
    switch (n.op) {
      case Op::concat: return attrs.set<Attr::axis>(perm[static_cast<size_t>(attrs.get<Attr::axis>())]);
      case Op::pad:
        if (n.inputs.size() > 1 && n.inputs[1].valid() && !g.values[n.inputs[1]].dims.empty()) return std::nullopt;
        attrs.set<Attr::pads_begin>(permuted(attrs.get<Attr::pads_begin>(), back));
        return attrs.set<Attr::pads_end>(permuted(attrs.get<Attr::pads_end>(), back));
      case Op::slice:
        attrs.set<Attr::starts>(permuted(attrs.get<Attr::starts>(), back));
        attrs.set<Attr::steps>(permuted(attrs.get<Attr::steps>(), back));
        return attrs.set<Attr::dims>(permuted(attrs.get<Attr::dims>(), back));
      case Op::quantize:
      case Op::dequantize:
        for (size_t k = 1; k < n.inputs.size(); ++k)
          if (n.inputs[k].valid() && !g.values[n.inputs[k]].dims.empty()) return std::nullopt;
        return attrs;
      default: return std::nullopt;
    }
  }

  std::vector<int>& uses_;
};

}  // namespace

Result<Graph> sink_transposes(Graph graph) {
  for (size_t before = graph.nodes.size() + 1; graph.nodes.size() < before;) {
    before = graph.nodes.size();
    std::vector<int> uses = use_counts(graph);
    TENON_TRY(graph, rewrite(std::move(graph), Sinker(uses)));
    TENON_TRY(graph, simplify(std::move(graph)));
  }
  return graph;
}

}  // namespace tenon
