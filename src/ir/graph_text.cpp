// Prints graphs; graph_parse.cpp reads the same form. docs/ir.md has the grammar.
#include <algorithm>

#include "names.h"
#include "tenon/graph.h"
#include "tenon/hash.h"

namespace tenon {

namespace {

// Constants of up to so many elements are written out.
constexpr int64_t kMaxInline = 16;

template <class List, class Text>
std::string joined(const List& list, const Text& text, const char* between = ", ") {
  std::string result;
  for (const auto& item : list) result += (result.empty() ? "" : between) + text(item);
  return result;
}

std::string element_text(const Tensor& t, size_t i) {
  if (t.type == DType::String) return quoted(t.s[i]);
  if (t.type == DType::Bool) return t.i[i] ? "true" : "false";
  if (t.type == DType::U64) return std::to_string(static_cast<uint64_t>(t.i[i]));
  if (!t.i.empty()) return std::to_string(t.i[i]);
  return real_text(t.type == DType::C128 ? DType::F64 : t.type, t.f[i]);
}

std::string elements_text(const Tensor& t) {
  std::string text;
  for (size_t i = 0; i < t.f.size() + t.i.size() + t.s.size(); ++i) text += (i ? ", " : "") + element_text(t, i);
  return text;
}

std::string data_text(const Constant& c) {
  if (!c.digest.empty()) return "hash(" + quoted(c.digest) + ')';
  if (c.splat) {
    Constant one = c;
    one.dims.clear();
    return "splat(" + elements_text(tensor_of(one)) + ')';
  }
  if (c.count() <= kMaxInline) return '[' + elements_text(tensor_of(c)) + ']';
  if (c.type == DType::String) return "hash(" + quoted(hex(blake3(elements_text(tensor_of(c))))) + ')';
  return "hash(" + quoted(hex(blake3(c.bytes.span()))) + ')';
}

class GraphPrinter {
 public:
  explicit GraphPrinter(const Graph& graph) : g_(graph) {}

  std::string print() {
    find_used();
    out_.open("graph " + name_text(g_.name));
    for (Expr s : symbols()) out_.line("symbol " + Names::symbol(g_.pool.var(s)));
    for (ValueId v : g_.inputs) out_.line("input " + declaration(v));
    for (ValueId v : g_.outputs) out_.line("output " + name(v));
    for (const DataSymbol& d : g_.data_symbols)
      out_.line("element " + g_.pool.text(d.symbol) + " = " + std::to_string(d.input) + '[' + std::to_string(d.element) + ']');
    for (const State& s : g_.states)
      out_.line("state " + std::to_string(s.input) + " = " + std::to_string(s.output) + " axis " + std::to_string(s.axis) +
                " capacity " + g_.pool.text(s.capacity));
    for (auto [a, b] : g_.assumed_equal) out_.line("assume " + g_.pool.text(a) + " == " + g_.pool.text(b));
    for (size_t v = 0; v < g_.values.size(); ++v)
      if (const Constant* c = g_.constant(ValueId(v)); c && used_[v])
        out_.line("constant " + declaration(ValueId(v)) + " = " + data_text(*c));
    for (const Node& n : g_.nodes) node(n);
    out_.close();
    return out_.take();
  }

 private:
  void find_used() {
    used_.assign(g_.values.size(), false);
    auto use = [&](ValueId v) {
      if (v.valid()) used_[static_cast<size_t>(v.index)] = true;
    };
    for (ValueId v : g_.inputs) use(v);
    for (ValueId v : g_.outputs) use(v);
    for (const Node& n : g_.nodes) {
      for (ValueId v : n.inputs) use(v);
      for (ValueId v : n.outputs) use(v);
    }
    for (size_t v = 0; v < used_.size(); ++v)
      if (const auto& quant = g_.values[ValueId(v)].quant; quant && used_[v]) {
        use(quant->scale);
        use(quant->zero_point);
      }
  }

  // Of everything that is printed, in the order in which they were made.
  std::vector<Expr> symbols() const {
    std::vector<Expr> found;
    auto collect = [&](const std::vector<Expr>& list) {
      for (Expr e : list) g_.pool.collect_vars(e, found);
    };
    for (size_t v = 0; v < used_.size(); ++v) {
      const Value& value = g_.values[ValueId(v)];
      if (!used_[v]) continue;
      collect(value.dims);
      if (value.content) collect(*value.content);
    }
    for (const Node& n : g_.nodes)
      for (const auto& [key, value] : n.attrs)
        if (const auto* dims = std::get_if<attr::Dims>(&value)) collect(*dims);
    for (auto [a, b] : g_.assumed_equal) collect({a, b});
    for (const DataSymbol& d : g_.data_symbols) collect({d.symbol});
    for (const State& s : g_.states) collect({s.capacity});
    std::ranges::sort(found);
    return found;
  }

  std::string name(ValueId v) const { return v.valid() ? value_name_text(g_.values[v].name) : "_"; }
  std::string exprs(const std::vector<Expr>& list) const {
    return joined(list, [&](Expr e) { return g_.pool.text(e); });
  }

  std::string declaration(ValueId v) const {
    if (!v.valid()) return "_";
    const Value& value = g_.values[v];
    std::string text = name(v) + ": " + type_text(g_, v);
    if (const auto& q = value.quant) {
      text += " quant(" + name(q->scale) + ", " + name(q->zero_point);
      if (q->axis != -1) text += ", axis=" + std::to_string(q->axis);
      if (q->block != 0) text += ", block=" + std::to_string(q->block);
      text += ')';
    }
    if (!value.layout.row_major()) text += " layout(" + quoted(tenon::print(value.layout)) + ')';
    if (value.content && !value.constant.valid()) text += " content(" + exprs(*value.content) + ')';
    return text;
  }

  std::string attr_text(const AttrValue& value) const {
    struct Text {
      const GraphPrinter& self;
      std::string operator()(attr::Int v) const { return std::to_string(v); }
      std::string operator()(attr::Float v) const { return real_text(DType::F64, v); }
      std::string operator()(const attr::Text& v) const { return quoted(v); }
      std::string operator()(attr::Type v) const { return std::string(spelling(v)); }
      std::string operator()(const attr::Dims& v) const { return '[' + self.exprs(v) + ']'; }
      std::string operator()(const attr::Ints& v) const {
        return '[' + joined(v, [](int64_t i) { return std::to_string(i); }) + ']';
      }
      std::string operator()(const attr::Floats& v) const {
        return '[' + joined(v, [](double f) { return real_text(DType::F64, f); }) + ']';
      }
    };
    return std::visit(Text{*this}, value);
  }

  void node(const Node& n) {
    std::string text = joined(n.outputs, [&](ValueId v) { return declaration(v); }) + " = " + std::string(spelling(n.op)) +
                       '(' + joined(n.inputs, [&](ValueId v) { return name(v); }) + ')';
    if (!n.attrs.empty())
      text += " {" + joined(n.attrs, [&](const auto& item) {
                return std::string(spelling(item.first)) + '=' + attr_text(item.second);
              }) + '}';
    if (n.origin != NodeRef{}) text += "  " + origin_text(n.origin);
    out_.line(text);
    for (const Graph& body : n.bodies) out_.block(tenon::print(body));
  }

  const Graph& g_;
  std::vector<bool> used_;
  Writer out_;
};

}  // namespace

std::string print(const Graph& graph) { return GraphPrinter(graph).print(); }

}  // namespace tenon
