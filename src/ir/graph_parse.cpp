// Reads what graph_text.cpp prints.
#include <algorithm>
#include <bit>

#include "expr_text.h"
#include "tenon/graph.h"

namespace tenon {

namespace {

constexpr int64_t kMaxElements = int64_t{1} << 31;

// Small numbers from a seed (splitmix64): floats in [-1, 1), integers in [-8, 8) or [0, 16).
Tensor random_tensor(DType type, std::vector<int64_t> dims, uint64_t seed) {
  Tensor t = Tensor::zeros(type, std::move(dims));
  auto next = [&] {
    uint64_t z = seed += 0x9E3779B97F4A7C15ull;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
  };
  for (double& x : t.f) x = static_cast<double>(next() >> 11) * 0x1p-52 - 1;
  for (int64_t& x : t.i) x = static_cast<int64_t>(next() >> 60) - (is_signed(type) ? 8 : 0);
  round_elements(t);
  return t;
}

class GraphParser {
 public:
  GraphParser(Lexer& in, Graph& graph) : in_(in), g_(graph) {}

  void parse() {
    in_.expect("graph");
    g_.name = in_.name();
    in_.expect("{");
    while (in_.accept("symbol")) symbol();
    while (in_.accept("input")) g_.inputs.push_back(declaration());
    std::vector<std::string> outputs;
    while (in_.accept("output")) outputs.push_back(in_.value_name());
    while (in_.accept("element")) g_.data_symbols.push_back(data_symbol());
    while (in_.accept("state")) g_.states.push_back(state());
    while (in_.accept("assume")) assume();
    while (in_.accept("constant")) constant();
    in_.origins();
    while (!in_.failed() && !in_.accept("}")) node();
    for (const std::string& name : outputs) g_.outputs.push_back(lookup(name));
    for (const auto& [value, quant] : quants_)
      g_.values[value].quant = Quant{lookup(quant.scale), quant.zero_point.empty() ? ValueId{} : lookup(quant.zero_point),
                                     quant.axis, quant.block};
  }

 private:
  struct NamedQuant {
    std::string scale, zero_point;
    int axis = -1;
    int64_t block = 0;
  };

  Expr expr() { return parse_expr(in_, g_.pool, {}); }
  std::vector<Expr> exprs(std::string_view open, std::string_view close) {
    std::vector<Expr> list;
    in_.list(open, close, [&] { list.push_back(expr()); });
    return list;
  }

  void symbol() {
    Var& var = g_.pool.var(g_.pool.symbol(in_.name()));
    if (!in_.accept("in")) return;
    var.lo = in_.integer<int64_t>();
    in_.expect("..");
    var.hi = in_.at(Lexer::Kind::Number) ? in_.integer<int64_t>() : kIndexMax;
  }

  // element S = 1[0]: of the second input, the first element
  DataSymbol data_symbol() {
    DataSymbol d{.symbol = g_.pool.symbol(in_.name())};
    in_.expect("=");
    d.input = in_.integer<int>();
    in_.expect("[");
    d.element = in_.integer<int64_t>();
    in_.expect("]");
    return d;
  }

  // state 3 = 1 axis 2 capacity P_capacity: the fourth input becomes the second output
  State state() {
    State s{.input = in_.integer<int>()};
    in_.expect("=");
    s.output = in_.integer<int>();
    in_.expect("axis");
    s.axis = in_.integer<int>();
    in_.expect("capacity");
    s.capacity = expr();
    return s;
  }

  void assume() {
    Expr both = expr();  // an equation, unless it is decided
    if (g_.pool.op(both) == SOp::Eq) g_.assumed_equal.emplace_back(g_.pool.operands(both)[0], g_.pool.operands(both)[1]);
    else if (g_.pool.as_int(both) != 1) in_.error("an assumption is an equation: assume S == 2*P");
  }

