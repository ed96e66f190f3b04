// Does: channels that are shuffled (groups become innermost: reshape, transpose, reshape) stay in the order in which they were
// made, where whoever reads them can: a convolution takes its weights' channels in that order, a depthwise one and what works
// element by element hand the order on, a slice of whole groups takes a part of each group. Requires: constants folded, since
// weights are reordered. Guarantees: the same products, summed in another order. Why here: last, since slices of one value must
// not share the reshape that they read: each is to be read by address. Cost: linear in the weights that change.
#include <algorithm>

#include "constants.h"

namespace tenon {

namespace {

constexpr size_t kChannel = 1;

// Channel j * groups + i is channel i * each + j of `from`, which has them as one dim, or as two: [N, groups, each, ...].
struct Shuffle {
  ValueId from;
  bool apart;
  int64_t groups, each;
};

std::optional<Shuffle> match_shuffle(const Graph& g, ValueId v) {
  const Node* joined = producer(g, v, Op::reshape);
  const Node* moved = joined ? producer(g, joined->inputs[0], Op::transpose) : nullptr;
  if (!moved || !is_float(g.values[v].type)) return std::nullopt;
  const ValueId split = moved->inputs[0];
  const std::vector<Expr>&dims = g.values[split].dims, &to = g.values[v].dims;
  const auto& perm = moved->attrs.get<Attr::perm>();
  if (dims.size() < 4 || to.size() + 1 != dims.size()) return std::nullopt;
  for (size_t d = 0; d < perm.size(); ++d) {
    const size_t from = d == kChannel ? kChannel + 1 : d == kChannel + 1 ? kChannel : d;
    if (perm[d] != static_cast<int64_t>(from)) return std::nullopt;
    if (d != kChannel && d != kChannel + 1 && dims[d] != to[d < kChannel ? d : d - 1]) return std::nullopt;
  }
  const auto groups = g.pool.as_int(dims[kChannel]), each = g.pool.as_int(dims[kChannel + 1]);
  if (!groups || !each || *groups * *each <= 1 || !g.pool.is_index(to[kChannel], *groups * *each)) return std::nullopt;
  if (const Node* whole = producer(g, split, Op::reshape); whole && g.values[whole->inputs[0]].dims == to)
    return Shuffle{whole->inputs[0], false, *groups, *each};
  return Shuffle{split, true, *groups, *each};
}

bool all_constant(const Graph& g, const Node& n, size_t except) {
  for (size_t k = 0; k < n.inputs.size(); ++k)
    if (k != except && (!n.inputs[k].valid() || !g.constant(n.inputs[k]))) return false;
  return true;
}

bool sums_channels(const Graph& g, const Node& n) {
  return n.op == Op::conv && n.inputs.size() == 2 && all_constant(g, n, 0) && n.attrs.get_or<Attr::groups>(1) == 1;
}

// Of the channels of its operand `at` each makes one of the result.
bool keeps_channels(const Graph& g, const Node& n, size_t at) {
  if (n.outputs.size() != 1 || !all_constant(g, n, at)) return false;
  const std::vector<Expr>&from = g.values[n.inputs[at]].dims, &to = g.values[n.outputs[0]].dims;
  if (n.op == Op::conv) {
    const std::vector<Expr>& w = g.values[n.inputs[1]].dims;
    return at == 0 && n.inputs.size() == 2 && g.pool.is_index(from[kChannel], n.attrs.get_or<Attr::groups>(1)) && w[0] == from[kChannel];
  }
  return is_pointwise(n.op) && from == to;
}

// A slice of whole groups: where it begins and how many channels it takes of each.
std::optional<std::pair<int64_t, int64_t>> taken(const Graph& g, const Node& n, int64_t groups) {
  if (n.op != Op::slice) return std::nullopt;
  const std::vector<Expr>&starts = n.attrs.get<Attr::starts>(), &dims = n.attrs.get<Attr::dims>(), &from = g.values[n.inputs[0]].dims;
  const std::vector<int64_t>& steps = n.attrs.get<Attr::steps>();
  for (size_t d = 0; d < dims.size(); ++d)
    if (d != kChannel && dims[d] != from[d]) return std::nullopt;
  const auto begin = g.pool.as_int(starts[kChannel]), count = g.pool.as_int(dims[kChannel]);
  if (!begin || !count || *count == 0 || steps[kChannel] != 1 || *begin % groups != 0 || *count % groups != 0) return std::nullopt;
  return std::pair{*begin / groups, *count / groups};
}

class Absorber {
 public:
  explicit Absorber(const Graph& graph) : users_(graph.users()), removable_(graph.values.size()) {
    for (size_t v = 0; v < graph.values.size(); ++v)
      if (const auto shuffle = match_shuffle(graph, ValueId(v))) removable_[v] = absorbed(graph, ValueId(v), shuffle->groups);
  }

  Result<std::vector<ValueId>> operator()(Graph& g, const Node& n) {
    for (size_t at = 0; at < n.inputs.size(); ++at) {
      const ValueId v = n.inputs[at];
      if (!v.valid() || (static_cast<size_t>(v.index) < removable_.size() && !removable_[static_cast<size_t>(v.index)])) continue;
      const auto shuffle = match_shuffle(g, v);
      if (!shuffle) continue;
      if (at == 0 && sums_channels(g, n)) return reordered(g, n, *shuffle);
      if (keeps_channels(g, n, at)) return handed_on(g, n, at, *shuffle);
      if (const auto part = taken(g, n, shuffle->groups)) return part_of_each(g, n, *shuffle, part->first, part->second);
    }
    return std::vector<ValueId>{};
  }

