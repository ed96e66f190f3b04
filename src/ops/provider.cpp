// Which regions are one call into oneDNN, and what that call is. The rules of the library: one convolution or matmul, then
// operations on the accumulated result one after another, each of it alone or of it and one more tensor.
#include "tenon/provider.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <numbers>
#include <numeric>
#include <set>

#include "tenon/onednn_words.h"
#include "tenon/ops.h"

namespace tenon {

namespace {

// A tensor as oneDNN is told of it.
struct Strided {
  std::vector<int64_t> dims, strides;
  // Row-major; where an extent is 1, its stride does not matter.
  bool dense() const {
    int64_t step = 1;
    for (size_t d = dims.size(); d-- > 0; step *= dims[d])
      if (dims[d] > 1 && strides[d] != step) return false;
    return true;
  }
};

struct Post {
  int64_t algorithm = 0;
  float alpha = 0, beta = 0;
  ValueId operand = {};  // of a binary one
};

class Matcher {
 public:
  Matcher(const Graph& graph, const RegionPlan& plan) : g_(graph), plan_(plan), nodes_(plan.nodes.begin(), plan.nodes.end()) {}

  Result<ProviderCall> run() {
    TENON_DO(find_contraction());
    if (plan_.precision != DType::F32) return refuse("rounds its operands to another precision");
    const Node& last = node(plan_.nodes.back());
    if (last.outputs.size() != 1) return refuse("has several results");
    end_ = last.outputs[0];
    for (auto [value, placement] : plan_.placed) {
      if (placement == Placement::Attached) return refuse("attaches " + name(value) + " to a loop");
      if (placement == Placement::Root && value != end_) return refuse("keeps " + name(value) + ", which is on the way to its result");
    }
    TENON_DO(epilogue(end_));
    if (posts_.size() > TN_MOST_POSTS) return refuse("does more than " + std::to_string(TN_MOST_POSTS) + " operations on the product");
    Result<ProviderCall> call = contraction().op == Op::conv ? convolution() : matmul();
    if (call && used_.size() != nodes_.size()) return refuse("computes more than a product and what follows it");
    return call;
  }

 private:
  std::string name(ValueId v) const { return '%' + g_.values[v].name; }
  std::unexpected<Diags> refuse(const std::string& why) const {
    return fail(Code::E0403, "region " + plan_.name + " cannot be oneDNN's: it " + why, "remove its line `provider onednn`");
  }
  const Node& node(int n) const { return g_.nodes[static_cast<size_t>(n)]; }
  const Node& contraction() const { return node(contraction_); }
  // The node of the region that makes a value, or none.
  const Node* maker(ValueId v) const {
    const NodeId def = g_.values[v].def;
    return def.valid() && nodes_.contains(static_cast<int>(def.index)) ? &node(static_cast<int>(def.index)) : nullptr;
  }
  void use(ValueId v) { used_.insert(static_cast<int>(g_.values[v].def.index)); }

  Result<void> find_contraction() {
    for (int n : plan_.nodes) {
      if (definition(node(n).op).kind != OpKind::Contraction) continue;
      if (contraction_ >= 0) return refuse("holds more than one product");
      contraction_ = n;
    }
    if (contraction_ < 0 || contraction().op == Op::conv_transpose) return refuse("holds no convolution or matmul");
    return {};
  }

  bool depends(ValueId v) const {
    if (v == contraction().outputs[0]) return true;
    const Node* made = maker(v);
    return made && std::ranges::any_of(made->inputs, [&](ValueId in) { return in.valid() && depends(in); });
  }

  std::optional<float> number(ValueId v) const {
    const Constant* c = g_.constant(v);
    if (!c || c->type != DType::F32 || (!c->splat && c->count() != 1)) return std::nullopt;
    return static_cast<float>(tensor_of(*c).f[0]);
  }
  bool is(ValueId v, double wanted) const {
    const auto value = number(v);
    return value && std::abs(*value - wanted) <= 1e-6 * wanted;
  }

