#include "states.h"

#include <algorithm>
#include <set>

#include "signature.h"

namespace tenon {

namespace {

// What each `*` of the pattern stands for in `text`, the shortest that fits first; nothing: it does not match.
std::optional<std::vector<std::string>> match(std::string_view pattern, std::string_view text) {
  const size_t star = pattern.find('*');
  if (star == pattern.npos) return pattern == text ? std::optional(std::vector<std::string>()) : std::nullopt;
  if (!text.starts_with(pattern.substr(0, star))) return std::nullopt;
  for (size_t length = 0; star + length <= text.size(); ++length)
    if (auto rest = match(pattern.substr(star + 1), text.substr(star + length))) {
      rest->insert(rest->begin(), std::string(text.substr(star, length)));
      return rest;
    }
  return std::nullopt;
}

std::string fill(std::string_view pattern, const std::vector<std::string>& parts) {
  std::string text;
  size_t next = 0;
  for (char c : pattern) c == '*' ? text += parts[next++] : text += c;
  return text;
}

int position(const Graph& graph, const std::vector<ValueId>& ports, const std::string& name) {
  auto it = std::ranges::find(ports, name, [&](ValueId v) { return graph.values[v].name; });
  return it == ports.end() ? -1 : static_cast<int>(it - ports.begin());
}

std::string names(const Graph& graph, const std::vector<ValueId>& ports) {
  std::string text;
  for (ValueId v : ports) text += (text.empty() ? "" : ", ") + graph.values[v].name;
  return text;
}

using Pairs = std::vector<std::pair<int, int>>;  // input, output

Result<void> find_pairs(const Graph& graph, const std::string& spec, Pairs& pairs) {
  const size_t equal = spec.find('=');
  if (equal == spec.npos || equal == 0 || equal + 1 == spec.size())
    return fail(Code::E0601, "--state " + spec + " is not understood", "--state 'past.*=present.*'");
  const std::string past = spec.substr(0, equal), present = spec.substr(equal + 1);
  if (std::ranges::count(past, '*') != std::ranges::count(present, '*'))
    return fail(Code::E0601, "--state " + spec + " has more `*` on one side", "--state 'past.*=present.*'");
  bool any = false;
  for (size_t k = 0; k < graph.inputs.size(); ++k) {
    const auto parts = match(past, graph.values[graph.inputs[k]].name);
    if (!parts) continue;
    any = true;
    const std::string wanted = fill(present, *parts);
    const int output = position(graph, graph.outputs, wanted);
    // A pattern speaks of the pairs that there are: an encoder's keys come in and stay.
    if (output < 0 && parts->empty())
      return fail(Code::E0601, "--state " + spec + ": the model has no output " + wanted, "outputs: " + names(graph, graph.outputs));
    if (output >= 0) pairs.emplace_back(static_cast<int>(k), output);
  }
  if (!any) return fail(Code::E0601, "--state " + spec + ": the model has no such input", "inputs: " + names(graph, graph.inputs));
  return {};
}

std::unexpected<Diags> cannot_grow(const Graph& graph, const State& s, const std::string& why) {
  const ValueId present = graph.outputs[static_cast<size_t>(s.output)];
  Diag diag{.code = Code::E0306, .message = "`" + graph.values[present].name + "` cannot be grown in the buffer of `" +
                                            graph.values[graph.inputs[static_cast<size_t>(s.input)]].name + "`: " + why,
            .hint = "leave this pair out of --state: the output is then written to a buffer of its own"};
  if (const NodeId def = graph.values[present].def; def.valid()) diag.node = graph.nodes[static_cast<size_t>(def.index)].origin;
  for (ValueId v : {graph.inputs[static_cast<size_t>(s.input)], present}) diag.shapes.push_back(graph.values[v].name + ": " + type_text(graph, v));
  return fail(std::move(diag));
}

// The axis along which the output is the input and more.
Result<int> axis_of(const Graph& graph, const State& s) {
  const ValueId past = graph.inputs[static_cast<size_t>(s.input)], present = graph.outputs[static_cast<size_t>(s.output)];
  const Value& value = graph.values[present];
  if (std::ranges::count(graph.outputs, present) > 1) return cannot_grow(graph, s, "the model gives it twice");
  if (!value.def.valid()) return cannot_grow(graph, s, "no node makes it");
  const Node& node = graph.nodes[static_cast<size_t>(value.def.index)];
  const std::string op(spelling(node.op));
  if (node.op != Op::concat) return cannot_grow(graph, s, "it is made by " + op + ", not by a concatenation");
  if (node.inputs[0] != past) {
    const bool inside = std::ranges::count(node.inputs, past) > 0;
    return cannot_grow(graph, s, inside ? "the input is not the first operand of the concatenation" : "the concatenation does not read the input");
  }
  if (std::ranges::count(node.inputs, past) > 1) return cannot_grow(graph, s, "the concatenation reads the input twice");
  if (bits(value.type) < 8) return cannot_grow(graph, s, "its elements share bytes");
  if (!value.layout.row_major() || !graph.values[past].layout.row_major()) return cannot_grow(graph, s, "it is in another state already");
  return static_cast<int>(node.attrs.get<Attr::axis>());
}

// One symbol for all states of one length: "P_capacity" where the input has P rows.
class Capacities {
 public:
  explicit Capacities(Graph& graph) : graph_(graph) {}

