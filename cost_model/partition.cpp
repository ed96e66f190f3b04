#include "partition.h"

#include <algorithm>
#include <numeric>

namespace tenon {

namespace {

class Partitioner {
 public:
  Partitioner(const Graph& graph, const Decider& decide) : graph_(graph), decide_(decide), users_(graph.users()), region_of_(graph.nodes.size(), -1), factor_(graph.nodes.size()) {}

  std::vector<RegionPlan> run() {
    for (int n = static_cast<int>(graph_.nodes.size()); n-- > 0;) place(n);
    std::vector<RegionPlan> plans;
    // A region runs where its last node stood.
    std::ranges::sort(regions_, {}, [](const Region& r) { return r.nodes.front(); });
    for (Region& r : regions_) plans.push_back(describe(r));
    return plans;
  }

 private:
  struct Region {
    std::vector<int> nodes;  // last first
    bool heavy = false;      // holds a node that is not elementwise or movement
    bool composite = false;  // ... one of several statements
    bool keeps_dims = true;  // every node so far has the dims of the output
  };

  const OpDef& def(int n) const { return definition(graph_.nodes[static_cast<size_t>(n)].op); }
  bool is_output(ValueId v) const { return std::ranges::find(graph_.outputs, v) != graph_.outputs.end(); }
  static bool light(const OpDef& d) { return d.kind == OpKind::Elementwise || d.kind == OpKind::Movement; }
  bool composite(int n) const {
    return def(n).kind == OpKind::Composite;
  }
  // Reads an element more than once.
  bool windowed(int n) const { return graph_.nodes[static_cast<size_t>(n)].attrs.has(Attr::kernel); }
  bool plain_movement(int n) const { return is_plain_movement(graph_.nodes[static_cast<size_t>(n)].op); }
  bool substitutable(int n) const {
    Op op = graph_.nodes[static_cast<size_t>(n)].op;
    return def(n).kind == OpKind::Elementwise || plain_movement(n) || op == Op::pad || op == Op::iota;
  }

  void place(int n) {
    const Node& node = graph_.nodes[static_cast<size_t>(n)];
    int joined = node.outputs.size() == 1 ? region_to_join(n, node.outputs[0]) : -1;
    if (joined < 0) {
      joined = static_cast<int>(regions_.size());
      regions_.push_back({});
    }
    Region& r = regions_[static_cast<size_t>(joined)];
    if (!r.nodes.empty()) r.keeps_dims &= dims_of(n) == dims_of(r.nodes.front());
    r.nodes.push_back(n);
    r.heavy |= !light(def(n));
    r.composite |= composite(n);
    region_of_[static_cast<size_t>(n)] = joined;
    if (r.nodes.size() > 1 && node.outputs.size() == 1)
      for (int reader : users_[static_cast<size_t>(node.outputs[0].index)])
        if (def(reader).kind == OpKind::Contraction || factor_[static_cast<size_t>(reader)]) factor_[static_cast<size_t>(n)] = true;
  }

  const std::vector<Expr>& dims_of(int n) const {
    return graph_.values[graph_.nodes[static_cast<size_t>(n)].outputs[0]].dims;
  }

  int region_to_join(int n, ValueId v) const {
    const auto& readers = users_[static_cast<size_t>(v.index)];
    if (is_output(v) || readers.empty()) return -1;
    int region = region_of_[static_cast<size_t>(readers[0])];
    for (int reader : readers)
      if (region_of_[static_cast<size_t>(reader)] != region) return -1;
    const Region& r = regions_[static_cast<size_t>(region)];
    constexpr size_t kMaxNodes = 48;
    if (r.nodes.size() >= kMaxNodes) return -1;
    // A second product cannot join: its results are kept as bytes, not as the sums they are made of.
    if (r.heavy && graph_.nodes[static_cast<size_t>(n)].op == Op::quantize && ends_product(n)) return -1;
    // What is moved stays with the product that it finishes.
    auto moves = [&](int u) { return def(u).kind == OpKind::Movement; };
    if (def(n).kind == OpKind::Elementwise && std::ranges::all_of(readers, moves) && ends_product(n)) return -1;
    bool fits = light(def(n)) ? substitutable(n) && std::ranges::all_of(readers, [&](int u) { return reads_inline(n, u); })
                              : becomes_epilogue(n, r, readers);
    return fits && decide_({.kind = DecisionKind::fuse, .subject = v, .answers = {"fuse", "apart"}}) == 0 ? region : -1;
  }

