// The rules of graphs that need no knowledge of the ops; src/ops/verify.cpp has the others.
#include <unordered_set>

#include "tenon/graph.h"
#include "violations.h"

namespace tenon {

namespace {

class GraphChecker {
 public:
  GraphChecker(const Graph& graph, Violations& found) : g_(graph), found_(found), defined_(graph.values.size(), false) {}

  void run() {
    std::unordered_set<std::string> names;
    for (const Value& v : g_.values) {
      found_.require(names.insert(v.name).second, [&] { return "two values are named %" + v.name; });
      value(v);
    }
    for (ValueId v : g_.inputs) define(v);
    for (const DataSymbol& d : g_.data_symbols)
      found_.require(d.input >= 0 && static_cast<size_t>(d.input) < g_.inputs.size() && d.element >= 0,
                     [&] { return "symbol " + g_.pool.text(d.symbol) + " is an element of no input"; });
    for (const State& s : g_.states) {
      const bool there = s.input >= 0 && static_cast<size_t>(s.input) < g_.inputs.size() && s.output >= 0 &&
                         static_cast<size_t>(s.output) < g_.outputs.size();
      found_.require(there && s.axis >= 0 && static_cast<size_t>(s.axis) < g_.values[g_.inputs[static_cast<size_t>(s.input)]].dims.size() &&
                         s.capacity.valid() && g_.pool.type(s.capacity) == DType::Index,
                     "a state is of no input, output or axis");
    }
    for (size_t v = 0; v < g_.values.size(); ++v)
      if (g_.values[ValueId(v)].constant.valid()) define(ValueId(v));
    for (size_t n = 0; n < g_.nodes.size(); ++n) node(n);
    for (ValueId v : g_.outputs) found_.require(v.valid(), "an output is missing"), use(v, "an output");
  }

 private:
  bool known(ValueId v) const { return static_cast<size_t>(v.index) < g_.values.size(); }

  void value(const Value& v) {
    for (Expr d : v.dims)
      found_.require(d.valid() && g_.pool.type(d) == DType::Index && g_.pool.bounds(d).second >= 0,
                     [&] { return "a dim of %" + v.name + " is not an extent"; });
    found_.require(v.type != DType::Index, [&] { return "%" + v.name + " is of type index"; });
    found_.require(fits(v.layout, v.dims.size()), [&] { return "the layout of %" + v.name + " does not fit its rank"; });
    if (v.quant) {
      const Quant& q = *v.quant;
      bool axis = q.axis >= -1 && q.axis < static_cast<int>(v.dims.size());
      bool operands = q.scale.valid() && known(q.scale) && (!q.zero_point.valid() || known(q.zero_point));
      found_.require(axis && operands && q.block >= 0 && (q.block == 0 || q.axis >= 0),
                     [&] { return "the quantisation of %" + v.name + " does not fit it"; });
    }
    if (v.content) content(v);
    if (v.constant.valid()) {
      const Constant& c = g_.constants[v.constant];
      bool same = c.type == v.type && c.dims.size() == v.dims.size();
      for (size_t d = 0; same && d < c.dims.size(); ++d) same = g_.pool.as_int(v.dims[d]) == c.dims[d];
      found_.require(same, [&] { return "constant %" + v.name + " is not of its value's type"; });
    }
  }

  void content(const Value& v) {
    int64_t count = 1;
    for (Expr d : v.dims) count *= g_.pool.as_int(d).value_or(-1);
    bool fits = count == static_cast<int64_t>(v.content->size());
    for (Expr e : *v.content) fits = fits && e.valid() && g_.pool.type(e) == (is_integer(v.type) ? DType::Index : v.type);
    found_.require(fits, [&] { return "the content of %" + v.name + " is not one element of its type per index"; });
  }

  void define(ValueId v) {
    if (!found_.require(v.valid() && known(v), "what is defined is not a value of the graph")) return;
    auto defined = defined_[static_cast<size_t>(v.index)];
    found_.require(!defined, [&] { return '%' + g_.values[v].name + " is defined twice"; });
    defined_[static_cast<size_t>(v.index)] = true;
  }

  void use(ValueId v, std::string_view by) {
    if (!v.valid()) return;
    found_.require(known(v) && defined_[static_cast<size_t>(v.index)], [&] {
      return std::string(by) + " reads " + (known(v) ? '%' + g_.values[v].name : "a value") + " before it is defined";
    });
  }

  void node(size_t index) {
    const Node& n = g_.nodes[index];
    for (ValueId v : n.inputs) use(v, spelling(n.op));
    found_.require(!n.outputs.empty(), [&] { return std::string(spelling(n.op)) + " has no output"; });
    for (ValueId v : n.outputs) {
      if (!v.valid()) continue;
      define(v);
      found_.require(known(v) && g_.values[v].def == NodeId(index),
                     [&] { return '%' + g_.values[v].name + " does not name the node that defines it"; });
    }
    for (const Graph& body : n.bodies) GraphChecker(body, found_).run();
  }

  const Graph& g_;
  Violations& found_;
  std::vector<bool> defined_;
};

}  // namespace

Result<void> verify(const Graph& graph) {
  Violations found;
  GraphChecker(graph, found).run();
  return std::move(found).result();
}

}  // namespace tenon