  Expr of(Expr past, Expr present) {
    for (const Row& row : rows_)
      if (row.past == past && row.present == present) return row.symbol;
    ExprPool& pool = graph_.pool;
    const bool symbol = pool.op(past) == SOp::Var;
    const std::string base = symbol ? c_identifier(pool.var(past).name) + "_capacity" : "capacity";
    std::string name = base;
    for (int k = 2; pool.symbol_named(name).valid(); ++k) name = base + "_" + std::to_string(k);
    const Expr made = pool.symbol(name);
    pool.var(made).lo = std::max<int64_t>(1, pool.bounds(present).first);
    // The buffer holds all rows after the call.
    graph_.assumed_equal.emplace_back(pool.index(1), pool.select(pool.binary(SOp::Le, present, made), pool.index(1), pool.index(0)));
    rows_.push_back({past, present, made});
    return made;
  }

 private:
  struct Row {
    Expr past, present, symbol;
  };
  Graph& graph_;
  std::vector<Row> rows_;
};

}  // namespace

Result<void> add_states(Graph& graph, const std::vector<std::string>& patterns) {
  Pairs pairs;
  Diags problems;
  for (const std::string& spec : patterns)
    if (auto found = find_pairs(graph, spec, pairs); !found) problems.insert(problems.end(), found.error().begin(), found.error().end());
  std::ranges::sort(pairs);
  pairs.erase(std::ranges::unique(pairs).begin(), pairs.end());
  for (size_t k = 0; k < pairs.size(); ++k)
    for (size_t other = 0; other < k; ++other)
      if (pairs[k].first == pairs[other].first || pairs[k].second == pairs[other].second)
        problems.push_back({.code = Code::E0601, .message = "--state names `" + graph.values[graph.inputs[static_cast<size_t>(pairs[k].first)]].name +
                                                           "` or its output in two pairs"});
  if (!problems.empty()) return std::unexpected(std::move(problems));
  Capacities capacities(graph);
  for (const auto& [input, output] : pairs) {
    State state{.input = input, .output = output};
    const Result<int> axis = axis_of(graph, state);
    if (!axis) {
      problems.insert(problems.end(), axis.error().begin(), axis.error().end());
      continue;
    }
    state.axis = *axis;
    Value &past = graph.values[graph.inputs[static_cast<size_t>(input)]], &present = graph.values[graph.outputs[static_cast<size_t>(output)]];
    state.capacity = capacities.of(past.dims[static_cast<size_t>(*axis)], present.dims[static_cast<size_t>(*axis)]);
    past.layout.capacities = present.layout.capacities = {{.dim = *axis, .extent = graph.pool.var(state.capacity).name}};
    graph.states.push_back(state);
  }
  if (!problems.empty()) return std::unexpected(std::move(problems));
  return {};
}

}  // namespace tenon
