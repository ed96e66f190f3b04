// Making nodes, and what is known of symbolic dims: equality and broadcasting.
#include "infer.h"

#include <algorithm>

namespace tenon {

namespace {

std::string text_of(const Graph& graph, Expr a, Expr b) {
  return graph.pool.text(a) + " and " + graph.pool.text(b);
}

// From now on the graph says `replacement` where it said `e`, a symbol or any other expression.
void replace(Graph& graph, Expr e, Expr replacement) {
  const ExprPool::Substitution map{{e, replacement}};
  auto apply = [&](Expr& old) { old = graph.pool.substitute(old, map); };
  for (Value& v : graph.values) {
    std::ranges::for_each(v.dims, apply);
    if (v.content) std::ranges::for_each(*v.content, apply);
  }
  for (Node& n : graph.nodes)
    for (auto& [key, value] : n.attrs)
      if (auto* dims = std::get_if<attr::Dims>(&value)) std::ranges::for_each(*dims, apply);
  for (auto& [a, b] : graph.assumed_equal) apply(a), apply(b);
  for (auto& [from, to] : graph.replaced) apply(to);
  graph.replaced.insert_or_assign(e, replacement);
}

// Solves difference == 0 for one symbol. Newer symbols go first, and those whose replacement is
// certainly no negative extent.
std::optional<std::pair<Expr, Expr>> solve(ExprPool& pool, Expr difference) {
  std::vector<Expr> symbols;
  pool.collect_vars(difference, symbols);
  std::ranges::sort(symbols, std::greater{});
  std::optional<std::pair<Expr, Expr>> fallback;
  for (Expr s : symbols) {
    auto split = pool.affine(difference, s);
    if (!split || !pool.as_int(split->first)) continue;
    auto value = pool.div_exact(pool.sub(pool.index(0), split->second), split->first);
    if (!value) continue;
    if (pool.provably_nonnegative(*value)) return std::pair{s, *value};
    if (!fallback) fallback = std::pair{s, *value};
  }
  return fallback;
}

size_t nodes_in(const ExprPool& pool, Expr e) {
  size_t n = 1;
  for (Expr child : pool.operands(e)) n += nodes_in(pool, child);
  return n;
}

// S == min(512, S) is S <= 512, S == max(1, S) is S >= 1: a range, if the other operand is a number.
bool tighten_range(ExprPool& pool, Expr a, Expr b) {
  if (pool.op(a) != SOp::Var || (pool.op(b) != SOp::Min && pool.op(b) != SOp::Max)) return false;
  std::span<const Expr> operands = pool.operands(b);
  if (operands[0] != a && operands[1] != a) return false;
  auto limit = pool.as_int(operands[operands[0] == a ? 1 : 0]);
  Var& var = pool.var(a);
  if (!limit || *limit < var.lo || *limit > var.hi) return false;
  (pool.op(b) == SOp::Min ? var.hi : var.lo) = *limit;
  return true;
}

}  // namespace

Expr resolve(Graph& graph, Expr e) {
  return graph.replaced.empty() ? e : graph.pool.substitute(e, graph.replaced);
}

Result<Expr> unify_dims(Graph& graph, Expr a, Expr b) {
  ExprPool& pool = graph.pool;
  a = resolve(graph, a);
  b = resolve(graph, b);
  if (a == b) return a;
  Expr difference = pool.sub(a, b);
  auto [lo, hi] = pool.bounds(difference);
  if (lo > 0 || hi < 0) return shape_error("dims must be equal: " + text_of(graph, a, b));
  if (auto solution = solve(pool, difference)) {
    auto [symbol, value] = *solution;
    auto [value_lo, value_hi] = pool.bounds(value);
    Var& var = pool.var(symbol);
    if (value_lo > var.hi || value_hi < var.lo)
      return shape_error("dims must be equal, which the range of " + var.name +
                         " forbids: " + text_of(graph, a, b));
    if (pool.op(value) == SOp::Var) {
      Var& kept = pool.var(value);
      kept.lo = std::max(kept.lo, var.lo);
      kept.hi = std::min(kept.hi, var.hi);
    }
    replace(graph, symbol, value);
    return resolve(graph, a);
  }
  // The simpler one stands for both, so that dims which meet stay equal by id.
  if (nodes_in(pool, a) > nodes_in(pool, b)) std::swap(a, b);
  bool checked_as_range = tighten_range(pool, a, b);
  replace(graph, b, a);
  if (!checked_as_range) graph.assumed_equal.emplace_back(a, b);
  return a;
}

Result<std::vector<Expr>> broadcast_dims(Graph& graph, std::span<const std::vector<Expr>> operands) {
  std::vector<Expr> result;
  for (const std::vector<Expr>& dims : operands) {
    if (dims.size() > result.size())
      result.insert(result.begin(), dims.size() - result.size(), graph.pool.index(1));
    size_t first = result.size() - dims.size();
    for (size_t d = 0; d < dims.size(); ++d) {
      Expr& so_far = result[first + d];
      Expr next = resolve(graph, dims[d]);
      so_far = resolve(graph, so_far);
      if (graph.pool.is_index(next, 1)) continue;
      if (!graph.pool.is_index(so_far, 1)) {
        TENON_TRY(next, unify_dims(graph, so_far, next));
      }
      so_far = next;
    }
  }
  for (Expr& d : result) d = resolve(graph, d);
  return result;
}

Result<size_t> axis_of(const Node& node, size_t rank) {
  if (!node.attrs.has(Attr::axis)) return attr_error("the attribute axis is missing");
  int64_t axis = node.attrs.get<Attr::axis>();
  if (axis < 0 || axis >= static_cast<int64_t>(rank))
    return attr_error("axis " + std::to_string(axis) + " is outside a tensor of rank " +
                      std::to_string(rank));
  return static_cast<size_t>(axis);
}

Result<void> same_type(const Graph& graph, const Node& node, size_t a, size_t b) {
  DType first = input(graph, node, a).type, second = input(graph, node, b).type;
  if (first == second) return {};
  return type_error("operands differ in element type: " + std::string(spelling(first)) + " and " +
                    std::string(spelling(second)));
}

namespace {

// The elements of a tensor must be countable in 62 bits, or offsets would overflow.
Result<void> check_size(const Graph& graph, const ValueType& type) {
  int64_t elements = 1;
  for (Expr d : type.dims) {
    int64_t extent = graph.pool.as_int(d).value_or(1);
    if (extent < 0) return shape_error("negative extent " + std::to_string(extent));
    if (__builtin_mul_overflow(elements, std::max<int64_t>(extent, 1), &elements) ||
        elements > kIndexMax / 16)
      return fail(Code::E0207, "the tensor's size does not fit into 63 bits");
  }
  return {};
}

// What inference may rely on: operands and attributes that the op cannot do without are there.
Result<void> check_signature(const Node& node) {
  const OpDef& def = definition(node.op);
  auto inputs = static_cast<int>(node.inputs.size());
  if (inputs < def.min_inputs || (def.max_inputs >= 0 && inputs > def.max_inputs))
    return shape_error(std::string(def.name) + " does not take " + std::to_string(inputs) + " operands");
  int needed = def.max_inputs < 0 ? inputs : def.min_inputs;
  for (int i = 0; i < needed; ++i)
    if (!node.inputs[static_cast<size_t>(i)].valid())
      return shape_error(std::string(def.name) + " needs its operand " + std::to_string(i));
  for (Attr key : def.needs)
    if (!node.attrs.has(key)) return attr_error(std::string(def.name) + " needs the attribute " + std::string(spelling(key)));
  return {};
}

}  // namespace

Result<Types> infer_types(Graph& graph, const Node& node) {
  TENON_DO(check_signature(node));
  TENON_TRY(Types types, definition(node.op).infer(graph, node));
  for (ValueType& type : types) {
    for (Expr& d : type.dims) d = resolve(graph, d);
    TENON_DO(check_size(graph, type));
  }
  return types;
}

Result<ValueId> add_node(Graph& graph, Node node, std::string name) {
  for (auto& [key, value] : node.attrs)
    if (auto* dims = std::get_if<attr::Dims>(&value))
      for (Expr& e : *dims) e = resolve(graph, e);
  auto types = infer_types(graph, node);
  if (!types) {
    for (Diag& d : types.error()) {
      d.node = node.origin;
      for (ValueId v : node.inputs)
        if (v.valid()) d.shapes.push_back(graph.values[v].name + ": " + type_text(graph, v));
    }
    return std::unexpected(std::move(types).error());
  }
  if (name.empty()) name = node.origin.name.empty() ? std::string(spelling(node.op)) : node.origin.name;
  node.outputs.clear();
  for (ValueType& type : *types) {
    ValueId v = graph.add_value(name, type.type, std::move(type.dims));
    graph.values[v].def = NodeId(graph.nodes.size());
    node.outputs.push_back(v);
  }
  ValueId first = node.outputs[0];
  if (auto content = propagate_content(graph, node)) graph.values[first].content = std::move(content);
  graph.nodes.push_back(std::move(node));
  return first;
}

}  // namespace tenon
