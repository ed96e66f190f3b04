// Shape arithmetic: a node's own index expressions are interpreted over operands whose elements are
// known as expressions. Shape -> Gather -> Concat -> Reshape becomes dims like B*S without one rule per op.
#include <algorithm>
#include <cmath>

#include "tenon/ops.h"

namespace tenon {

namespace {

constexpr int64_t kMaxElements = 64;
constexpr int64_t kMaxSteps = 4096;

// n / d, exactly.
struct Quotient {
  Expr n;
  int64_t d = 1;
};

class Interpreter {
 public:
  Interpreter(Graph& graph, const Region& region) : p_(graph.pool), region_(region) {
    for (const RegionBuffer& b : region.buffers) {
      const Value* v = b.value.valid() && b.is_input ? &graph.values[b.value] : nullptr;
      memory_.push_back(v && v->content ? *v->content : std::vector<Expr>{});
    }
  }

  // The elements of `out`; nothing where one is unknown.
  std::optional<std::vector<Expr>> run(BufferId out) {
    for (const Statement& s : region_.statements)
      if (!execute(s)) return std::nullopt;
    std::vector<Expr>& result = at(out);
    for (Expr e : result)
      if (!e.valid() || (is_float(p_.type(e)) && is_float(region_.buffers[out].type) &&
                         p_.type(e) != region_.buffers[out].type))
        return std::nullopt;
    return std::move(result);
  }

 private:
  const ExprPool& from() const { return region_.pool; }
  std::vector<Expr>& at(BufferId b) { return memory_[static_cast<size_t>(b.index)]; }

  std::optional<int64_t> known(Expr e) {
    Expr value = eval(e);
    return value.valid() ? p_.as_int(value) : std::nullopt;
  }

  // Row-major position in a buffer; nothing if it is unknown or outside.
  std::optional<size_t> position(BufferId b, std::span<const Expr> indices) {
    int64_t linear = 0;
    for (size_t d = 0; d < indices.size(); ++d) {
      auto index = known(indices[d]), extent = known(region_.buffers[b].dims[d]);
      if (!index || !extent || *index < 0 || *index >= *extent) return std::nullopt;
      linear = linear * *extent + *index;
    }
    return static_cast<size_t>(linear);
  }

  // Calls body for every point of the axes, first axis outermost; false if it fails or they are unknown.
  template <class F>
  bool loop(std::span<const Expr> axes, F&& body) {
    if (axes.empty()) return ++steps_ <= kMaxSteps && body();
    auto extent = known(from().var(axes[0]).extent);
    if (!extent) return false;
    for (int64_t v = 0; v < *extent; ++v) {
      bound_[axes[0]] = p_.index(v);
      if (!loop(axes.subspan(1), body)) return false;
    }
    return true;
  }

  bool execute(const Statement& s) {
    if (!s.routine.empty()) return false;
    std::vector<Expr>& out = at(s.out);
    if (out.empty()) {
      int64_t elements = 1;
      for (Expr d : region_.buffers[s.out].dims) {
        auto extent = known(d);
        if (!extent || *extent > kMaxElements) return false;
        elements *= *extent;
      }
      if (elements > kMaxElements) return false;
      out.resize(static_cast<size_t>(elements));
    }
    return loop(s.axes, [&] {
      for (const Accumulator& a : s.accumulators) bound_[a.var] = eval(a.init);
      bool reduced = loop(s.reduce_axes, [&] { return update(s) && (!s.scan || store(s)); });
      return reduced && (s.scan || store(s));
    });
  }

  bool update(const Statement& s) {
    std::vector<Expr> next;
    for (const Accumulator& a : s.accumulators) next.push_back(eval(a.update));
    for (size_t k = 0; k < next.size(); ++k) bound_[s.accumulators[k].var] = next[k];
    return std::ranges::all_of(next, &Expr::valid);
  }

  bool store(const Statement& s) {
    if (s.condition.valid()) {
      auto holds = known(s.condition);
      if (!holds || !*holds) return holds.has_value();
    }
    auto where = position(s.out, s.indices);
    Expr value = eval(s.value);
    if (!where || !value.valid()) return false;
    at(s.out)[*where] = value;
    return true;
  }

