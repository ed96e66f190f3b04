#include "random_graph.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace tenon::properties {

namespace {

constexpr int64_t kMaxExtent = 4;  // of a symbol

class Maker {
 public:
  Maker(const std::vector<uint8_t>& bytes, Values values) : bytes_(bytes), values_(values) {}

  Graph run() {
    g_.name = "random";
    for (const char* name : {"N", "M"}) g_.pool.var(g_.pool.symbol(name)).lo = 1;
    for (int inputs = 1 + pick(2); inputs-- > 0;) input();
    const int most = values_ == Values::Smooth ? kSmoothNodes : 24;
    while (at_ < bytes_.size() && static_cast<int>(g_.nodes.size()) < most - 3) step();
    for (int outputs = 1 + pick(2); outputs-- > 0;) {
      ValueId v = made_.empty() ? node(Op::neg, {any()}) : made_[static_cast<size_t>(pick(static_cast<int>(made_.size())))];
      if (v.valid() && !std::ranges::count(g_.outputs, v)) g_.outputs.push_back(v);
    }
    return std::move(g_);
  }

 private:
  int pick(int n) { return at_ < bytes_.size() ? bytes_[at_++] % n : 0; }
  template <class T>
  T one_of(std::initializer_list<T> list) {
    return list.begin()[pick(static_cast<int>(list.size()))];
  }
  DType real() const { return values_ == Values::Quantized ? DType::U8 : DType::F32; }

  Expr extent() {
    if (pick(3) == 0) return g_.pool.symbol(one_of({"N", "M"}));
    return g_.pool.index(one_of<int64_t>({4, 1, 2, 3}));
  }
  void input() {
    std::vector<Expr> dims;
    for (int rank = 1 + pick(3); rank-- > 0;) dims.push_back(extent());
    g_.inputs.push_back(g_.add_value("x", real(), dims));
  }

  const Value& value(ValueId v) const { return g_.values[v]; }
  size_t rank(ValueId v) const { return value(v).dims.size(); }
  std::optional<int64_t> known(ValueId v, size_t d) const { return g_.pool.as_int(value(v).dims[d]); }

  // An input, or one of what was made; late ones more often. All are of type real().
  ValueId any() {
    std::vector<ValueId> from = g_.inputs;
    for (ValueId v : made_)
      if (value(v).type == real()) from.push_back(v);
    return from[from.size() - 1 - static_cast<size_t>(pick(static_cast<int>(std::min<size_t>(from.size(), 4))))];
  }

  double element() {
    switch (values_) {
      case Values::Exact: return one_of<double>({1, 0, -1, 2, 0.5, 3});
      case Values::Smooth: return one_of<double>({1, 0, -1, 0.5, 0.25, -0.75});
      case Values::Quantized: return one_of<double>({1, 0, 2, 3, 5, 7});
    }
    return 0;
  }
  ValueId constant(DType type, const std::vector<int64_t>& dims) {
    Tensor t = Tensor::zeros(type, dims);
    for (double& x : t.f) x = element();
    for (int64_t& x : t.i) x = static_cast<int64_t>(element());
    return g_.add_constant("c", {.type = type, .dims = dims, .bytes = Bytes::copy_of(encode(t))});
  }
  ValueId number(double x, DType type = DType::F32) {
    Tensor t = Tensor::zeros(type, {});
    std::ranges::fill(t.f, x);
    std::ranges::fill(t.i, static_cast<int64_t>(x));
    return g_.add_constant("c", {.type = type, .dims = {}, .bytes = Bytes::copy_of(encode(t))});
  }
  // Broadcasts against v: a scalar, or one number per index of the last dim.
  ValueId beside(ValueId v, DType type) {
    auto last = rank(v) > 0 ? known(v, rank(v) - 1) : std::nullopt;
    return last && pick(2) ? constant(type, {*last}) : constant(type, {});
  }

  // Nodes that do not fit are not made: the result is invalid.
  ValueId node(Op op, std::vector<ValueId> inputs, Attrs attrs = {}) {
    if (std::ranges::any_of(inputs, [](ValueId v) { return !v.valid(); })) return {};
    auto out = add_node(g_, {.op = op, .inputs = std::move(inputs), .outputs = {}, .attrs = std::move(attrs)});
    return out ? *out : ValueId{};
  }
  // Small tensors only: concatenations double.
  void keep(ValueId v) {
    if (!v.valid()) return;
    int64_t elements = 1;
    const ExprPool::Bindings bound{{g_.pool.symbol("N"), kMaxExtent}, {g_.pool.symbol("M"), kMaxExtent}};
    for (Expr d : value(v).dims) elements *= g_.pool.evaluate(d, bound).value_or(1);
    if (elements <= 4096) made_.push_back(v);
  }