  // --- what follows the product -----------------------------------------------------------------------

  Result<void> epilogue(ValueId v) {
    if (v == contraction().outputs[0]) {
      use(v);
      return {};
    }
    const Node* made = maker(v);
    if (!made) return refuse("does not lead from its product to its result");
    if (auto x = activation_of(v)) return then(*x);
    use(v);
    auto eltwise = [&](int64_t algorithm, float alpha = 0, float beta = 0) -> Result<void> {
      TENON_DO(epilogue(made->inputs[0]));
      posts_.push_back({algorithm, alpha, beta});
      return {};
    };
    switch (made->op) {
      case Op::sigmoid: return eltwise(TN_ELTWISE_LOGISTIC);
      case Op::tanh: return eltwise(TN_ELTWISE_TANH);
      case Op::neg: return eltwise(TN_ELTWISE_LINEAR, -1);
      case Op::add: case Op::mul: case Op::sub: case Op::div: case Op::max: case Op::min: return binary(*made);
      default: return refuse("has " + std::string(definition(made->op).name) + " after its product, which is none of oneDNN's post-operations here");
    }
  }

  Result<void> binary(const Node& made) {
    ValueId product = made.inputs[0], other = made.inputs[1];
    const bool swaps = made.op != Op::sub && made.op != Op::div;
    if (swaps && !depends(product)) std::swap(product, other);
    if (!depends(product) || depends(other)) return refuse("has " + std::string(definition(made.op).name) + " of two parts of its product");
    TENON_DO(epilogue(product));
    const auto c = number(other);
    switch (made.op) {
      case Op::add: return add(other);
      case Op::mul:
        if (c) posts_.push_back({TN_ELTWISE_LINEAR, *c, 0});
        else posts_.push_back({TN_BINARY_MUL, 0, 0, other});
        break;
      case Op::div:
        posts_.push_back({TN_BINARY_DIV, 0, 0, other});
        break;
      case Op::sub:
        posts_.push_back({TN_BINARY_SUB, 0, 0, other});
        break;
      default:
        if (!c) return refuse("bounds its product by a tensor");
        clip(made.op == Op::max, *c);
    }
    return {};
  }

  // max(x, 0) is a ReLU; bounds that follow one another are one.
  void clip(bool below, float bound) {
    if (below && bound == 0) posts_.push_back({TN_ELTWISE_RELU});
    else if (!below && !posts_.empty() && posts_.back().algorithm == TN_ELTWISE_RELU && bound >= 0) posts_.back() = {TN_ELTWISE_CLIP, 0, bound};
    else posts_.push_back({TN_ELTWISE_CLIP, below ? bound : -INFINITY, below ? INFINITY : bound});
  }

  // A sum that the region makes of other things is added term by term.
  Result<void> add(ValueId other) {
    if (const Node* made = maker(other); made && made->op != Op::reshape) {
      if (made->op != Op::add) return refuse("computes " + name(other) + " beside its product");
      use(other);
      TENON_DO(add(made->inputs[0]));
      return add(made->inputs[1]);
    }
    if (const auto c = number(other)) posts_.push_back({TN_ELTWISE_LINEAR, 1, *c});
    else posts_.push_back({TN_BINARY_ADD, 0, 0, other});
    return {};
  }

  // --- activations that read their operand twice --------------------------------------------------------

  struct Activation {
    ValueId of;
    int64_t algorithm;
    float alpha;
    std::vector<ValueId> made;
  };

  Result<void> then(const Activation& activation) {
    for (ValueId v : activation.made) use(v);
    TENON_DO(epilogue(activation.of));
    posts_.push_back({activation.algorithm, activation.alpha});
    return {};
  }

