// What Winograd's F(m,3) can compute, and how far its results may be from exact ones. docs/accuracy.md.
#include "tenon/winograd.h"

#include <algorithm>
#include <cmath>

#include "bound.h"
#include "contract_eval.h"
#include "lower.h"
#include "spatial.h"
#include "tenon/plan.h"

namespace tenon {

namespace {

constexpr size_t kRank = 4, kRow = 2, kColumn = 3;  // of [n, c, row, column] and of [o, c, tap, tap]

// The index is `axis + tap` and something that depends on neither.
bool slides(ExprPool& pool, Expr index, Expr axis, Expr tap) {
  for (Expr e : {axis, tap}) {
    auto split = pool.affine(index, e);
    if (!split || !pool.is_index(split->first, 1)) return false;
  }
  return true;
}

// 0 <= index < extent where that is not known, as lower_conv writes it.
Expr inside(ExprPool& pool, Expr index, Expr extent) {
  Expr condition = {};
  if (!pool.provably_nonnegative(index)) condition = pool.binary(SOp::Le, pool.index(0), index);
  if (!pool.provably_less(index, extent)) condition = pool.all_of(condition, pool.binary(SOp::Lt, index, extent));
  return condition;
}

class Matcher {
 public:
  Matcher(const Graph& graph, Region& region, const Statement& s) : graph_(graph), region_(region), pool_(region.pool), s_(s) {}

  std::optional<WinogradConv> run() {
    if (!s_.routine.empty() || s_.scan || s_.condition.valid() || !s_.also.empty()) return std::nullopt;
    if (s_.accumulators.size() != 1 || s_.accumulators[0].monoid != Monoid::Sum || s_.reduce_axes.size() != 3) return std::nullopt;
    const Accumulator& sum = s_.accumulators[0];
    if (pool_.type(sum.var) != DType::F32 || pool_.as_double(sum.init) != 0.0 || pool_.op(sum.update) != SOp::Add) return std::nullopt;
    const auto terms = pool_.operands(sum.update);
    const Expr product = terms[0] == sum.var ? terms[1] : terms[1] == sum.var ? terms[0] : Expr{};
    if (!product.valid() || pool_.op(product) != SOp::Mul) return std::nullopt;
    const Expr a = pool_.operands(product)[0], b = pool_.operands(product)[1];
    if (takes_weights(b) && takes_operand(a)) return found_;
    if (takes_weights(a) && takes_operand(b)) return found_;
    return std::nullopt;
  }

 private:
  bool is_axis(Expr e) const { return std::ranges::find(s_.axes, e) != s_.axes.end(); }
  bool is_reduced(Expr e) const { return std::ranges::find(s_.reduce_axes, e) != s_.reduce_axes.end(); }

  // w[o, c, tap, tap], a constant.
  bool takes_weights(Expr e) {
    if (pool_.op(e) != SOp::Load || pool_.type(e) != DType::F32) return false;
    const RegionBuffer& w = region_.buffers[pool_.buffer(e)];
    if (!w.value.valid() || !graph_.constant(w.value) || !graph_.values[w.value].layout.row_major() || w.dims.size() != kRank) return false;
    for (size_t d : {kRow, kColumn})
      if (!pool_.is_index(w.dims[d], kWinogradTaps)) return false;
    const auto at = pool_.operands(e);
    if (!is_axis(at[0]) || !is_reduced(at[1]) || !is_reduced(at[kRow]) || !is_reduced(at[kColumn])) return false;
    found_.w = pool_.buffer(e);
    found_.o = at[0];
    found_.c = at[1];
    taps_[0] = at[kRow];
    taps_[1] = at[kColumn];
    // As many channels as there are weights: one group. An axis of one step is none when the region is lowered.
    if (pool_.is_index(w.dims[0], 1) || pool_.is_index(w.dims[1], 1)) return false;
    return pool_.var(found_.c).extent == w.dims[1] && pool_.var(found_.o).extent == w.dims[0] && found_.c != taps_[0] &&
           found_.c != taps_[1] && taps_[0] != taps_[1];
  }

