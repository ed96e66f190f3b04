// Does: stores signed quantised activations as unsigned bytes, with 128 added to value and zero point, unless a
// product takes them together with another activation, which has to stay signed. Requires: constants folded, Q/DQ
// pairs still in place. Guarantees: the same reals, exactly; the offset ends in the constant sums that fold_quantized
// subtracts. Why here: before fold_quantized, and only for targets whose byte products take an unsigned operand
// (PassOptions::unsigned_bytes), so that no kernel has to flip signs. Cost: linear.
#include <algorithm>

#include "constants.h"
#include "quantized.h"

namespace tenon {

namespace {

constexpr double kOffset = 128;

// How a quantised value is used, through what keeps or requantises its elements.
class Uses {
 public:
  explicit Uses(const Graph& graph) : graph_(graph), users_(graph.users()), known_(graph.values.size(), Use::Unknown) {}

  // A product takes it together with a value that only the run knows.
  bool meets_values(ValueId v) { return use(v) == Use::Values; }

 private:
  enum class Use : uint8_t { Unknown, Other, Values };

  Use use(ValueId v) {
    Use& known = known_[static_cast<size_t>(v.index)];
    if (known != Use::Unknown) return known;
    Use found = Use::Other;
    for (int n : users_[static_cast<size_t>(v.index)]) found = std::max(found, by(graph_.nodes[static_cast<size_t>(n)], v));
    return known_[static_cast<size_t>(v.index)] = found;
  }

  Use by(const Node& n, ValueId v) {
    if (is_product(n.op)) {
      const Node* other = producer(graph_, n.inputs[n.inputs[0] == v ? 1 : 0], Op::dequantize);
      return n.inputs[0] == v && other && graph_.constant(other->inputs[0]) ? Use::Other : Use::Values;
    }
    switch (n.op) {
      case Op::quantize:
      case Op::dequantize:
      case Op::transpose:
      case Op::reshape:
      case Op::slice:
      case Op::gather:
      case Op::concat:
      case Op::window_max:
      case Op::max:
      case Op::min: return n.outputs.size() == 1 ? use(n.outputs[0]) : Use::Other;
      default: return Use::Other;
    }
  }

  const Graph& graph_;
  std::vector<std::vector<int>> users_;
  std::vector<Use> known_;
};

bool is_signed_byte(const Graph& g, const Node& n) {
  auto params = parameters(g, n);
  return params && params->type == DType::I8;
}

// The node's zero point, 128 higher.
ValueId raised_zero(Graph& g, const Node& n) {
  const Constant* zero = n.inputs.size() > 2 && n.inputs[2].valid() ? g.constant(n.inputs[2]) : nullptr;
  Tensor t = zero ? tensor_of(*zero) : Tensor::zeros(DType::I8, tensor_of(*g.constant(n.inputs[1])).dims);
  t.type = DType::U8;
  for (int64_t& z : t.i) z += static_cast<int64_t>(kOffset);
  return add_tensor(g, "zero_point", t);
}

}  // namespace

Result<Graph> relabel_bytes(Graph graph) {
  // Chosen on the graph as it is: quantize nodes whose result is dequantised by all who read it.
  std::vector<bool> chosen(graph.values.size());
  Uses uses(graph);
  const auto users = graph.users();
  for (const Node& n : graph.nodes) {
    if (n.op != Op::quantize || !is_signed_byte(graph, n) || std::ranges::find(graph.outputs, n.outputs[0]) != graph.outputs.end()) continue;
    const ValueId v = n.outputs[0];
    const bool plain = std::ranges::all_of(users[static_cast<size_t>(v.index)], [&](int u) {
      const Node& user = graph.nodes[static_cast<size_t>(u)];
      return user.op == Op::dequantize && user.inputs[0] == v && is_signed_byte(graph, user);
    });
    chosen[static_cast<size_t>(v.index)] = plain && !uses.meets_values(v);
  }
  std::unordered_map<ValueId, ValueId> relabelled;
  TENON_TRY(graph, rewrite(std::move(graph), [&](Graph& g, const Node& n) -> Result<std::vector<ValueId>> {
    const ValueId from = n.op == Op::dequantize ? n.inputs[0] : ValueId{};
    if (n.op == Op::quantize && static_cast<size_t>(n.outputs[0].index) < chosen.size() && chosen[static_cast<size_t>(n.outputs[0].index)]) {
      // The readers take the new value; this node dies with its last one.
      Attrs attrs = n.attrs;
      if (attrs.has(Attr::to)) attrs.set<Attr::to>(DType::U8);
      const ValueId zero = raised_zero(g, n);
      TENON_TRY(relabelled[n.outputs[0]], make(g, n, Op::quantize, {n.inputs[0], n.inputs[1], zero}, attrs));
      std::swap(g.values[n.outputs[0]].name, g.values[relabelled[n.outputs[0]]].name);
      return std::vector<ValueId>{};
    }
    if (auto it = relabelled.find(from); from.valid() && it != relabelled.end()) {
      const ValueId zero = raised_zero(g, n);
      TENON_TRY(ValueId real, make(g, n, Op::dequantize, {it->second, n.inputs[1], zero}, n.attrs));
      return std::vector{real};
    }
    return std::vector<ValueId>{};
  }));
  return graph;
}

}  // namespace tenon