  std::optional<Activation> activation_of(ValueId v) const {
    const Node* made = maker(v);
    if (!made || made->op != Op::mul) return std::nullopt;
    for (int side : {0, 1}) {
      const Node* gate = maker(made->inputs[static_cast<size_t>(side)]);
      if (gate && gate->op == Op::sigmoid && gate->inputs[0] == made->inputs[static_cast<size_t>(1 - side)])
        return Activation{gate->inputs[0], TN_ELTWISE_SWISH, 1, {v, gate->outputs[0]}};
    }
    return gelu(v);
  }

  // x * (1 + erf(x / sqrt 2)) * 0.5, multiplied in any order.
  std::optional<Activation> gelu(ValueId v) const {
    std::vector<ValueId> factors, made;
    auto flatten = [&](auto& self, ValueId f, ValueId leaf) -> void {
      const Node* n = maker(f);
      if (f == leaf || !n || n->op != Op::mul) return factors.push_back(f);
      made.push_back(f);
      self(self, n->inputs[0], leaf);
      self(self, n->inputs[1], leaf);
    };
    flatten(flatten, v, {});
    for (ValueId factor : factors) {
      std::vector<ValueId> inside;
      const ValueId x = gelu_operand(factor, inside);
      if (!x.valid()) continue;
      factors.clear(), made.clear();
      flatten(flatten, v, x);
      double scale = 1;
      int operands = 0, gates = 0;
      for (ValueId f : factors) {
        if (f == x) ++operands;
        else if (f == factor) ++gates;
        else if (const auto c = number(f)) scale *= *c;
        else return std::nullopt;
      }
      if (operands != 1 || gates != 1 || std::abs(scale - 0.5) > 1e-6) return std::nullopt;
      made.insert(made.end(), inside.begin(), inside.end());
      return Activation{x, TN_ELTWISE_GELU_ERF, 0, made};
    }
    return std::nullopt;
  }

  // The x of 1 + erf(x / sqrt 2), or invalid.
  ValueId gelu_operand(ValueId factor, std::vector<ValueId>& inside) const {
    const Node* sum = maker(factor);
    if (!sum || sum->op != Op::add) return {};
    const int side = is(sum->inputs[0], 1) ? 1 : 0;
    const Node* erf = maker(sum->inputs[static_cast<size_t>(side)]);
    if (!is(sum->inputs[static_cast<size_t>(1 - side)], 1) || !erf || erf->op != Op::erf) return {};
    const Node* scaled = maker(erf->inputs[0]);
    if (!scaled) return {};
    inside = {factor, erf->outputs[0], scaled->outputs[0]};
    if (scaled->op == Op::div && is(scaled->inputs[1], std::numbers::sqrt2)) return scaled->inputs[0];
    if (scaled->op != Op::mul) return {};
    if (is(scaled->inputs[1], std::numbers::sqrt2 / 2)) return scaled->inputs[0];
    return is(scaled->inputs[0], std::numbers::sqrt2 / 2) ? scaled->inputs[1] : ValueId{};
  }

  // --- tensors ------------------------------------------------------------------------------------------

  // Another shape of what lies there row-major.
  Result<Strided> reshaped(ValueId v, const Node& reshape) {
    TENON_TRY(const Strided source, tensor(reshape.inputs[0]));
    if (!source.dense()) return refuse("reads " + name(v) + ", a reshape of what does not lie in its order");
    use(v);
    Strided t;
    int64_t step = 1;
    for (size_t d = g_.values[v].dims.size(); d-- > 0; step *= t.dims.front()) {
      t.dims.insert(t.dims.begin(), *g_.pool.as_int(g_.values[v].dims[d]));
      t.strides.insert(t.strides.begin(), step);
    }
    return t;
  }
  // What an operand is a reshape of.
  ValueId memory_of(ValueId v) const {
    for (const Node* made = maker(v); made && v != end_; made = maker(v)) v = made->inputs[0];
    return v;
  }