  // x[n, c, row + tap - top, column + tap - left], 0 outside.
  bool takes_operand(Expr e) {
    Expr load = e, condition = {};
    if (pool_.op(e) == SOp::Select) {
      condition = pool_.operands(e)[0];
      load = pool_.operands(e)[1];
      if (pool_.as_double(pool_.operands(e)[2]) != 0.0) return false;
    }
    if (pool_.op(load) != SOp::Load || pool_.type(load) != DType::F32) return false;
    found_.x = pool_.buffer(load);
    const std::vector<Expr> at(pool_.operands(load).begin(), pool_.operands(load).end());
    const std::vector<Expr> dims = region_.buffers[found_.x].dims;
    if (at.size() != kRank || at[1] != found_.c || dims[1] != pool_.var(found_.c).extent) return false;
    Expr expected = {};
    for (size_t d : {kRow, kColumn}) {
      const Expr tap = taps_[d - kRow], other = taps_[kColumn - d];
      Expr along = {};
      for (Expr axis : s_.axes)
        if (pool_.depends_on(at[d], axis)) {
          if (along.valid()) return false;
          along = axis;
        }
      if (!along.valid() || along == found_.o || !slides(pool_, at[d], along, tap)) return false;
      if (pool_.depends_on(at[d], other) || pool_.depends_on(at[d], found_.c)) return false;
      (d == kRow ? found_.row : found_.column) = along;
      expected = pool_.all_of(expected, inside(pool_, at[d], dims[d]));
    }
    if (expected != condition || found_.row == found_.column) return false;
    for (Expr axis : {found_.row, found_.column, found_.o, found_.c, taps_[0], taps_[1]})
      if (pool_.depends_on(at[0], axis)) return false;
    const auto height = pool_.as_int(pool_.var(found_.row).extent), width = pool_.as_int(pool_.var(found_.column).extent);
    if (!height || !width || *height < 2 || *width < 2) return false;
    found_.height = *height;
    found_.width = *width;
    found_.at = {at[0], at[1], pool_.sub(at[kRow], taps_[0]), pool_.sub(at[kColumn], taps_[1])};
    found_.others.clear();
    for (Expr axis : s_.axes)
      if (axis != found_.o && axis != found_.row && axis != found_.column) found_.others.push_back(axis);
    return true;
  }

  const Graph& graph_;
  Region& region_;
  ExprPool& pool_;
  const Statement& s_;
  WinogradConv found_;
  Expr taps_[2];
};

// --- the filter on tensors -------------------------------------------------------------------------------

using Matrix = std::vector<double>;

// Numbers as they are computed: exact, or each rounded to f32.
double as_is(double x) { return x; }
double rounded(double x) { return static_cast<double>(static_cast<float>(x)); }

// left [rows, n] times x [n, n] times left^T, into out [rows, rows].
template <double (*Round)(double)>
void sandwich(std::span<const double> left, size_t rows, size_t n, const double* x, double* out, double* half) {
  for (size_t i = 0; i < rows; ++i)
    for (size_t k = 0; k < n; ++k) {
      double sum = 0;
      for (size_t j = 0; j < n; ++j)
        if (const double f = left[i * n + j]; f != 0) sum = Round(sum + f * x[j * n + k]);
      half[i * n + k] = sum;
    }
  for (size_t i = 0; i < rows; ++i)
    for (size_t j = 0; j < rows; ++j) {
      double sum = 0;
      for (size_t k = 0; k < n; ++k)
        if (const double f = left[j * n + k]; f != 0) sum = Round(sum + half[i * n + k] * f);
      out[i * rows + j] = sum;
    }
}

Matrix absolute(std::span<const double> m) {
  Matrix result(m.begin(), m.end());
  for (double& x : result) x = std::abs(x);
  return result;
}

// A convolution on tensors, one row of tiles at a time: [N, C, H, W] by [O, C, 3, 3].
class Filter {
 public:
  Filter(const EvalInput& in, int64_t m)
      : t_(winograd_transform(m)), m_(static_cast<size_t>(m)), points_(static_cast<size_t>(t_.points)), area_(points_ * points_),
        in_(in.inputs[0]->dims), out_(in.output_dims[0]), tiles_(static_cast<size_t>((out_[3] + m - 1) / m)),
        channels_(static_cast<size_t>(in_[1])), outputs_(static_cast<size_t>(out_[1])),
        pads_(in.node.attrs.has(Attr::pads_begin) ? in.dims(Attr::pads_begin) : std::vector<int64_t>(2, 0)) {}

  const WinogradTransform& transform() const { return t_; }

  // Calls body(image, first row of the result) for each row of tiles.
  template <class Body>
  void each_row(Body body) const {
    for (int64_t n = 0; n < out_[0]; ++n)
      for (int64_t top = 0; top < out_[2]; top += t_.m) body(n, top);
  }