  // The operand comes from a contraction through elementwise nodes of the same dims that nobody else reads.
  bool ends_product(int n) const {
    const std::vector<Expr>& dims = dims_of(n);
    for (ValueId v = graph_.nodes[static_cast<size_t>(n)].inputs[0];;) {
      const NodeId made = graph_.values[v].def;
      if (!made.valid() || users_[static_cast<size_t>(v.index)].size() != 1 || graph_.values[v].dims != dims) return false;
      const OpKind kind = def(static_cast<int>(made.index)).kind;
      if (kind == OpKind::Contraction) return true;
      if (kind != OpKind::Elementwise) return false;
      v = graph_.nodes[static_cast<size_t>(made.index)].inputs[0];
    }
  }

  // The reader can take the producer's expression in place of its load.
  bool reads_inline(int n, int reader) const {
    const OpDef& r = def(reader);
    if (graph_.nodes[static_cast<size_t>(reader)].outputs.size() != 1) return false;
    bool same_dims = dims_of(n) == dims_of(reader);
    switch (r.kind) {
      case OpKind::Elementwise: return plain_movement(n) || same_dims;
      case OpKind::Movement:
        return plain_movement(n) || (substitutable(reader) && !factor_[static_cast<size_t>(reader)]);
      case OpKind::Contraction:
        return plain_movement(n) && (graph_.nodes[static_cast<size_t>(reader)].op == Op::dot || takes_channels(n, reader));
      case OpKind::Reduction: return !windowed(reader);
      case OpKind::Composite: return true;
      default: return false;
    }
  }

  // A convolution of single pixels reads some of each group's channels: it sums group by group.
  bool takes_channels(int n, int reader) const {
    const Node &joined = graph_.nodes[static_cast<size_t>(n)], &conv = graph_.nodes[static_cast<size_t>(reader)];
    if (conv.op != Op::conv || conv.inputs[0] != joined.outputs[0] || joined.op != Op::reshape || conv.attrs.get_or<Attr::groups>(1) != 1) return false;
    if (graph_.values[joined.outputs[0]].type != DType::F32) return false;
    const std::vector<Expr>& w = graph_.values[conv.inputs[1]].dims;
    auto one = [&](Expr d) { return graph_.pool.is_index(d, 1); };
    auto none = [&](Expr pad) { return graph_.pool.is_index(pad, 0); };
    if (!std::ranges::all_of(std::span(w).subspan(2), one) || !std::ranges::all_of(conv.attrs.get<Attr::pads_begin>(), none) ||
        !std::ranges::all_of(conv.attrs.get<Attr::pads_end>(), none))
      return false;
    const Node *slice = maker(joined.inputs[0], Op::slice), *split = slice ? maker(slice->inputs[0], Op::reshape) : nullptr;
    if (!split) return false;
    std::vector<Expr> from = graph_.values[split->inputs[0]].dims, to = dims_of(n);
    if (from.size() != to.size() || from.size() < 3) return false;
    constexpr size_t kChannel = 1;
    const Expr channels = from[kChannel];
    from[kChannel] = to[kChannel];
    const std::vector<Expr>& apart = graph_.values[slice->inputs[0]].dims;
    return from == to && apart.size() == to.size() + 1 && graph_.pool.as_int(channels) == product(apart[kChannel], apart[kChannel + 1]);
  }

  const Node* maker(ValueId v, Op op) const {
    const NodeId made = graph_.values[v].def;
    const Node* node = made.valid() ? &graph_.nodes[static_cast<size_t>(made.index)] : nullptr;
    return node && node->op == op ? node : nullptr;
  }

  std::optional<int64_t> product(Expr a, Expr b) const {
    const auto x = graph_.pool.as_int(a), y = graph_.pool.as_int(b);
    return x && y ? std::optional(*x * *y) : std::nullopt;
  }

  // Elementwise readers of the same dims finish a reduction in registers.
  bool becomes_epilogue(int n, const Region& r, const std::vector<int>& readers) const {
    OpKind kind = def(n).kind;
    if (r.heavy || !r.keeps_dims || !(kind == OpKind::Contraction || kind == OpKind::Reduction || composite(n))) return false;
    if (dims_of(n) != dims_of(r.nodes.front())) return false;
    return std::ranges::all_of(readers, [&](int u) { return def(u).kind == OpKind::Elementwise && dims_of(u) == dims_of(n); }) &&
           std::ranges::all_of(r.nodes, [&](int u) { return def(u).kind == OpKind::Elementwise; });
  }

  RegionPlan describe(Region& r) const {
    std::ranges::sort(r.nodes);
    RegionPlan plan;
    plan.nodes = r.nodes;
    const Node& last = graph_.nodes[static_cast<size_t>(r.nodes.back())];
    plan.name = graph_.values[last.outputs[0]].name;
    for (int n : r.nodes) {
      const Node& node = graph_.nodes[static_cast<size_t>(n)];
      for (ValueId v : node.outputs) {
        if (n == r.nodes.back()) plan.placed.emplace_back(v, Placement::Root);
        else plan.placed.emplace_back(v, attached(r, n, v) ? Placement::Attached : Placement::Inline);
      }
    }
    return plan;
  }