  Result<Strided> tensor(ValueId v) {
    const Value& value = g_.values[v];
    if (const Node* made = maker(v); made && made->op == Op::reshape) return reshaped(v, *made);
    if (maker(v) && v != end_) return refuse("computes " + name(v) + ", which its product reads");
    if (value.type != DType::F32) return refuse("uses " + name(v) + " of " + std::string(spelling(value.type)) + "; only f32 goes there");
    Strided t;
    for (Expr d : value.dims) {
      const auto extent = g_.pool.as_int(d);
      if (!extent || *extent < 1) return refuse("uses " + name(v) + ", whose shape is not known when weights are bound or is empty; give every --dim a value");
      t.dims.push_back(*extent);
    }
    if (t.dims.size() > TN_MOST_RANK) return refuse("uses " + name(v) + " of more than " + std::to_string(TN_MOST_RANK) + " dims");
    std::vector<LayoutPart> parts = value.layout.parts;
    if (parts.empty())
      for (size_t d = 0; d < t.dims.size(); ++d) parts.push_back({static_cast<int>(d), 1, 0});
    const bool plain = value.layout.halos.empty() && value.layout.capacities.empty() && value.layout.within.empty() &&
                       std::ranges::all_of(parts, [](const LayoutPart& p) { return p.divide == 1 && p.modulo == 0; });
    if (!plain)
      return refuse("uses " + name(v) + " in the layout \"" + print(value.layout) + "\"; without margins, blocks, room to grow and being part of another value it could");
    t.strides.resize(t.dims.size());
    int64_t step = 1;
    for (size_t k = parts.size(); k-- > 0;) {
      const auto d = static_cast<size_t>(parts[k].dim);
      t.strides[d] = step;
      step *= t.dims[d];
    }
    return t;
  }

  // Dims are aligned at their ends, as in NumPy.
  static Strided aligned(Strided t, size_t rank) {
    while (t.dims.size() < rank) {
      t.strides.insert(t.strides.begin(), t.dims.empty() ? 1 : t.dims[0] * t.strides[0]);
      t.dims.insert(t.dims.begin(), 1);
    }
    return t;
  }

  // The tensors of binary post-operations: whole, or one number per channel.
  Result<void> read_posts(const Strided& out, size_t channel, std::vector<Strided>& tensors) {
    for (size_t k = 0; k < posts_.size(); ++k) {
      Post& post = posts_[k];
      if (!post.operand.valid()) continue;
      TENON_TRY(Strided t, tensor(post.operand));
      t = aligned(std::move(t), out.dims.size());
      bool whole = true, per_channel = true;
      for (size_t d = 0; d < t.dims.size(); ++d) {
        whole &= t.dims[d] == out.dims[d];
        per_channel &= t.dims[d] == (d == channel ? out.dims[d] : 1);
      }
      if (!whole && !per_channel) return refuse("combines its product with " + name(post.operand) + ", which is neither of its shape nor one number per channel");
      tensors.push_back(std::move(t));
      operands_.push_back(memory_of(post.operand));
      if (k == 0 && post.algorithm == TN_BINARY_ADD && per_channel && g_.constant(post.operand)) bias_ = true;
    }
    if (bias_) posts_.erase(posts_.begin());
    return {};
  }

  ProviderCall finish(int64_t kind, int64_t groups, std::vector<int64_t> windows, const std::vector<Strided>& tensors, std::string work_class) {
    ProviderCall call{.operands = std::move(operands_), .words = {kind, static_cast<int64_t>(tensors[0].dims.size()), bias_, groups, static_cast<int64_t>(posts_.size())},
                      .work_class = std::move(work_class)};
    call.operands.push_back(end_);
    call.words.insert(call.words.end(), windows.begin(), windows.end());
    for (const Post& post : posts_)
      call.words.insert(call.words.end(), {post.algorithm, std::bit_cast<int32_t>(post.alpha), std::bit_cast<int32_t>(post.beta)});
    for (const Strided& t : tensors) {
      call.words.insert(call.words.end(), t.dims.begin(), t.dims.end());
      call.words.insert(call.words.end(), t.strides.begin(), t.strides.end());
    }
    return call;
  }