  void step() {
    if (pick(2)) return movement(any());
    switch (values_) {
      case Values::Exact: return exact(any());
      case Values::Smooth: return smooth(any());
      case Values::Quantized: return quantized(any());
    }
  }

  // Another value of the same dims, else a constant.
  ValueId partner(ValueId v) {
    ValueId other = any();
    return value(other).dims == value(v).dims ? other : beside(v, value(v).type);
  }

  void exact(ValueId v) {
    switch (pick(8)) {
      case 0: return keep(node(one_of({Op::add, Op::sub, Op::max, Op::min}), {v, partner(v)}));
      case 1: return keep(node(one_of({Op::mul, Op::div}), {v, number(one_of<double>({1, 2, -1, 0.5}))}));
      case 2: return keep(node(one_of({Op::neg, Op::abs, Op::floor, Op::sign}), {v}));
      case 3: return keep(node(Op::mul, {node(Op::sign, {v}), beside(v, DType::F32)}));
      case 4: return keep(node(one_of({Op::reduce_max, Op::reduce_min}), {v}, reduction(v)));
      case 5: return keep(node(Op::cast, {node(Op::cast, {v}, Attrs().set<Attr::to>(DType::F64))}, Attrs().set<Attr::to>(DType::F32)));
      case 6: return keep(node(Op::select, {node(Op::less, {v, partner(v)}), v, node(Op::neg, {v})}));
      default: return product(node(Op::sign, {v}));
    }
  }

  void smooth(ValueId v) {
    switch (pick(6)) {
      case 0: return keep(node(one_of({Op::tanh, Op::sigmoid, Op::neg, Op::abs}), {v}));
      case 1: return keep(node(one_of({Op::max, Op::min}), {v, partner(v)}));
      case 2: return keep(node(Op::mul, {v, partner(v)}));
      case 3: return keep(node(Op::mul, {node(Op::add, {v, partner(v)}), number(0.5)}));
      case 4: return keep(node(Op::softmax, {v}, axis(v)));
      default: return keep(node(one_of({Op::reduce_max, Op::reduce_min}), {v}, reduction(v)));
    }
  }

  // dequantize -> something -> quantize, under scales that are powers of two.
  void quantized(ValueId v) {
    ValueId scale = number(one_of<double>({0.5, 0.25, 1})), zero = number(one_of<double>({0, 3, 128}), DType::U8);
    ValueId x = node(Op::dequantize, {v, scale, zero});
    switch (pick(4)) {
      case 0: x = node(Op::max, {x, number(0)}); break;
      case 1: x = node(Op::add, {x, number(one_of<double>({1, -2, 0.5}))}); break;
      case 2: x = matrix_product(x, node(Op::dequantize, {weights(x, DType::I8), number(0.25)})); break;
      default: break;
    }
    if (pick(2)) x = node(Op::transpose, {x}, permutation(x));
    keep(node(Op::quantize, {x, pick(2) ? scale : number(2), zero}));
  }

  // A product with a constant, and often what batch norm leaves behind it; powers of two keep it exact.
  void product(ValueId v) {
    ValueId y = matrix_product(v, weights(v, DType::F32));
    if (!y.valid()) return;
    const int64_t columns = *known(y, rank(y) - 1);
    auto powers = [&](std::initializer_list<double> from) {
      Tensor t = Tensor::zeros(DType::F32, {columns});
      for (double& x : t.f) x = one_of(from);
      return g_.add_constant("c", {.type = DType::F32, .dims = t.dims, .bytes = Bytes::copy_of(encode(t))});
    };
    if (pick(2)) y = node(Op::mul, {y, powers({1, 2, 0.5, -1})});
    if (pick(2)) y = node(Op::add, {y, powers({0, 1, -3})});
    keep(node(Op::sign, {y}));  // so that magnitudes stay small
    keep(y);
  }
  ValueId weights(ValueId v, DType type) {
    auto inner = v.valid() && rank(v) >= 2 ? known(v, rank(v) - 1) : std::nullopt;
    return inner ? constant(type, {*inner, one_of<int64_t>({2, 3, 1})}) : ValueId{};
  }
  ValueId matrix_product(ValueId v, ValueId w) { return w.valid() ? node(Op::dot, {v, w}) : ValueId{}; }

  Attrs axis(ValueId v) { return Attrs().set<Attr::axis>(pick(static_cast<int>(std::max<size_t>(1, rank(v))))); }
  Attrs reduction(ValueId v) {
    return Attrs().set<Attr::axes>({pick(static_cast<int>(std::max<size_t>(1, rank(v))))}).set<Attr::keep_dims>(pick(2));
  }
  Attrs permutation(ValueId v) {
    std::vector<int64_t> perm;
    for (size_t d = 0; v.valid() && d < rank(v); ++d) perm.insert(perm.begin() + pick(static_cast<int>(d) + 1), static_cast<int64_t>(d));
    return Attrs().set<Attr::perm>(perm);
  }