  // Several statements of a composite read it: computed once per row, not at each of them.
  bool attached(const Region& r, int n, ValueId v) const {
    if (!r.composite || composite(n) || def(n).kind == OpKind::Movement) return false;
    return std::ranges::any_of(users_[static_cast<size_t>(v.index)], [&](int u) { return composite(u); });
  }

  const Graph& graph_;
  const Decider& decide_;
  std::vector<std::vector<int>> users_;
  std::vector<int> region_of_;
  std::vector<bool> factor_;  // moved into a contraction, which reads each element many times
  std::vector<Region> regions_;
};

}  // namespace

bool is_plain_movement(Op op) { return op == Op::reshape || op == Op::transpose || op == Op::broadcast || op == Op::slice; }

std::vector<RegionPlan> partition(const Graph& graph, const Decider& decide) { return Partitioner(graph, decide).run(); }

std::vector<std::pair<ValueId, Layout>> channels_last(const Graph& graph, const Decider& decide) {
  std::vector<bool> chosen(graph.values.size()), fixed(graph.values.size());
  for (ValueId v : graph.inputs) fixed[static_cast<size_t>(v.index)] = true;
  for (ValueId v : graph.outputs) fixed[static_cast<size_t>(v.index)] = true;
  for (size_t v = 0; v < graph.values.size(); ++v)
    if (graph.constant(ValueId(v)) || graph.values[ValueId(v)].dims.size() < 3) fixed[v] = true;
  auto choose = [&](ValueId v) {
    if (!v.valid() || fixed[static_cast<size_t>(v.index)] || chosen[static_cast<size_t>(v.index)]) return false;
    chosen[static_cast<size_t>(v.index)] = true;
    return true;
  };
  auto is_chosen = [&](ValueId v) { return v.valid() && chosen[static_cast<size_t>(v.index)]; };
  auto spatial = [](const Node& n) { return n.op == Op::conv || n.op == Op::conv_transpose || n.op == Op::window_max || n.op == Op::window_sum || n.op == Op::resize; };
  auto carries = [](const Node& n) {
    const OpKind kind = definition(n.op).kind;
    return kind == OpKind::Elementwise || kind == OpKind::Reduction || n.op == Op::concat || n.op == Op::pad || n.op == Op::slice;
  };
  for (const Node& n : graph.nodes) {
    if (!spatial(n)) continue;
    choose(n.inputs[0]);
    choose(n.outputs[0]);
  }
  // Through what works element by element, in both directions, until nothing changes.
  for (bool changed = true; changed;) {
    changed = false;
    for (const Node& n : graph.nodes) {
      if (!carries(n)) continue;
      size_t rank = graph.values[n.outputs[0]].dims.size();
      auto same_rank = [&](ValueId v) { return v.valid() && graph.values[v].dims.size() == rank; };
      bool any = is_chosen(n.outputs[0]);
      for (ValueId v : n.inputs) any |= same_rank(v) && is_chosen(v);
      if (!any) continue;
      changed |= choose(n.outputs[0]);
      for (ValueId v : n.inputs)
        if (same_rank(v)) changed |= choose(v);
    }
  }
  // Values that hang together by such nodes have one answer, given for the first of them.
  std::vector<size_t> first(graph.values.size());
  std::iota(first.begin(), first.end(), size_t{0});
  auto find = [&](size_t v) {
    while (first[v] != v) v = first[v] = first[first[v]];
    return v;
  };
  for (const Node& n : graph.nodes) {
    if (!spatial(n) && !carries(n)) continue;
    std::optional<size_t> before;
    auto join = [&](ValueId v) {
      if (!is_chosen(v)) return;
      const size_t root = find(static_cast<size_t>(v.index));
      if (before) first[std::max(root, find(*before))] = std::min(root, find(*before));
      before = root;
    };
    for (ValueId v : n.inputs) join(v);
    for (ValueId v : n.outputs) join(v);
  }
  std::vector<bool> apart(graph.values.size());
  for (size_t v = 0; v < graph.values.size(); ++v)
    if (chosen[v] && find(v) == v) apart[v] = decide({.kind = DecisionKind::layout, .subject = ValueId(v), .answers = {"channels_last", "row_major"}}) == 1;
  std::vector<std::pair<ValueId, Layout>> layouts;
  for (size_t v = 0; v < graph.values.size(); ++v) {
    if (!chosen[v] || apart[find(v)]) continue;
    int rank = static_cast<int>(graph.values[ValueId(v)].dims.size());
    std::vector<int> order = {0};
    for (int d = 2; d < rank; ++d) order.push_back(d);
    order.push_back(1);
    layouts.emplace_back(ValueId(v), permuted(std::move(order)));
  }
  return layouts;
}

}  // namespace tenon
