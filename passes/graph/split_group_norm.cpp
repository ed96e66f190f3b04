// Does: a normalisation over the spatial dims of each channel, or of each group of channels (exported as
// reshape, normalise, reshape back), becomes sums per channel, small arithmetic between them, and one elementwise
// step. Why: channels are the innermost dim of what convolutions make; sums per channel walk that memory in order,
// the reshaped form does not. Two passes over x, as the composite makes: mean, then squares of the differences.
// Requires: spatial extents known, x made by a convolution. Cost: linear in the nodes between.
#include <algorithm>

#include "constants.h"

namespace tenon {

namespace {

class GroupNorm {
 public:
  GroupNorm(Graph& g, const Node& n) : g_(g), n_(n) {}

  Result<std::vector<ValueId>> split() {
    if (n_.op != Op::layer_norm || n_.attrs.get_or<Attr::mode>("mean") != "mean" || !match()) return {};
    const DType type = g_.values[x_].type;
    TENON_TRY(ValueId mean, mean_of(x_));
    TENON_TRY(ValueId centred, make(g_, n_, Op::sub, {x_, mean}));
    TENON_TRY(ValueId squares, make(g_, n_, Op::mul, {centred, centred}));
    TENON_TRY(ValueId variance, mean_of(squares));
    TENON_TRY(ValueId shifted, make(g_, n_, Op::add, {variance, add_number(g_, "epsilon", type, n_.attrs.get_or<Attr::epsilon>(1e-5))}));
    TENON_TRY(ValueId deviation, make(g_, n_, Op::sqrt, {shifted}));
    TENON_TRY(ValueId inverse, make(g_, n_, Op::div, {add_number(g_, "one", type, 1), deviation}));
    TENON_TRY(ValueId y, make(g_, n_, Op::mul, {centred, inverse}));
    // Scale and bias are of the node's own shape.
    TENON_TRY(y, reshape(y, g_.values[n_.outputs[0]].dims));
    if (n_.inputs.size() > 1 && n_.inputs[1].valid()) {
      TENON_TRY(y, make(g_, n_, Op::mul, {y, n_.inputs[1]}));
    }
    if (n_.inputs.size() > 2 && n_.inputs[2].valid()) {
      TENON_TRY(y, make(g_, n_, Op::add, {y, n_.inputs[2]}));
    }
    return std::vector{y};
  }

 private:
  // x_ [N,C,S...], and groups_ of its channels whose elements are normalised together.
  bool match() {
    ExprPool& p = g_.pool;
    const std::vector<Expr>& dims = g_.values[n_.inputs[0]].dims;
    std::vector<int64_t> inner;
    for (size_t d = 2; d < dims.size(); ++d) inner.push_back(static_cast<int64_t>(d));
    if (dims.size() < 3 || n_.attrs.get<Attr::axes>() != inner) return false;
    x_ = n_.inputs[0];
    if (const Node* reshaped = producer(g_, x_, Op::reshape); reshaped && g_.values[reshaped->inputs[0]].dims.size() >= 3)
      x_ = reshaped->inputs[0];
    const Value& x = g_.values[x_];
    if (!from_convolution(x_)) return false;
    if ((x.type != DType::F32 && x.type != DType::F64) || x.dims[0] != dims[0]) return false;
    auto channels = p.as_int(x.dims[1]), groups = p.as_int(dims[1]);
    if (!channels || !groups || *groups < 1 || *channels % *groups != 0) return false;
    Expr per_group = p.index(*channels / *groups);
    for (size_t d = 2; d < x.dims.size(); ++d) per_group = p.mul(per_group, x.dims[d]);
    Expr given = p.index(1);
    for (size_t d = 2; d < dims.size(); ++d) given = p.mul(given, dims[d]);
    auto count = p.as_int(per_group);
    if (!count || *count < 1 || given != per_group) return false;
    groups_ = *groups;
    per_group_ = *channels / *groups;
    count_ = *count;
    return true;
  }

  // Through elementwise nodes: what has channels innermost.
  bool from_convolution(ValueId v) const {
    for (const Node* n = producer(g_, v); n; n = producer(g_, n->inputs[0])) {
      if (n->op == Op::conv || n->op == Op::conv_transpose) return true;
      if (!is_pointwise(n->op) || n->inputs.empty() || g_.values[n->inputs[0]].dims != g_.values[v].dims) return false;
    }
    return false;
  }

  Result<ValueId> reshape(ValueId v, std::vector<Expr> dims) {
    if (g_.values[v].dims == dims) return v;
    Attrs attrs;
    attrs.set<Attr::dims>(std::move(dims));
    return make(g_, n_, Op::reshape, {v}, attrs);
  }

  Result<ValueId> sum(ValueId v, std::vector<int64_t> axes) {
    Attrs attrs;
    attrs.set<Attr::axes>(std::move(axes)).set<Attr::keep_dims>(1);
    return make(g_, n_, Op::reduce_sum, {v}, attrs);
  }

  // The mean over each group, as [N,C,1...].
  Result<ValueId> mean_of(ValueId v) {
    ExprPool& p = g_.pool;
    std::vector<int64_t> spatial;
    for (size_t d = 2; d < g_.values[v].dims.size(); ++d) spatial.push_back(static_cast<int64_t>(d));
    TENON_TRY(ValueId total, sum(v, spatial));
    const std::vector<Expr> per_channel = g_.values[total].dims;
    const std::vector<Expr> grouped{per_channel[0], p.index(groups_), p.index(per_group_)};
    if (per_group_ > 1) {
      TENON_TRY(total, reshape(total, grouped));
      TENON_TRY(total, sum(total, {2}));
    }
    ValueId count = add_number(g_, "count", g_.values[v].type, static_cast<double>(count_));
    TENON_TRY(ValueId mean, make(g_, n_, Op::div, {total, count}));
    if (per_group_ == 1) return mean;
    Attrs attrs;
    attrs.set<Attr::dims>(grouped);
    TENON_TRY(mean, make(g_, n_, Op::broadcast, {mean}, attrs));
    return reshape(mean, per_channel);
  }

  Graph& g_;
  const Node& n_;
  ValueId x_;
  int64_t groups_ = 1, per_group_ = 1, count_ = 1;
};

}  // namespace

Result<Graph> split_group_norm(Graph graph) {
  return rewrite(std::move(graph), [](Graph& g, const Node& n) { return GroupNorm(g, n).split(); });
}

}  // namespace tenon