  // G w G^T as [point, c, o].
  template <double (*Round)(double)>
  Matrix weights(const Tensor& w) const {
    constexpr size_t kWindow = kWinogradTaps * kWinogradTaps;
    Matrix made(area_ * channels_ * outputs_);
    double one[36], half[36];
    for (size_t o = 0; o < outputs_; ++o)
      for (size_t c = 0; c < channels_; ++c) {
        sandwich<as_is>(t_.weights, points_, kWinogradTaps, &w.f[(o * channels_ + c) * kWindow], one, half);
        for (size_t i = 0; i < area_; ++i) made[(i * channels_ + c) * outputs_ + o] = Round(one[i]);
      }
    return made;
  }

  // B^T x B as [point, tile, c]; `by` is B^T or its magnitudes.
  template <double (*Round)(double)>
  Matrix operands(std::span<const double> by, const Tensor& x, int64_t n, int64_t top) const {
    Matrix made(area_ * tiles_ * channels_);
    double tile[36], one[36], half[36];
    for (size_t t = 0; t < tiles_; ++t)
      for (size_t c = 0; c < channels_; ++c) {
        for (size_t i = 0; i < area_; ++i) {
          const int64_t row = top + static_cast<int64_t>(i / points_) - pads_[0];
          const int64_t column = static_cast<int64_t>(t * m_ + i % points_) - pads_[1];
          const bool there = row >= 0 && row < in_[2] && column >= 0 && column < in_[3];
          const int64_t at = ((n * in_[1] + static_cast<int64_t>(c)) * in_[2] + row) * in_[3] + column;
          tile[i] = there ? x.f[static_cast<size_t>(at)] : 0;
        }
        sandwich<Round>(by, points_, points_, tile, one, half);
        for (size_t i = 0; i < area_; ++i) made[(i * tiles_ + t) * channels_ + c] = one[i];
      }
    return made;
  }

  // [point, tile, o], in parts of as many terms as kernels take.
  template <double (*Round)(double)>
  Matrix sums(const Matrix& operands, const Matrix& weights) const {
    constexpr size_t kPart = 128;
    Matrix made(area_ * tiles_ * outputs_), part(outputs_);
    for (size_t at = 0; at < area_ * tiles_; ++at)
      for (size_t first = 0; first < channels_; first += kPart) {
        std::ranges::fill(part, 0);
        for (size_t c = first; c < std::min(channels_, first + kPart); ++c) {
          const double v = operands[at * channels_ + c];
          const double* u = &weights[(at / tiles_ * channels_ + c) * outputs_];
          for (size_t o = 0; o < outputs_; ++o) part[o] = Round(part[o] + v * u[o]);
        }
        double* sum = &made[at * outputs_];
        for (size_t o = 0; o < outputs_; ++o) sum[o] = Round(sum[o] + part[o]);
      }
    return made;
  }

  // A^T sums A into a row of tiles of the result; `by` is A^T or its magnitudes.
  template <double (*Round)(double)>
  void store(std::span<const double> by, const Matrix& sums, int64_t n, int64_t top, Tensor& result) const {
    double tile[36], one[36], half[36];
    for (size_t t = 0; t < tiles_; ++t)
      for (size_t o = 0; o < outputs_; ++o) {
        for (size_t i = 0; i < area_; ++i) tile[i] = sums[(i * tiles_ + t) * outputs_ + o];
        sandwich<Round>(by, m_, points_, tile, one, half);
        for (size_t i = 0; i < m_ * m_; ++i) {
          const int64_t row = top + static_cast<int64_t>(i / m_), column = static_cast<int64_t>(t * m_ + i % m_);
          if (row >= out_[2] || column >= out_[3]) continue;
          const int64_t at = ((n * out_[1] + static_cast<int64_t>(o)) * out_[2] + row) * out_[3] + column;
          result.f[static_cast<size_t>(at)] = one[i];
        }
      }
  }

