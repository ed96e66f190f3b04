#include "rewrite.h"

#include <algorithm>

namespace tenon {

namespace {

bool is_output(const Graph& graph, ValueId v) { return std::ranges::find(graph.outputs, v) != graph.outputs.end(); }

// Whether `by` can take an output's place: computed, and not an output itself.
bool can_be_output(const Graph& graph, ValueId by) {
  return producer(graph, by) && !is_output(graph, by);
}

class Rewriter {
 public:
  Rewriter(Graph graph, const Rule& rule) : graph_(std::move(graph)), rule_(rule) {}

  Result<Graph> run(bool& changed) {
    std::vector<Node> nodes = std::move(graph_.nodes);
    graph_.nodes.clear();
    for (const Node& node : nodes)
      for (ValueId v : node.outputs) graph_.values[v].def = {};
    for (Node& node : nodes) {
      for (ValueId& v : node.inputs) v = current(v);
      fresh_ = graph_.values.size();
      TENON_TRY(std::vector<ValueId> by, rule_(graph_, node));
      if (by.empty() || !replace(node, by)) keep(std::move(node));
      else changed = true;
    }
    for (ValueId& v : graph_.outputs) v = current(v);
    compact(graph_);
    return std::move(graph_);
  }

 private:
  ValueId current(ValueId v) const {
    auto it = replaced_.find(v);
    return it == replaced_.end() ? v : it->second;
  }

  void keep(Node node) {
    for (ValueId v : node.outputs) graph_.values[v].def = NodeId(graph_.nodes.size());
    graph_.nodes.push_back(std::move(node));
  }

  bool replace(const Node& node, const std::vector<ValueId>& by) {
    TENON_CHECK(by.size() == node.outputs.size(), "a rule must replace all outputs of a node");
    for (size_t k = 0; k < by.size(); ++k) {
      Value &before = graph_.values[node.outputs[k]], &after = graph_.values[by[k]];
      TENON_CHECK(before.type == after.type && before.dims.size() == after.dims.size(), "a rule changed a type");
      if (is_output(graph_, node.outputs[k]) && !can_be_output(graph_, by[k])) return false;
    }
    for (size_t k = 0; k < by.size(); ++k) {
      Value &before = graph_.values[node.outputs[k]], &after = graph_.values[by[k]];
      if (!after.content) after.content = before.content;
      replaced_[node.outputs[k]] = by[k];
      bool output = is_output(graph_, node.outputs[k]);
      if (output || static_cast<size_t>(by[k].index) >= fresh_) std::swap(before.name, after.name);
      if (output) std::ranges::replace(graph_.outputs, node.outputs[k], by[k]);
    }
    return true;
  }

  Graph graph_;
  const Rule& rule_;
  size_t fresh_ = 0;  // values from here on were made for the node at hand, and take over its name
  std::unordered_map<ValueId, ValueId> replaced_;
};

}  // namespace

Result<Graph> rewrite(Graph graph, const Rule& rule, bool* changed) {
  bool ignored = false;
  return Rewriter(std::move(graph), rule).run(changed ? *changed : ignored);
}

Result<Graph> rewrite_to_fixpoint(Graph graph, const Rule& rule) {
  for (bool changed = true; changed;) {
    changed = false;
    TENON_TRY(graph, rewrite(std::move(graph), rule, &changed));
  }
  return graph;
}

void compact(Graph& graph) {
  std::vector<bool> live(graph.values.size());
  auto mark = [&](ValueId v) {
    if (v.valid()) live[static_cast<size_t>(v.index)] = true;
  };
  auto is_live = [&](ValueId v) { return live[static_cast<size_t>(v.index)]; };
  std::ranges::for_each(graph.outputs, mark);
  std::vector<Node> nodes;
  for (size_t n = graph.nodes.size(); n-- > 0;) {
    Node& node = graph.nodes[n];
    if (std::ranges::none_of(node.outputs, is_live)) continue;
    auto least = static_cast<size_t>(definition(node.op).min_outputs);
    while (node.outputs.size() > least && !is_live(node.outputs.back())) node.outputs.pop_back();
    std::ranges::for_each(node.outputs, mark);
    std::ranges::for_each(node.inputs, mark);
    nodes.push_back(std::move(node));
  }
  std::ranges::reverse(nodes);
  std::ranges::for_each(graph.inputs, mark);
  for (size_t v = 0; v < live.size(); ++v)
    if (const auto& q = graph.values[ValueId(v)].quant; live[v] && q) mark(q->scale), mark(q->zero_point);

  std::vector<ValueId> now(live.size());
  Store<ValueId, Value> values;
  Store<ConstantId, Constant> constants;
  for (size_t v = 0; v < live.size(); ++v) {
    if (!live[v]) continue;
    Value& value = graph.values[ValueId(v)];
    if (value.constant.valid()) value.constant = constants.push(graph.constants[value.constant]);
    now[v] = values.push(std::move(value));
  }
  auto renumber = [&](ValueId& v) {
    if (v.valid()) v = now[static_cast<size_t>(v.index)];
  };
  for (Value& value : values)
    if (value.quant) renumber(value.quant->scale), renumber(value.quant->zero_point);
  for (size_t n = 0; n < nodes.size(); ++n) {
    std::ranges::for_each(nodes[n].inputs, renumber);
    std::ranges::for_each(nodes[n].outputs, renumber);
    for (ValueId v : nodes[n].outputs) values[v].def = NodeId(n);
  }
  std::ranges::for_each(graph.inputs, renumber);
  std::ranges::for_each(graph.outputs, renumber);
  graph.nodes = std::move(nodes);
  graph.values = std::move(values);
  graph.constants = std::move(constants);
  graph.names.clear();
  graph.named = 0;
}

const Node* producer(const Graph& graph, ValueId v) {
  if (!v.valid() || !graph.values[v].def.valid()) return nullptr;
  return &graph.nodes[static_cast<size_t>(graph.values[v].def.index)];
}

const Node* producer(const Graph& graph, ValueId v, Op op) {
  const Node* node = producer(graph, v);
  return node && node->op == op ? node : nullptr;
}

std::vector<int> use_counts(const Graph& graph) {
  std::vector<int> counts(graph.values.size());
  for (const Node& node : graph.nodes)
    for (ValueId v : node.inputs)
      if (v.valid()) ++counts[static_cast<size_t>(v.index)];
  for (ValueId v : graph.outputs) ++counts[static_cast<size_t>(v.index)];
  return counts;
}

bool is_pointwise(Op op) {
  return op == Op::cast || (definition(op).kind == OpKind::Elementwise && definition(op).scalar != SOp::Const);
}

bool same_type(const Graph& graph, ValueId a, ValueId b) {
  return graph.values[a].type == graph.values[b].type && graph.values[a].dims == graph.values[b].dims;
}

Result<ValueId> make(Graph& graph, const Node& origin, Op op, std::vector<ValueId> inputs, Attrs attrs) {
  return add_node(graph, {.op = op, .inputs = std::move(inputs), .outputs = {}, .attrs = std::move(attrs),
                          .origin = origin.origin});
}

}  // namespace tenon
