#include "quantized.h"

#include <algorithm>
#include <cmath>

#include "constants.h"

namespace tenon {

namespace {

// Sums of that many products of bytes fit into i32.
constexpr int64_t kMaxTerms = (int64_t{1} << 31) / (255 * 255);

// A dequantised operand of a product.
struct Operand {
  ValueId q;
  QuantParameters params;
};

std::optional<Operand> operand(const Graph& g, ValueId v) {
  const Node* dq = producer(g, v, Op::dequantize);
  auto params = dq ? parameters(g, *dq) : std::nullopt;
  if (!params || !is_integer(params->type) || bits(params->type) > 8 || g.values[v].type != DType::F32) return std::nullopt;
  return Operand{dq->inputs[0], std::move(*params)};
}

bool is_zero(int64_t z) { return z == 0; }

// Constant weights with their zero points subtracted, where that fits a byte.
bool recentre(Graph& g, Operand& w) {
  const Constant* c = g.constant(w.q);
  if (!c) return false;
  bool byte = bits(c->type) == 8;
  if (byte && std::ranges::all_of(w.params.zero, is_zero)) return true;
  Tensor t = tensor_of(*c);
  int64_t inner = 1;
  for (size_t d = static_cast<size_t>(w.params.axis + 1); w.params.axis >= 0 && d < t.dims.size(); ++d) inner *= t.dims[d];
  for (size_t k = 0; k < t.i.size(); ++k) {
    size_t channel = w.params.axis < 0 ? 0 : k / static_cast<size_t>(inner) % w.params.zero.size();
    t.i[k] -= w.params.zero[channel];
    if (t.i[k] < -128 || t.i[k] > 127) return false;
  }
  t.type = DType::I8;
  w.q = add_tensor(g, g.values[w.q].name, t);
  w.params.type = DType::I8;
  std::ranges::fill(w.params.zero, 0);
  return true;
}

// Sums of a constant over axes, which stay as 1: read in pieces, since weights are large and the sums are few.
Tensor constant_sums(const Constant& c, const std::vector<int64_t>& axes) {
  std::vector<int64_t> dims = c.dims, at(c.dims.size(), 0), step(c.dims.size(), 0);
  for (int64_t a : axes) dims[static_cast<size_t>(a)] = 1;
  int64_t stride = 1;
  for (size_t d = dims.size(); d-- > 0;) {
    step[d] = dims[d] == c.dims[d] ? stride : 0;
    stride *= dims[d];
  }
  Tensor sums = Tensor::zeros(DType::I32, dims);
  constexpr int64_t kPiece = 1 << 16;  // elements; even, for types of less than a byte
  int64_t offset = 0;
  for (int64_t first = 0, all = c.count(); first < all; first += kPiece) {
    const int64_t n = std::min(kPiece, all - first);
    const int64_t begin = c.splat ? 0 : byte_size(c.type, first);
    const Tensor piece = decode(c.type, {c.splat ? 1 : n}, c.bytes.data + begin, static_cast<size_t>(byte_size(c.type, c.splat ? 1 : n)));
    for (int64_t k = 0; k < n; ++k) {
      sums.i[static_cast<size_t>(offset)] += piece.i[c.splat ? 0 : static_cast<size_t>(k)];
      for (size_t d = dims.size(); d-- > 0;) {
        offset += step[d];
        if (++at[d] < c.dims[d]) break;
        offset -= step[d] * c.dims[d];
        at[d] = 0;
      }
    }
  }
  return sums;
}

// sum of the elements of q over axes, in i32.
Result<ValueId> sum_over(Graph& g, const Node& n, ValueId q, std::vector<int64_t> axes) {
  if (const Constant* c = g.constant(q)) return add_tensor(g, g.values[q].name + "_sums", constant_sums(*c, axes));
  TENON_TRY(ValueId wide, make(g, n, Op::cast, {q}, Attrs().set<Attr::to>(DType::I32)));
  return make(g, n, Op::reduce_sum, {wide}, Attrs().set<Attr::axes>(std::move(axes)).set<Attr::keep_dims>(1));
}

// sums - zero * total
Result<ValueId> subtract(Graph& g, const Node& n, ValueId sums, int64_t zero, ValueId total) {
  ValueId factor = add_number(g, "zero_point", DType::I32, static_cast<double>(-zero));
  TENON_TRY(ValueId term, make_folded(g, n, Op::mul, {total, factor}));
  return make(g, n, Op::add, {sums, term});
}

bool short_enough(const Graph& g, std::span<const Expr> extents) {
  int64_t terms = 1;
  for (Expr e : extents) {
    int64_t most = g.pool.bounds(e).second;
    if (most > kMaxTerms) return false;
    terms *= std::max<int64_t>(most, 1);
    if (terms > kMaxTerms) return false;
  }
  return true;
}

// x [B...,M,K] * w [B...,K,N]: sum(x*w) - zw * sum(x) - zx * sum(w) + K*zx*zw
Result<ValueId> dot_sums(Graph& g, const Node& n, const Operand& x, const Operand& w) {
  int64_t zx = x.params.zero[0], zw = w.params.zero[0];
  auto rank = static_cast<int64_t>(g.values[x.q].dims.size()), w_rank = static_cast<int64_t>(g.values[w.q].dims.size());
  TENON_TRY(ValueId sums, make(g, n, Op::dot, {x.q, w.q}));
  if (zw != 0) {
    TENON_TRY(ValueId rows, sum_over(g, n, x.q, {rank - 1}));
    TENON_TRY(sums, subtract(g, n, sums, zw, rows));
  }
  if (zx != 0) {
    TENON_TRY(ValueId columns, sum_over(g, n, w.q, {w_rank - 2}));
    TENON_TRY(sums, subtract(g, n, sums, zx, columns));
  }
  if (zx != 0 && zw != 0) {
    int64_t k = *g.pool.as_int(g.values[x.q].dims.back());
    TENON_TRY(sums, make(g, n, Op::add, {sums, add_number(g, "zero_point", DType::I32, static_cast<double>(k * zx * zw))}));
  }
  return sums;
}

// The border is padded with x's zero point, so every sum has all its terms.
Result<ValueId> conv_sums(Graph& g, const Node& n, const Operand& x, const Operand& w) {
  std::vector<ValueId> inputs{x.q, w.q};
  int64_t zx = x.params.zero[0];
  if (zx != 0) inputs.push_back(add_number(g, "zero_point", x.params.type, static_cast<double>(zx)));
  TENON_TRY(ValueId sums, make(g, n, n.op, inputs, n.attrs));
  if (zx == 0) return sums;
  const std::vector<Expr> dims = g.values[w.q].dims;
  std::vector<int64_t> axes;
  for (size_t d = 1; d < dims.size(); ++d) axes.push_back(static_cast<int64_t>(d));
  TENON_TRY(ValueId totals, sum_over(g, n, w.q, axes));  // [O,1,1...]
  std::vector<Expr> per_channel(dims.begin(), dims.begin() + 1);
  per_channel.insert(per_channel.end(), dims.size() - 2, g.pool.index(1));
  TENON_TRY(totals, make_folded(g, n, Op::reshape, {totals}, Attrs().set<Attr::dims>(per_channel)));
  return subtract(g, n, sums, zx, totals);
}

}  // namespace

double QuantParameters::least() const { return is_signed(type) ? -std::ldexp(1, bits(type) - 1) : 0; }
double QuantParameters::greatest() const { return std::ldexp(1, bits(type) - (is_signed(type) ? 1 : 0)) - 1; }
double QuantParameters::quantized(double real) const {
  return std::clamp(std::nearbyint(real / scale[0]) + static_cast<double>(zero[0]), least(), greatest());
}

std::optional<QuantParameters> parameters(const Graph& g, const Node& n) {
  const Constant* scale = g.constant(n.inputs[1]);
  bool has_zero = n.inputs.size() > 2 && n.inputs[2].valid();
  const Constant* zero = has_zero ? g.constant(n.inputs[2]) : nullptr;
  if (!scale || scale->type != DType::F32 || (has_zero && !zero) || n.attrs.get_or<Attr::block>(0) != 0) return std::nullopt;
  QuantParameters p{.type = g.values[n.op == Op::quantize ? n.outputs[0] : n.inputs[0]].type,
                    .scale = tensor_of(*scale).f, .zero = {}};
  if (!is_integer(p.type)) return std::nullopt;
  p.zero = zero ? tensor_of(*zero).i : std::vector<int64_t>(p.scale.size());
  if (p.scale.size() > 1) p.axis = n.attrs.get<Attr::axis>();
  return p;
}

ValueId IntegerProduct::channel_tensor(Graph& g, const char* name, DType type, const std::vector<double>& numbers) const {
  Tensor t{.type = type, .dims = {}};
  if (numbers.size() > 1) {
    t.dims.assign(trailing + 1, 1);
    t.dims[0] = static_cast<int64_t>(numbers.size());
  }
  if (is_float(type)) t.f = numbers;
  else t.i.assign(numbers.begin(), numbers.end());
  return add_tensor(g, name, t);
}

Result<ValueId> IntegerProduct::scaled(Graph& g, const Node& origin, const std::vector<double>& factor) const {
  TENON_TRY(ValueId real, make(g, origin, Op::cast, {sums}, Attrs().set<Attr::to>(DType::F32)));
  return make(g, origin, Op::mul, {real, channel_tensor(g, "scale", DType::F32, factor)});
}

Result<std::optional<IntegerProduct>> integer_product(Graph& g, const Node& n) {
  auto x = operand(g, n.inputs[0]), w = operand(g, n.inputs[1]);
  if (!x || !w || x->params.axis >= 0 || bits(x->params.type) != 8) return std::nullopt;
  const std::vector<Expr> w_dims = g.values[w->q].dims, out = g.values[n.outputs[0]].dims;
  size_t channel = n.op == Op::dot ? w_dims.size() - 1 : n.op == Op::conv ? 0 : 1;
  if (w->params.axis >= 0 && w->params.axis != static_cast<int64_t>(channel)) return std::nullopt;
  if (w->params.axis >= 0 && n.op == Op::conv_transpose && n.attrs.get_or<Attr::groups>(1) != 1) return std::nullopt;
  IntegerProduct result{.trailing = n.op == Op::dot ? 0 : out.size() - 2};
  result.channels = g.pool.as_int(out[n.op == Op::dot ? out.size() - 1 : 1]).value_or(0);
  for (double s : w->params.scale) result.scale.push_back(s * x->params.scale[0]);
  bool centred = recentre(g, *w);
  if (n.op == Op::dot) {
    Expr k = g.values[x->q].dims.back();
    bool both = x->params.zero[0] != 0 && w->params.zero[0] != 0;
    if (!centred && (w->params.axis >= 0 || bits(w->params.type) != 8)) return std::nullopt;
    if (!short_enough(g, std::array{k}) || (both && !g.pool.as_int(k))) return std::nullopt;
    TENON_TRY(result.sums, dot_sums(g, n, *x, *w));
    return result;
  }
  if (!centred) return std::nullopt;
  if (n.op == Op::conv) {
    if (!short_enough(g, std::span(w_dims).subspan(1))) return std::nullopt;
    TENON_TRY(result.sums, conv_sums(g, n, *x, *w));
    return result;
  }
  // Where taps fall beside the input, a transposed convolution has fewer terms: no zero point fits all.
  if (x->params.zero[0] != 0 || !short_enough(g, w_dims)) return std::nullopt;
  TENON_TRY(result.sums, make(g, n, n.op, {x->q, w->q}, n.attrs));
  return result;
}

std::optional<Bias> bias_of(const Graph& g, ValueId bias, const IntegerProduct& product) {
  // One number, or one per channel and nothing along other dims.
  const std::vector<Expr>& dims = g.values[bias].dims;
  for (size_t d = 0; d < dims.size(); ++d) {
    bool channel = dims.size() - d == product.trailing + 1;
    auto extent = g.pool.as_int(dims[d]);
    if (extent != 1 && !(channel && extent == product.channels)) return std::nullopt;
  }
  const Node* dq = producer(g, bias, Op::dequantize);
  const Constant* c = g.constant(dq ? dq->inputs[0] : bias);
  if (!c || is_complex(c->type)) return std::nullopt;
  Tensor t = tensor_of(*c);
  if (!dq) return Bias{.integers = {}, .reals = std::move(t.f)};
  auto params = parameters(g, *dq);
  if (!params) return std::nullopt;
  Bias result;
  bool exact = true;
  for (size_t k = 0; k < t.i.size(); ++k) {
    size_t channel = t.i.size() == 1 ? 0 : k;
    double unit = params->scale[params->axis < 0 ? 0 : channel], q = static_cast<double>(t.i[k] - params->zero[params->axis < 0 ? 0 : channel]);
    double expected = product.scale[product.scale.size() == 1 ? 0 : channel];
    // The bias's scale is the rounded product of the two others.
    exact &= std::abs(unit - expected) <= std::ldexp(expected, -22) && std::abs(q) < 0x1p30;
    exact &= t.i.size() == 1 ? product.scale.size() == 1 : true;
    result.integers.push_back(q);
    result.reals.push_back(q * unit);
  }
  (exact ? result.reals : result.integers).clear();
  return result;
}

}  // namespace tenon