  ValueId lookup(const std::string& name) {
    auto it = values_.find(name);
    if (it != values_.end()) return it->second;
    in_.error("value %" + name + " is not defined");
    return ValueId(0);
  }
  ValueId reference() { return in_.accept("_") ? ValueId{} : lookup(in_.value_name()); }

  // %name: type[dims] quant(...) layout(...) content(...)
  Value value() {
    Value v;
    v.name = in_.value_name();
    if (values_.contains(v.name)) in_.error("value %" + v.name + " is defined twice");
    in_.expect(":");
    v.type = in_.dtype();
    v.dims = exprs("[", "]");
    if (!std::ranges::all_of(v.dims, [&](Expr d) { return g_.pool.type(d) == DType::Index; }))
      in_.error("a dim of %" + v.name + " is not an index expression");
    return v;
  }
  void annotations(ValueId id) {
    if (in_.accept("quant")) {
      NamedQuant q;
      in_.expect("(");
      q.scale = in_.value_name();
      in_.expect(",");
      if (!in_.accept("_")) q.zero_point = in_.value_name();
      while (in_.accept(",")) {
        bool axis = in_.accept("axis");
        if (!axis) in_.expect("block");
        in_.expect("=");
        if (axis) q.axis = in_.integer<int>();
        else q.block = in_.integer<int64_t>();
      }
      in_.expect(")");
      quants_.emplace_back(id, std::move(q));
    }
    if (in_.accept("layout")) {
      in_.expect("(");
      auto layout = parse_layout(in_.string());
      if (layout) g_.values[id].layout = *layout;
      else in_.error(layout.error()[0].message);
      in_.expect(")");
    }
    if (in_.accept("content")) g_.values[id].content = exprs("(", ")");
  }
  ValueId declaration() {
    Value v = value();
    std::string name = v.name;
    ValueId id = values_[name] = g_.values.push(std::move(v));
    annotations(id);
    return id;
  }

  void constant() {
    Value v = value();
    Constant c{.type = v.type, .dims = {}, .bytes = {}};
    int64_t count = 1;
    for (Expr d : v.dims) {
      c.dims.push_back(g_.pool.as_int(d).value_or(-1));
      bool bad = c.dims.back() < 0 || __builtin_mul_overflow(count, c.dims.back(), &count) || count > kMaxElements;
      if (bad) return in_.error("the dims of constant %" + v.name + " are not constant, or too large");
    }
    ValueId id = values_[v.name] = g_.add_constant(v.name, Constant{.type = DType::U8, .dims = {0}, .bytes = {}});
    g_.values[id].type = v.type;
    g_.values[id].dims = v.dims;
    annotations(id);
    in_.expect("=");
    data(c);
    if (in_.failed()) return;
    g_.values[id].content = constant_content(g_.pool, c);
    g_.constants[g_.values[id].constant] = std::move(c);
  }

  // [1, 2, 3], splat(0), random(7) or hash("...")
  void data(Constant& c) {
    Tensor t;
    if (in_.accept("splat")) {
      c.splat = true;
      t = elements(c.type, {}, "(", ")");
    } else if (in_.accept("random")) {
      in_.expect("(");
      t = random_tensor(c.type, c.dims, in_.integer<uint64_t>());
      in_.expect(")");
    } else if (in_.accept("hash")) {
      in_.expect("(");
      c.digest = in_.string();
      in_.expect(")");
      uint64_t seed = 0;
      std::from_chars(c.digest.data(), c.digest.data() + std::min<size_t>(c.digest.size(), 16), seed, 16);
      t = random_tensor(c.type, c.dims, seed);
    } else {
      t = elements(c.type, c.dims, "[", "]");
    }
    if (in_.failed()) return;
    if (c.type == DType::String) c.strings = std::move(t.s);
    else c.bytes = Bytes::copy_of(encode(t));
  }

