// Values that lie in others' memory: what a plan's parts mean. docs/decisions/0018.
#include <algorithm>

#include "tenon/lay_out.h"

namespace tenon {

namespace {

std::optional<Part> by_concat(const Graph& graph, const Node& concat, ValueId value, ValueId whole) {
  const int dim = static_cast<int>(concat.attrs.get<Attr::axis>());
  int64_t begin = 0;
  for (ValueId v : concat.inputs) {
    if (v == value) return Part{value, whole, dim, begin};
    const auto extent = graph.pool.as_int(graph.values[v].dims[static_cast<size_t>(dim)]);
    if (!extent) return std::nullopt;
    begin += *extent;
  }
  return std::nullopt;
}

std::optional<Part> by_slice(const Graph& graph, const Node& slice, ValueId value, ValueId whole) {
  if (slice.inputs[0] != whole) return std::nullopt;
  const auto &from = graph.values[whole].dims, &to = graph.values[value].dims;
  const auto& starts = slice.attrs.get<Attr::starts>();
  const auto& steps = slice.attrs.get<Attr::steps>();
  std::optional<Part> part;
  for (size_t d = 0; d < to.size(); ++d) {
    const bool all = graph.pool.is_index(starts[d], 0) && from[d] == to[d];
    if (all && steps[d] == 1) continue;
    const auto begin = graph.pool.as_int(starts[d]);
    if (part || !begin || steps[d] != 1) return std::nullopt;
    part = Part{value, whole, static_cast<int>(d), *begin};
  }
  return part;
}

}  // namespace

std::optional<Part> part_of(const Graph& graph, ValueId value, ValueId whole) {
  auto maker = [&](ValueId v, Op op) -> const Node* {
    const NodeId def = graph.values[v].def;
    if (!def.valid() || graph.nodes[static_cast<size_t>(def.index)].op != op) return nullptr;
    return &graph.nodes[static_cast<size_t>(def.index)];
  };
  std::optional<Part> part;
  if (const Node* concat = maker(whole, Op::concat)) part = by_concat(graph, *concat, value, whole);
  if (const Node* slice = maker(value, Op::slice); slice && !part) part = by_slice(graph, *slice, value, whole);
  if (!part) return std::nullopt;
  const auto dim = static_cast<size_t>(part->dim);
  const bool known = graph.pool.as_int(graph.values[value].dims[dim]) && graph.pool.as_int(graph.values[whole].dims[dim]);
  return known ? part : std::nullopt;
}

Layout within(const Graph& graph, const Part& part) {
  Layout layout = graph.values[part.whole].layout;
  auto known = std::ranges::find(layout.within, part.dim, &Within::dim);
  if (known != layout.within.end()) known->begin += part.begin;
  else if (auto extent = graph.pool.as_int(graph.values[part.whole].dims[static_cast<size_t>(part.dim)]))
    layout.within.push_back({part.dim, part.begin, *extent});
  return layout;
}

void lay_out(Graph& graph, const Plan& plan) {
  for (const auto& [value, layout] : plan.layouts) graph.values[value].layout = layout;
  std::map<ValueId, const Part*> parts;
  for (const Part& part : plan.parts) parts[part.value] = &part;
  auto place = [&](auto&& self, const Part& part) -> void {
    auto found = parts.find(part.value);
    if (found == parts.end()) return;
    parts.erase(found);
    if (auto outer = parts.find(part.whole); outer != parts.end()) self(self, *outer->second);
    graph.values[part.value].layout = within(graph, part);
  };
  for (const Part& part : plan.parts) place(place, part);
}

Graph laid_out(Graph graph, const Plan& plan) {
  lay_out(graph, plan);
  return graph;
}

std::string needs_whole_buffer(const Region& region, const std::function<bool(ValueId)>& is_part) {
  for (const Statement& s : region.statements) {
    if (s.routine.empty()) continue;
    std::vector<BufferId> taken = s.operands;
    taken.push_back(s.out);
    taken.insert(taken.end(), s.more_outs.begin(), s.more_outs.end());
    for (BufferId b : taken)
      if (const ValueId v = region.buffers[b].value; v.valid() && is_part(v)) return region.buffers[b].name;
  }
  return {};
}

}  // namespace tenon