  Result<ProviderCall> convolution() {
    const Node& conv = contraction();
    if (conv.inputs.size() > 2 && conv.inputs[2].valid()) return refuse("pads with something else than zero");
    if (!g_.constant(conv.inputs[1])) return refuse("has weights that are not constant");
    TENON_TRY(Strided x, tensor(conv.inputs[0]));
    TENON_TRY(Strided w, tensor(conv.inputs[1]));
    TENON_TRY(Strided y, tensor(end_));
    operands_ = {memory_of(conv.inputs[0]), conv.inputs[1]};
    const size_t spatial = x.dims.size() - 2;
    const int64_t groups = conv.attrs.get_or<Attr::groups>(1);
    std::vector<int64_t> windows;
    for (const auto& steps : {conv.attrs.get_or<Attr::strides>({}), conv.attrs.get_or<Attr::dilations>({})})
      for (size_t d = 0; d < spatial; ++d) windows.push_back(steps.empty() ? 1 : steps[d]);
    for (const auto& pads : {conv.attrs.get_or<Attr::pads_begin>({}), conv.attrs.get_or<Attr::pads_end>({})})
      for (size_t d = 0; d < spatial; ++d) {
        const auto pad = pads.empty() ? std::optional<int64_t>(0) : g_.pool.as_int(pads[d]);
        if (!pad || *pad < 0) return refuse("has pads that are negative or not known");
        windows.push_back(*pad);
      }
    std::vector<Strided> tensors = {x, w};
    TENON_DO(read_posts(y, 1, tensors));
    tensors.push_back(y);
    const bool pointwise = std::all_of(w.dims.begin() + 2, w.dims.end(), [](int64_t k) { return k == 1; });
    constexpr int64_t kFewChannels = 4;
    const char* work = groups > 1 ? (w.dims[1] == 1 ? "depthwise" : "grouped") : x.dims[1] <= kFewChannels ? "stem" : pointwise ? "pointwise" : "spatial";
    return finish(TN_CONVOLUTION, groups, std::move(windows), tensors, work);
  }

  Result<ProviderCall> matmul() {
    const Node& dot = contraction();
    TENON_TRY(Strided a, tensor(dot.inputs[0]));
    TENON_TRY(Strided b, tensor(dot.inputs[1]));
    TENON_TRY(Strided y, tensor(end_));
    operands_ = {memory_of(dot.inputs[0]), memory_of(dot.inputs[1])};
    const size_t rank = y.dims.size();
    std::vector<Strided> tensors = {aligned(a, rank), aligned(b, rank)};
    TENON_DO(read_posts(y, rank - 1, tensors));
    tensors.push_back(y);
    // One matrix on the right: all rows on the left are one matrix, too.
    if (b.dims.size() == 2 && rank > 2 && a.dims.size() == rank) {
      std::vector<Strided> flat;
      for (const Strided& t : tensors) {
        const int64_t rows = std::accumulate(t.dims.begin(), t.dims.end() - 1, int64_t{1}, std::multiplies<>());
        if (t.dense()) flat.push_back({{rows, t.dims.back()}, {t.dims.back(), 1}});
      }
      if (flat.size() == tensors.size()) {
        flat[1] = b;
        tensors = std::move(flat);
      }
    }
    const std::vector<int64_t>& m = tensors.back().dims;
    constexpr int64_t kFewRows = 8;
    return finish(TN_MATMUL, 1, {}, tensors, m[m.size() - 2] <= kFewRows ? "gemv" : "matmul");
  }

  const Graph& g_;
  const RegionPlan& plan_;
  std::set<int> nodes_, used_;
  int contraction_ = -1;
  ValueId end_ = {};
  std::vector<Post> posts_;
  std::vector<ValueId> operands_;
  bool bias_ = false;
};

}  // namespace

Result<ProviderCall> onednn_call(const Graph& graph, const RegionPlan& region) { return Matcher(graph, region).run(); }

}  // namespace tenon