  Tensor elements(DType type, std::vector<int64_t> dims, std::string_view open, std::string_view close) {
    Tensor t = Tensor::zeros(type, std::move(dims));
    size_t next = 0, count = t.f.size() + t.i.size() + t.s.size();
    in_.list(open, close, [&] {
      if (next == count) in_.error("more elements than the dims say");
      if (in_.failed()) return;
      if (type == DType::String) t.s[next] = in_.string();
      else if (!t.f.empty()) t.f[next] = in_.real(type == DType::C64 ? DType::F32 : type);
      else if (type == DType::Bool) t.i[next] = in_.accept("true") || (in_.expect("false"), false);
      else t.i[next] = type == DType::U64 ? static_cast<int64_t>(in_.integer<uint64_t>()) : in_.integer<int64_t>();
      ++next;
    });
    if (next != count) in_.error("fewer elements than the dims say");
    round_elements(t);
    return t;
  }

  // %a: type, %b: type = op(%x, _) {axis=1}, followed by the bodies of control flow.
  void node() {
    Node n;
    do n.outputs.push_back(in_.accept("_") ? ValueId{} : declaration());
    while (in_.accept(","));
    in_.expect("=");
    std::string op = in_.name();
    if (auto known = parse_op(op)) n.op = *known;
    else in_.error("no op is named `" + op + '`');
    in_.list("(", ")", [&] { n.inputs.push_back(reference()); });
    if (in_.at("{")) in_.list("{", "}", [&] { attribute(n.attrs); });
    while (in_.at("graph") && !in_.failed()) {
      auto origins = in_.origins();
      if (!origins.empty()) n.origin = origins.back();
      GraphParser(in_, n.bodies.emplace_back()).parse();
    }
    if (auto origins = in_.origins(); !origins.empty()) n.origin = origins.back();
    for (ValueId out : n.outputs)
      if (out.valid()) g_.values[out].def = NodeId(g_.nodes.size());
    g_.nodes.push_back(std::move(n));
  }

  void attribute(Attrs& attrs) {
    std::string name = in_.name();
    auto key = parse_attr(name);
    if (!key) return in_.error("no attribute is named `" + name + '`');
    if (attrs.has(*key)) in_.error("attribute " + name + " is given twice");
    in_.expect("=");
    switch (*key) {
#define ATTR(name, type) \
  case Attr::name: return attrs.put(*key, AttrValue(std::in_place_type<attr::type>, read(std::in_place_type<attr::type>)));
#include "tenon/attrs.def"
#undef ATTR
    }
  }
  attr::Int read(std::in_place_type_t<attr::Int>) { return in_.integer<int64_t>(); }
  attr::Float read(std::in_place_type_t<attr::Float>) { return in_.real(DType::F64); }
  attr::Text read(std::in_place_type_t<attr::Text>) { return in_.string(); }
  attr::Type read(std::in_place_type_t<attr::Type>) { return in_.dtype(); }
  attr::Dims read(std::in_place_type_t<attr::Dims>) { return exprs("[", "]"); }
  attr::Ints read(std::in_place_type_t<attr::Ints>) {
    attr::Ints list;
    in_.list("[", "]", [&] { list.push_back(in_.integer<int64_t>()); });
    return list;
  }
  attr::Floats read(std::in_place_type_t<attr::Floats>) {
    attr::Floats list;
    in_.list("[", "]", [&] { list.push_back(in_.real(DType::F64)); });
    return list;
  }

  Lexer& in_;
  Graph& g_;
  std::unordered_map<std::string, ValueId> values_;
  std::vector<std::pair<ValueId, NamedQuant>> quants_;
};

}  // namespace

Result<Graph> parse_graph(std::string_view text) {
  Graph graph;
  Lexer in(text);
  GraphParser(in, graph).parse();
  if (!in.at(Lexer::Kind::End)) in.error("text goes on after the graph");
  if (in.failed()) return in.failure();
  TENON_DO(verify(graph));
  return graph;
}

}  // namespace tenon