  // The value of a region expression, in the graph's pool; invalid where it is unknown.
  Expr eval(Expr e) {
    const ExprNode node = from()[e];
    std::span<const Expr> operands = from().operands(e);
    switch (node.op) {
      case SOp::Const:
        if (is_float(node.type)) return p_.constant(node.type, *from().as_double(e));
        return node.type == DType::Bool ? p_.constant_int(DType::Bool, node.imm) : p_.index(node.imm);
      case SOp::Var: {
        auto it = bound_.find(e);
        return it != bound_.end() ? it->second : p_.symbol(from().var(e).name);
      }
      case SOp::Load: {
        auto where = position(from().buffer(e), operands);
        const std::vector<Expr>& elements = at(from().buffer(e));
        return where && *where < elements.size() ? elements[*where] : Expr{};
      }
      case SOp::Select: {
        Expr condition = eval(operands[0]);
        if (!condition.valid()) return {};
        if (auto c = p_.as_int(condition)) return eval(operands[*c ? 1 : 2]);
        Expr a = eval(operands[1]), b = eval(operands[2]);
        return a.valid() && b.valid() ? p_.select(condition, a, b) : Expr{};
      }
      default: break;
    }
    std::vector<Expr> values;
    for (Expr operand : operands) {
      values.push_back(eval(operand));
      if (!values.back().valid()) return {};
    }
    DType type = from().type(operands[0]);
    if (node.op == SOp::Cast || node.op == SOp::CastSat) return convert(node.op, values[0], type, node.type);
    if (std::ranges::all_of(values, [&](Expr v) { return p_.is_const(v); }))
      return fold(node.op, node.type, type, values);
    if (is_integer(type) || type == DType::Index) return integer(node.op, type, values);
    if (is_float(type) || type == DType::Bool) return p_.make(node.op, node.type, values);
    return {};
  }

  // Known operands: computed in the node's own type, then back to `index`.
  Expr fold(SOp op, DType type, DType from_type, std::vector<Expr> values) {
    if (is_integer(from_type))
      for (Expr& v : values) v = p_.constant_int(from_type, *p_.as_int(v));
    Expr folded;
    if (values.size() <= 2 || type != DType::Index)
      folded = p_.make(op, type, values);
    else
      folded = chain(op, values);
    return is_integer(type) && p_.is_const(folded) ? p_.index(*p_.as_int(folded)) : folded;
  }

  // Canonical sums and products have any number of operands.
  Expr chain(SOp op, const std::vector<Expr>& values) {
    Expr result = values[0];
    for (size_t k = 1; k < values.size(); ++k)
      result = p_.make(op, DType::Index, std::array{result, values[k]});
    return result;
  }

  Expr integer(SOp op, DType type, const std::vector<Expr>& v) {
    if (bits(type) < 32) return {};  // could wrap around
    if (is_compare(op)) return p_.make(op, DType::Bool, v);
    switch (op) {
      case SOp::Add:
      case SOp::Sub:
      case SOp::Mul:
      case SOp::Min:
      case SOp::Max: return chain(op, v);
      case SOp::Neg: return p_.sub(p_.index(0), v[0]);
      case SOp::Abs: return p_.provably_nonnegative(v[0]) ? v[0] : p_.max(v[0], p_.sub(p_.index(0), v[0]));
      case SOp::Div:
      case SOp::Rem:
        if (!p_.provably_nonnegative(v[0])) return truncated_quotient(op, v[0], v[1]);
        [[fallthrough]];
      case SOp::FloorDiv:
      case SOp::Mod:
        if (!p_.provably_less(p_.index(0), v[1])) {
          auto exact = op == SOp::Div || op == SOp::FloorDiv ? p_.div_exact(v[0], v[1]) : std::nullopt;
          return exact.value_or(Expr{});
        }
        return op == SOp::Div || op == SOp::FloorDiv ? p_.floordiv(v[0], v[1]) : p_.mod(v[0], v[1]);
      default: return {};
    }
  }

  // Towards zero, of a dividend of any sign.
  Expr truncated_quotient(SOp op, Expr x, Expr y) {
    if (!p_.provably_less(p_.index(0), y)) return {};
    Expr negated = p_.sub(p_.index(0), x), below = p_.binary(SOp::Lt, x, p_.index(0));
    Expr quotient = p_.select(below, p_.sub(p_.index(0), p_.floordiv(negated, y)), p_.floordiv(x, y));
    return op == SOp::Div ? quotient : p_.sub(x, p_.mul(quotient, y));
  }