  void movement(ValueId v) {
    ExprPool& p = g_.pool;
    switch (pick(7)) {
      case 0: return keep(node(Op::transpose, {v}, permutation(v)));
      case 1: {  // two dims become one
        std::vector<Expr> dims = value(v).dims;
        if (dims.size() < 2) dims.push_back(p.index(1));
        else dims[1] = p.mul(dims[0], dims[1]), dims.erase(dims.begin());
        return keep(node(Op::reshape, {v}, Attrs().set<Attr::dims>(dims)));
      }
      case 2: {
        std::vector<Expr> dims = value(v).dims;
        dims.insert(dims.begin(), p.index(one_of<int64_t>({2, 1})));
        if (dims.size() > 4) return;
        return keep(node(Op::broadcast, {v}, Attrs().set<Attr::dims>(dims)));
      }
      case 3: return keep(node(Op::concat, {v, pick(2) ? v : partner_of_dims(v)}, axis(v)));
      case 4: {  // reversed, or without the first element, along one dim
        std::vector<Expr> starts(rank(v), p.index(0)), dims = value(v).dims;
        std::vector<int64_t> steps(rank(v), 1);
        if (dims.empty()) return;
        const auto d = static_cast<size_t>(pick(static_cast<int>(rank(v))));
        if (pick(2)) starts[d] = p.sub(dims[d], p.index(1)), steps[d] = -1;
        else if (known(v, d).value_or(1) > 1) starts[d] = p.index(1), dims[d] = p.sub(dims[d], p.index(1));
        return keep(node(Op::slice, {v}, Attrs().set<Attr::starts>(starts).set<Attr::steps>(steps).set<Attr::dims>(dims)));
      }
      case 5: {
        std::vector<Expr> begin(rank(v), p.index(0)), end = begin;
        if (begin.empty()) return;
        (pick(2) ? begin : end)[static_cast<size_t>(pick(static_cast<int>(rank(v))))] = p.index(pick(2));
        return keep(node(Op::pad, {v}, Attrs().set<Attr::pads_begin>(begin).set<Attr::pads_end>(end).set<Attr::mode>("constant")));
      }
      default: return keep(node(value(v).type == DType::F32 ? Op::neg : Op::max, value(v).type == DType::F32 ? std::vector{v} : std::vector{v, v}));
    }
  }
  ValueId partner_of_dims(ValueId v) {
    ValueId other = any();
    if (value(other).dims == value(v).dims) return other;
    std::vector<int64_t> dims;
    for (size_t d = 0; d < rank(v); ++d) {
      if (!known(v, d)) return v;
      dims.push_back(*known(v, d));
    }
    return constant(value(v).type, dims);
  }

  const std::vector<uint8_t>& bytes_;
  size_t at_ = 0;
  Values values_;
  Graph g_;
  std::vector<ValueId> made_;
};

}  // namespace

Graph random_graph(const std::vector<uint8_t>& bytes, Values values) { return Maker(bytes, values).run(); }

Binding random_binding(const Graph& graph, Values values, unsigned seed) {
  std::mt19937 random(seed);
  Binding binding;
  ExprPool::Bindings bound;
  for (const char* name : {"N", "M"}) {
    binding.dims[name] = 1 + static_cast<int64_t>(random() % kMaxExtent);
    if (Expr s = graph.pool.symbol_named(name); s.valid()) bound[s] = binding.dims[name];
  }
  for (ValueId v : graph.inputs) {
    std::vector<int64_t> dims;
    for (Expr d : graph.values[v].dims) dims.push_back(*graph.pool.evaluate(d, bound));
    Tensor t = Tensor::zeros(graph.values[v].type, dims);
    for (double& x : t.f)
      x = values == Values::Exact ? static_cast<double>(random() % 9) - 4 : static_cast<double>(random() % 4097) / 2048 - 1;
    for (int64_t& x : t.i) x = static_cast<int64_t>(random() % 256);
    binding.inputs.push_back(std::move(t));
  }
  return binding;
}

double difference(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  constexpr double kOther = std::numeric_limits<double>::infinity();
  if (a.size() != b.size()) return kOther;
  double worst = 0;
  for (size_t k = 0; k < a.size(); ++k) {
    if (a[k].type != b[k].type || a[k].dims != b[k].dims) return kOther;
    for (size_t i = 0; i < a[k].f.size(); ++i) {
      const double x = a[k].f[i], y = b[k].f[i];
      if (x == y || (std::isnan(x) && std::isnan(y))) continue;
      worst = std::isfinite(x) && std::isfinite(y) ? std::max(worst, std::abs(x - y)) : kOther;
    }
    for (size_t i = 0; i < a[k].i.size(); ++i) worst = std::max(worst, static_cast<double>(std::abs(a[k].i[i] - b[k].i[i])));
  }
  return worst;
}

}  // namespace tenon::properties
