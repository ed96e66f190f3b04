// Functions of one quantised byte, as GELU between Q/DQ pairs is, as tables of 256 entries. Part of fold_quantized.
#include <algorithm>

#include "constants.h"
#include "quantized.h"

namespace tenon {

namespace {

constexpr int64_t kEntries = 256;  // by the byte's bits

bool is_byte(DType type) { return is_integer(type) && bits(type) == 8; }

// Takes many instructions per element, where a table takes few.
bool is_function(Op op) {
  const SOp scalar = definition(op).scalar;
  return (scalar >= SOp::Exp && scalar <= SOp::Pow) || op == Op::div;
}

class Tables {
 public:
  explicit Tables(const Graph& graph) : nodes_(graph.nodes), def_(graph.values.size(), -1), facts_(graph.values.size()) {
    for (size_t n = 0; n < nodes_.size(); ++n) inspect(graph, static_cast<int>(n));
  }

  // The quantised value `n` makes, looked up by the byte that it is a function of.
  Result<std::vector<ValueId>> replace(Graph& g, const Node& n) {
    const ValueId out = n.outputs[0];
    if (n.op != Op::quantize || static_cast<size_t>(out.index) >= facts_.size()) return {};
    const Fact& f = fact(out);
    if (!f.of.valid() || !f.costly || !is_byte(g.values[out].type)) return {};
    std::unordered_map<ValueId, ValueId> entries;
    TENON_TRY(ValueId table, entries_of(g, out, f.of, entries));
    if (!g.constant(table)) return {};
    auto now = replaced_.find(f.of);
    TENON_TRY(ValueId looked_up, make(g, n, Op::gather, {table, now == replaced_.end() ? f.of : now->second}, Attrs().set<Attr::axis>(0)));
    replaced_[out] = looked_up;
    return std::vector{looked_up};
  }

 private:
  struct Fact {
    ValueId of;           // the byte that decides the value; invalid: there is none
    bool costly = false;
  };
  Fact& fact(ValueId v) { return facts_[static_cast<size_t>(v.index)]; }

  void inspect(const Graph& g, int index) {
    const Node& n = nodes_[static_cast<size_t>(index)];
    for (ValueId v : n.outputs) def_[static_cast<size_t>(v.index)] = index;
    const bool quantises = n.op == Op::quantize || n.op == Op::dequantize;
    if (n.outputs.size() != 1 || !(quantises || is_pointwise(n.op))) return;
    if (auto p = quantises ? parameters(g, n) : std::nullopt; quantises && (!p || p->axis >= 0)) return;
    Fact found{.of = {}, .costly = is_function(n.op)};
    for (ValueId v : quantises ? std::vector{n.inputs[0]} : n.inputs) {
      if (!v.valid()) return;
      if (const ValueId number = constant_of(g, v); number.valid()) {
        if (!splat_value(g, number)) return;
        continue;
      }
      const ValueId of = fact(v).of.valid() ? fact(v).of : is_byte(g.values[v].type) ? v : ValueId{};
      if (!of.valid() || (found.of.valid() && found.of != of) || g.values[v].dims != g.values[n.outputs[0]].dims) return;
      found.of = of;
      found.costly |= fact(v).costly;
    }
    fact(n.outputs[0]) = found;
  }

  // v, or what it dequantises, where that is a constant: dequantised constants are not folded yet.
  ValueId constant_of(const Graph& g, ValueId v) const {
    if (g.constant(v)) return v;
    const int def = def_[static_cast<size_t>(v.index)];
    if (def < 0 || nodes_[static_cast<size_t>(def)].op != Op::dequantize) return {};
    const Node& n = nodes_[static_cast<size_t>(def)];
    const auto p = parameters(g, n);
    return p && p->axis < 0 && g.constant(n.inputs[0]) ? n.inputs[0] : ValueId{};
  }

  // v for every value of the byte.
  Result<ValueId> entries_of(Graph& g, ValueId v, ValueId of, std::unordered_map<ValueId, ValueId>& known) {
    if (auto it = known.find(v); it != known.end()) return it->second;
    ValueId made;
    if (v == of) {
      Tensor all = Tensor::zeros(g.values[v].type, {kEntries});
      for (int64_t k = 0; k < kEntries; ++k) all.i[static_cast<size_t>(k)] = is_signed(all.type) && k >= kEntries / 2 ? k - kEntries : k;
      made = add_tensor(g, "bytes", all);
    } else if (g.constant(v)) {
      made = add_number(g, g.values[v].name, g.values[v].type, *splat_value(g, v));
    } else {
      const Node& n = nodes_[static_cast<size_t>(def_[static_cast<size_t>(v.index)])];
      std::vector<ValueId> inputs = n.inputs;
      const size_t count = n.op == Op::quantize || n.op == Op::dequantize ? 1 : inputs.size();
      for (size_t k = 0; k < count; ++k) {
        TENON_TRY(inputs[k], entries_of(g, inputs[k], of, known));
      }
      TENON_TRY(made, make_folded(g, n, n.op, inputs, n.attrs));
    }
    return known[v] = made;
  }

  std::vector<Node> nodes_;  // as they were
  std::vector<int> def_;
  std::vector<Fact> facts_;
  std::unordered_map<ValueId, ValueId> replaced_;
};

}  // namespace

Result<Graph> fold_tables(Graph graph) {
  Tables tables(graph);
  return rewrite(std::move(graph), [&](Graph& g, const Node& n) { return tables.replace(g, n); });
}

}  // namespace tenon