 private:
  // Whether all that reads v can.
  bool absorbed(const Graph& g, ValueId v, int64_t groups) const {
    if (std::ranges::find(g.outputs, v) != g.outputs.end()) return false;
    return std::ranges::all_of(users_[static_cast<size_t>(v.index)], [&](int u) {
      const Node& n = g.nodes[static_cast<size_t>(u)];
      if (std::ranges::count(n.inputs, v) != 1) return false;
      const auto at = static_cast<size_t>(std::ranges::find(n.inputs, v) - n.inputs.begin());
      if (at == 0 && sums_channels(g, n)) return true;
      if (keeps_channels(g, n, at)) return absorbed(g, n.outputs[0], groups);
      return taken(g, n, groups).has_value();
    });
  }

  // The channels as one dim, in the order in which they were made.
  static Result<ValueId> unshuffled(Graph& g, const Node& n, const Shuffle& s) {
    if (!s.apart) return s.from;
    return make(g, n, Op::reshape, {s.from}, Attrs().set<Attr::dims>(joined_dims(g, s)));
  }

  static std::vector<Expr> joined_dims(Graph& g, const Shuffle& s) {
    std::vector<Expr> dims = g.values[s.from].dims;
    if (!s.apart) return dims;
    dims.erase(dims.begin() + kChannel);
    dims[kChannel] = g.pool.index(s.groups * s.each);
    return dims;
  }

  static Result<ValueId> shuffled(Graph& g, const Node& n, ValueId apart, std::vector<Expr> dims) {
    std::vector<int64_t> perm(g.values[apart].dims.size());
    for (size_t d = 0; d < perm.size(); ++d) perm[d] = static_cast<int64_t>(d);
    std::swap(perm[kChannel], perm[kChannel + 1]);
    TENON_TRY(ValueId moved, make(g, n, Op::transpose, {apart}, Attrs().set<Attr::perm>(perm)));
    return make(g, n, Op::reshape, {moved}, Attrs().set<Attr::dims>(std::move(dims)));
  }

  static Result<ValueId> split(Graph& g, const Node& n, ValueId v, const Shuffle& s) {
    std::vector<Expr> dims = g.values[v].dims;
    dims[kChannel] = g.pool.index(s.each);
    dims.insert(dims.begin() + kChannel, g.pool.index(s.groups));
    return make(g, n, Op::reshape, {v}, Attrs().set<Attr::dims>(dims));
  }

  static Result<std::vector<ValueId>> reordered(Graph& g, const Node& n, const Shuffle& s) {
    TENON_TRY(ValueId x, unshuffled(g, n, s));
    TENON_TRY(ValueId w, exchanged(g, n, n.inputs[1], kChannel, s.each, s.groups));
    TENON_TRY(ValueId y, make(g, n, n.op, {x, w}, n.attrs));
    return std::vector{y};
  }

  static Result<std::vector<ValueId>> handed_on(Graph& g, const Node& n, size_t at, const Shuffle& s) {
    const size_t rank = g.values[n.outputs[0]].dims.size();
    std::vector<ValueId> inputs = n.inputs;
    for (size_t k = 0; k < inputs.size(); ++k) {
      const size_t shorter = rank - g.values[inputs[k]].dims.size();  // dims are aligned at the end
      const bool weights = n.op == Op::conv;
      if (k == at) {
        TENON_TRY(inputs[k], unshuffled(g, n, s));
      } else if (weights || shorter <= kChannel) {
        TENON_TRY(inputs[k], exchanged(g, n, inputs[k], weights ? 0 : kChannel - shorter, s.each, s.groups));
      }
    }
    TENON_TRY(ValueId y, make(g, n, n.op, inputs, n.attrs));
    TENON_TRY(ValueId apart, split(g, n, y, s));
    TENON_TRY(ValueId out, shuffled(g, n, apart, g.values[y].dims));
    return std::vector{out};
  }

  static Result<std::vector<ValueId>> part_of_each(Graph& g, const Node& n, const Shuffle& s, int64_t begin, int64_t count) {
    ValueId apart = s.from;
    if (!s.apart) {
      TENON_TRY(apart, split(g, n, s.from, s));
    }
    std::vector<Expr> dims = g.values[apart].dims, starts(dims.size(), g.pool.index(0));
    starts[kChannel + 1] = g.pool.index(begin);
    dims[kChannel + 1] = g.pool.index(count);
    Attrs attrs;
    attrs.set<Attr::dims>(dims).set<Attr::starts>(starts).set<Attr::steps>(std::vector<int64_t>(dims.size(), 1));
    TENON_TRY(ValueId part, make(g, n, Op::slice, {apart}, attrs));
    TENON_TRY(ValueId out, shuffled(g, n, part, g.values[n.outputs[0]].dims));
    return std::vector{out};
  }

  std::vector<std::vector<int>> users_;
  std::vector<bool> removable_;  // by value; those that are made here all are
};

}  // namespace

Result<Graph> absorb_shuffles(Graph graph) {
  Absorber absorber(graph);
  return rewrite(std::move(graph), [&](Graph& g, const Node& n) { return absorber(g, n); });
}

}  // namespace tenon
