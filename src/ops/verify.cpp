// The rules of graphs that need the ops: what src/ir/graph_verify.cpp cannot check.
#include <algorithm>

#include "infer.h"

namespace tenon {

namespace {

// The alternative of AttrValue that a key's value must be.
size_t alternative_of(Attr key) {
  switch (key) {
#define ATTR(key, type) \
  case Attr::key: return AttrValue(std::in_place_type<attr::type>).index();
#include "tenon/attrs.def"
#undef ATTR
  }
  return std::variant_npos;
}

class OpChecker {
 public:
  explicit OpChecker(const Graph& graph) : g_(graph) {
    // What the graph checks when it runs may be taken as equal.
    for (auto [a, b] : g_.assumed_equal) {
      g_.replaced.insert_or_assign(b, a);
      solve_for_atoms(g_.pool.sub(a, b));
    }
  }

  Diags run() && {
    for (const Value& v : g_.values) quantisation(v);
    // A copy of each node: inference may replace dims in the graph's own.
    for (size_t n = 0; n < g_.nodes.size(); ++n) check(Node(g_.nodes[n]));
    return std::move(found_);
  }

 private:
  // 96*floordiv(S, 2) == 384 also says that floordiv(S, 2) is 4, wherever it stands. Numbers only: an
  // expression in its place would take apart the sides of the other assumptions.
  void solve_for_atoms(Expr zero) {
    ExprPool& p = g_.pool;
    std::vector<Expr> terms = {zero};
    if (p.op(zero) == SOp::Add) terms.assign(p.operands(zero).begin(), p.operands(zero).end());
    for (Expr term : terms) {
      Expr factor = p.index(1), atom = term;
      if (p.op(term) == SOp::Mul && p.operands(term).size() == 2) {
        factor = p.operands(term)[0], atom = p.operands(term)[1];
        if (!p.is_const(factor)) std::swap(factor, atom);
      }
      if (!p.is_const(factor) || p.is_const(atom) || p.op(atom) == SOp::Var || p.op(atom) == SOp::Mul) continue;
      auto value = p.div_exact(p.sub(term, zero), factor);
      if (value && p.is_const(*value)) g_.replaced.insert_or_assign(atom, *value);
    }
  }

  void report(const Node& node, std::string message) {
    auto first = std::ranges::find_if(node.outputs, &ValueId::valid);
    std::string where = first == node.outputs.end() ? "" : '%' + g_.values[*first].name + ": ";
    found_.push_back({.code = Code::E0603, .message = where + std::move(message), .node = node.origin});
    for (ValueId v : node.inputs)
      if (v.valid()) found_.back().shapes.push_back(g_.values[v].name + ": " + type_text(g_, v));
  }

  void check(const Node& node) {
    const OpDef& def = definition(node.op);
    const std::string name(def.name);
    for (const auto& [key, value] : node.attrs) {
      if (std::ranges::find(def.attrs, key) == def.attrs.end())
        report(node, name + " takes no attribute " + std::string(spelling(key)));
      if (value.index() != alternative_of(key)) return report(node, "attribute " + std::string(spelling(key)) + " has the wrong type");
    }
    if (!node.bodies.empty()) report(node, name + " takes no body");
    auto outputs = static_cast<int>(node.outputs.size());
    if (outputs < def.min_outputs || outputs > def.max_outputs)
      return report(node, name + " does not make " + std::to_string(outputs) + " values");
    types(node);
  }

  void types(const Node& node) {
    size_t equalities = g_.replaced.size();
    Result<Types> inferred = infer_types(g_, node);
    if (!inferred) {
      for (const Diag& d : inferred.error()) report(node, d.message);
      return;
    }
    if (g_.replaced.size() != equalities) report(node, "dims are equal only if the graph assumes it");
    for (size_t k = 0; k < node.outputs.size(); ++k) {
      if (!node.outputs[k].valid()) continue;
      if (k >= inferred->size()) return report(node, "there is no result " + std::to_string(k));
      const Value& recorded = g_.values[node.outputs[k]];
      std::vector<Expr> dims = recorded.dims;
      for (Expr& d : dims) d = resolve(g_, d);
      if (recorded.type == (*inferred)[k].type && dims == (*inferred)[k].dims) continue;
      ValueId expected = g_.add_value("expected", (*inferred)[k].type, (*inferred)[k].dims);
      report(node, "the recorded type is " + type_text(g_, node.outputs[k]) + ", inferred is " + type_text(g_, expected));
    }
  }

  // real = (q - zero_point) * scale: the parameters have the types and extents that q needs.
  void quantisation(const Value& v) {
    if (!v.quant) return;
    auto wrong = [&](const std::string& what) {
      found_.push_back({.code = Code::E0603, .message = "the quantisation of %" + v.name + ": " + what});
    };
    const Value& scale = g_.values[v.quant->scale];
    if (!is_float(scale.type)) wrong("its scale is no float");
    std::vector<Expr> dims;
    if (v.quant->axis >= 0) {
      auto axis = static_cast<size_t>(v.quant->axis);
      if (v.quant->block > 0) {
        dims = v.dims;
        dims[axis] = g_.pool.ceildiv(dims[axis], g_.pool.index(v.quant->block));
      } else {
        dims = {v.dims[axis]};
      }
    }
    auto one = [&](Expr d) { return g_.pool.is_index(d, 1); };
    auto fits = [&](const Value& p) { return p.dims == dims || (v.quant->axis < 0 && std::ranges::all_of(p.dims, one)); };
    if (!fits(scale)) wrong("its scale has other extents");
    if (!v.quant->zero_point.valid()) return;
    const Value& zero = g_.values[v.quant->zero_point];
    if (zero.type != v.type) wrong("its zero point is of another type");
    if (!fits(zero)) wrong("its zero point has other extents");
  }

  Graph g_;
  Diags found_;
};

}  // namespace

Result<void> verify_ops(const Graph& graph) {
  TENON_DO(verify(graph));  // the rules below take these for granted
  Diags found = OpChecker(graph).run();
  if (!found.empty()) return std::unexpected(std::move(found));
  return {};
}

}  // namespace tenon