 private:
  const WinogradTransform& t_;
  size_t m_, points_, area_;
  const std::vector<int64_t>&in_, &out_;
  size_t tiles_, channels_, outputs_;
  std::vector<int64_t> pads_;
};

// The most terms of a row of a transform.
double most_terms(std::span<const double> matrix, int64_t columns) {
  int64_t most = 0;
  for (size_t at = 0; at < matrix.size(); at += static_cast<size_t>(columns))
    most = std::max<int64_t>(most, columns - std::ranges::count(matrix.subspan(at, static_cast<size_t>(columns)), 0.0));
  return static_cast<double>(most);
}

}  // namespace

std::optional<WinogradConv> match_winograd(const Graph& graph, Region& region, const Statement& statement) {
  return Matcher(graph, region, statement).run();
}

bool winograd_fits(const EvalInput& in) {
  if (in.node.op != Op::conv || in.inputs[0]->dims.size() != kRank || in.output_types[0].type != DType::F32) return false;
  if (in.inputs.size() > 2 && in.inputs[2]) return false;
  const std::vector<int64_t>& w = in.inputs[1]->dims;
  const Attrs& attrs = in.node.attrs;
  const std::vector<int64_t> ones(2, 1);
  return w[kRow] == kWinogradTaps && w[kColumn] == kWinogradTaps && attrs.get_or<Attr::strides>(ones) == ones &&
         attrs.get_or<Attr::dilations>(ones) == ones && attrs.get_or<Attr::groups>(1) == 1 && in.inputs[0]->dims[1] > 1;
}

Tensor winograd_filtered(const EvalInput& in, int64_t m) {
  const Filter filter(in, m);
  const Matrix weights = filter.weights<rounded>(*in.inputs[1]);
  Tensor result = Tensor::zeros(in.output_types[0].type, in.output_dims[0]);
  filter.each_row([&](int64_t n, int64_t top) {
    const Matrix operands = filter.operands<rounded>(filter.transform().input, *in.inputs[0], n, top);
    filter.store<rounded>(filter.transform().output, filter.sums<rounded>(operands, weights), n, top, result);
  });
  return result;
}

// y = A^T M A, M = sum over c of U . V, U = G w G^T, V = B^T x B. Roundings, to first order: of V at most two for each term of
// a row of B^T, of |B^T||x||B|; of U one; of the sum over c as of any sum; of y two for each term of a row of A^T, of |A^T||M||A|.
// What V and M err by reaches y through |A^T| . |A|. U, V and M are the reference's own.
std::vector<Tensor> winograd_bounds(const BoundInput& in) {
  const Filter filter(in.eval, in.winograd);
  const WinogradTransform& t = filter.transform();
  const double transformed = 2 * most_terms(t.input, t.points), back = 2 * most_terms(t.output, t.points);
  const double summed = 1 + sum_roundings(static_cast<double>(in.eval.inputs[0]->dims[1]));
  const double u = unit_roundoff(DType::F32);
  // Operands, and what they are transformed to, may count as zero below the least normal number: as in sum_bounds.
  constexpr double kFlushed = 0x1p-126;
  const double subnormal = kFlushed / u;
  Tensor sizes = magnitude(in, 0), uncertain = no_error(*in.eval.inputs[0]);
  for (double& x : sizes.f) x += subnormal;
  for (size_t e = 0; e < uncertain.f.size(); ++e) uncertain.f[e] = error_at(in, 0, e);
  const Matrix weights = filter.weights<as_is>(*in.eval.inputs[1]), input = absolute(t.input), output = absolute(t.output);
  Matrix weight_sizes = absolute(weights);
  for (double& w : weight_sizes) w += subnormal;

  const bool exact = exact_operands(in);
  std::vector<Tensor> bounds = sum_bounds(in, 0);
  Tensor errors = no_error(in.results[0]);
  filter.each_row([&](int64_t n, int64_t top) {
    const Matrix operands = filter.operands<as_is>(t.input, *in.eval.inputs[0], n, top);
    Matrix sources = filter.operands<as_is>(input, sizes, n, top);
    const Matrix moved = exact ? Matrix(operands.size()) : filter.operands<as_is>(input, uncertain, n, top);
    for (size_t k = 0; k < sources.size(); ++k) sources[k] = transformed * sources[k] + summed * (std::abs(operands[k]) + moved[k]);
    Matrix sums = filter.sums<as_is>(sources, weight_sizes);
    const Matrix values = filter.sums<as_is>(operands, weights), spread = exact ? Matrix(values.size()) : filter.sums<as_is>(moved, weight_sizes);
    for (size_t k = 0; k < sums.size(); ++k) sums[k] += back * (std::abs(values[k]) + spread[k]);
    filter.store<as_is>(output, sums, n, top, errors);
  });
  for (size_t e = 0; e < errors.f.size(); ++e) bounds[0].f[e] += std::isfinite(errors.f[e]) ? u * errors.f[e] + kFlushed : 0;
  return bounds;
}

}  // namespace tenon
