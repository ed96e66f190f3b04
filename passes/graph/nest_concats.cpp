// Does: a concatenation whose first operands are all those of an earlier one along the same axis reads that one's result
// in their place (DenseNet concatenates all that came before, again and again), and neighbouring slices of one value are
// read as the one slice that they are, or as the value. Guarantees: same result, no operand is longer apart than before.
// Why here: after transposes have moved, since axes must agree; then a part of a part has one place in memory, where it
// may be left for good. Cost: n log n in all operands and their prefixes.
#include <algorithm>
#include <map>

#include "rewrite.h"

namespace tenon {

namespace {

class Nester {
 public:
  Result<std::vector<ValueId>> operator()(Graph& g, const Node& n) {
    // Vectors of dims and other shape arithmetic are left alone.
    if (n.op != Op::concat || g.values[n.outputs[0]].dims.size() < 2) return {};
    const auto axis = static_cast<size_t>(n.attrs.get<Attr::axis>());
    TENON_TRY(std::vector<ValueId> operands, join_slices(g, n, axis));
    bool changed = operands.size() != n.inputs.size();
    const std::vector<ValueId> all = operands;
    for (size_t count = operands.size() - 1; count > 1; --count) {
      auto known = known_.find({axis, {operands.begin(), operands.begin() + static_cast<ptrdiff_t>(count)}});
      if (known == known_.end()) continue;
      operands.erase(operands.begin() + 1, operands.begin() + static_cast<ptrdiff_t>(count));
      operands[0] = known->second;
      changed = true;
      break;
    }
    ValueId result = n.outputs[0];
    if (changed && operands.size() == 1) result = operands[0];
    else if (changed) {
      TENON_TRY(result, make(g, n, Op::concat, operands, n.attrs));
    }
    known_.try_emplace({axis, all}, result);
    return changed ? std::vector{result} : std::vector<ValueId>{};
  }

 private:
  Result<std::vector<ValueId>> join_slices(Graph& g, const Node& n, size_t axis) const {
    std::vector<ValueId> joined;
    for (size_t i = 0; i < n.inputs.size();) {
      size_t end = i + 1;
      while (end < n.inputs.size() && follows(g, n.inputs[end - 1], n.inputs[end], axis)) ++end;
      if (end == i + 1) {
        joined.push_back(n.inputs[i++]);
        continue;
      }
      const Node first = *producer(g, n.inputs[i], Op::slice);
      std::vector<Expr> dims = first.attrs.get<Attr::dims>();
      for (size_t k = i + 1; k < end; ++k) dims[axis] = g.pool.add(dims[axis], g.values[n.inputs[k]].dims[axis]);
      const ValueId whole = first.inputs[0];
      if (dims == g.values[whole].dims) {
        joined.push_back(whole);
      } else {
        Attrs attrs = first.attrs;
        TENON_TRY(joined.emplace_back(), make(g, n, Op::slice, {whole}, attrs.set<Attr::dims>(dims)));
      }
      i = end;
    }
    return joined;
  }

  // b begins where a ends, along the axis.
  static bool follows(Graph& g, ValueId a, ValueId b, size_t axis) {
    const Node *first = producer(g, a, Op::slice), *second = producer(g, b, Op::slice);
    if (!first || !second || first->inputs[0] != second->inputs[0]) return false;
    const auto &from = first->attrs.get<Attr::starts>(), &to = second->attrs.get<Attr::starts>();
    const auto &left = first->attrs.get<Attr::dims>(), &right = second->attrs.get<Attr::dims>();
    if (first->attrs.get<Attr::steps>() != second->attrs.get<Attr::steps>() || first->attrs.get<Attr::steps>()[axis] != 1) return false;
    for (size_t d = 0; d < from.size(); ++d)
      if (d != axis && (from[d] != to[d] || left[d] != right[d])) return false;
    return g.pool.add(from[axis], left[axis]) == to[axis];
  }

  std::map<std::pair<size_t, std::vector<ValueId>>, ValueId> known_;
};

}  // namespace

Result<Graph> nest_concats(Graph graph) {
  Nester nester;
  return rewrite(std::move(graph), [&](Graph& g, const Node& n) { return nester(g, n); });
}

}  // namespace tenon