  Expr convert(SOp op, Expr value, DType source, DType to) {
    bool to_int = is_integer(to) || to == DType::Index;
    if (p_.is_const(value)) {
      if (is_integer(source)) value = p_.constant_int(source, *p_.as_int(value));
      Expr folded = p_.make(op, to, std::array{value});
      return to_int ? p_.index(*p_.as_int(folded)) : folded;
    }
    if (bits(to) < 32 && to != DType::Bool) return {};
    if (source == DType::Bool) return to_int ? p_.select(value, p_.index(1), p_.index(0)) : Expr{};
    if (is_float(source) && is_float(to)) return p_.make(op, to, std::array{value});
    if (is_float(source)) return to_int ? truncated(value) : Expr{};
    if (to == DType::Bool) return p_.binary(SOp::Ne, value, p_.index(0));
    return to_int ? value : p_.make(op, to, std::array{value});
  }

  Expr truncated(Expr value) {
    auto q = quotient(value);
    return q && p_.provably_nonnegative(q->n) ? p_.floordiv(q->n, p_.index(q->d)) : Expr{};
  }

  // A float expression that is rational in dims, as `floor(cast(H) * 0.5)` of a resize is.
  std::optional<Quotient> quotient(Expr e) {
    if (auto number = p_.as_double(e)) {
      double scaled = *number;
      int64_t d = 1;
      for (; d < (1 << 20) && scaled != std::floor(scaled); d *= 2) scaled *= 2;
      if (scaled != std::floor(scaled) || std::abs(scaled) > (1 << 30)) return std::nullopt;
      return Quotient{p_.index(static_cast<int64_t>(scaled)), d};
    }
    std::vector<Expr> args(p_.operands(e).begin(), p_.operands(e).end());
    SOp op = p_.op(e);
    if (op == SOp::Cast && p_.type(args[0]) == DType::Index) return Quotient{args[0], 1};
    std::vector<Quotient> q;
    for (Expr arg : args) {
      auto part = is_float(p_.type(arg)) ? quotient(arg) : std::nullopt;
      if (!part) return std::nullopt;
      q.push_back(*part);
    }
    switch (op) {
      case SOp::Cast: return q[0];
      case SOp::Floor: return Quotient{p_.floordiv(q[0].n, p_.index(q[0].d)), 1};
      case SOp::Ceil: return Quotient{p_.ceildiv(q[0].n, p_.index(q[0].d)), 1};
      case SOp::Add:
      case SOp::Sub:
        return Quotient{
            p_.make(op, DType::Index,
                    std::array{p_.mul(q[0].n, p_.index(q[1].d)), p_.mul(q[1].n, p_.index(q[0].d))}),
            q[0].d * q[1].d};
      case SOp::Mul: return Quotient{p_.mul(q[0].n, q[1].n), q[0].d * q[1].d};
      case SOp::Div: {
        auto divisor = p_.as_int(q[1].n);
        if (!divisor || *divisor <= 0) return std::nullopt;
        return Quotient{p_.mul(q[0].n, p_.index(q[1].d)), q[0].d * *divisor};
      }
      default: return std::nullopt;
    }
  }

  ExprPool& p_;
  const Region& region_;
  std::vector<std::vector<Expr>> memory_;  // per region buffer, elements in the graph's pool
  std::unordered_map<Expr, Expr> bound_;   // axes and accumulators of the region -> graph's pool
  int64_t steps_ = 0;
};

bool worth_tracking(const Graph& graph, const Value& out) {
  if (out.type == DType::String || is_complex(out.type)) return false;
  int64_t elements = 1;
  for (Expr d : out.dims) {
    auto extent = graph.pool.as_int(d);
    if (!extent || *extent > kMaxElements) return false;
    elements *= *extent;
    if (elements > kMaxElements) return false;
  }
  return true;
}

}  // namespace

std::optional<std::vector<Expr>> propagate_content(Graph& graph, const Node& node) {
  if (!definition(node.op).lower || !worth_tracking(graph, graph.values[node.outputs[0]]))
    return std::nullopt;
  for (ValueId v : node.inputs)
    if (v.valid() && !graph.values[v].content) return std::nullopt;
  Region region = lower_node(graph, node);
  return Interpreter(graph, region).run(region.buffer_of(node.outputs[0]));
}

}  // namespace tenon
