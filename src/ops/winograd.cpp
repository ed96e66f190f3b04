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

struct Filter {
  int64_t m;
  Matrix input, weights, output;  // of the transforms, or their magnitudes
};

// x [N, C, H, W] by w [O, C, 3, 3], row by row of tiles.
template <double (*Round)(double)>
Tensor filtered(const Filter& f, const EvalInput& in, const Tensor& x, const Tensor& w) {
  const std::vector<int64_t>& dims = in.output_dims[0];
  const std::vector<int64_t> pads = in.node.attrs.has(Attr::pads_begin) ? in.dims(Attr::pads_begin) : std::vector<int64_t>(2, 0);
  const auto points = static_cast<size_t>(f.m + kWinogradTaps - 1), area = points * points, m = static_cast<size_t>(f.m);
  const auto channels = static_cast<size_t>(x.dims[1]), outputs = static_cast<size_t>(dims[1]);
  const int64_t height = x.dims[2], width = x.dims[3], across = (dims[3] + f.m - 1) / f.m;
  const auto tiles = static_cast<size_t>(across);
  double half[36], tile[36], made[36];
  Matrix weights(area * channels * outputs), operands(area * tiles * channels), sums(area * tiles * outputs), part(outputs);
  for (size_t o = 0; o < outputs; ++o)
    for (size_t c = 0; c < channels; ++c) {
      // G w G^T; G is [points, 3].
      constexpr size_t kTaps = kWinogradTaps;
      const double* from = &w.f[(o * channels + c) * kTaps * kTaps];
      for (size_t i = 0; i < points; ++i)
        for (size_t k = 0; k < kTaps; ++k) {
          half[i * kTaps + k] = 0;
          for (size_t j = 0; j < kTaps; ++j) half[i * kTaps + k] += f.weights[i * kTaps + j] * from[j * kTaps + k];
        }
      for (size_t i = 0; i < points; ++i)
        for (size_t j = 0; j < points; ++j) {
          double sum = 0;
          for (size_t k = 0; k < kTaps; ++k) sum += half[i * kTaps + k] * f.weights[j * kTaps + k];
          weights[((i * points + j) * channels + c) * outputs + o] = Round(sum);
        }
    }
  Tensor result = Tensor::zeros(in.output_types[0].type, dims);
  for (int64_t n = 0; n < dims[0]; ++n)
    for (int64_t top = 0; top < dims[2]; top += f.m) {
      for (size_t t = 0; t < tiles; ++t)
        for (size_t c = 0; c < channels; ++c) {
          for (size_t i = 0; i < area; ++i) {
            const int64_t row = top + static_cast<int64_t>(i / points) - pads[0];
            const int64_t column = static_cast<int64_t>(t) * f.m + static_cast<int64_t>(i % points) - pads[1];
            const bool there = row >= 0 && row < height && column >= 0 && column < width;
            const int64_t at = ((n * static_cast<int64_t>(channels) + static_cast<int64_t>(c)) * height + row) * width + column;
            tile[i] = there ? x.f[static_cast<size_t>(at)] : 0;
          }
          sandwich<Round>(f.input, points, points, tile, made, half);
          for (size_t i = 0; i < area; ++i) operands[(i * tiles + t) * channels + c] = made[i];
        }
      std::ranges::fill(sums, 0);
      constexpr size_t kPart = 32;  // terms, as kernels sum them
      for (size_t i = 0; i < area; ++i)
        for (size_t t = 0; t < tiles; ++t)
          for (size_t first = 0; first < channels; first += kPart) {
            std::ranges::fill(part, 0);
            for (size_t c = first; c < std::min(channels, first + kPart); ++c) {
              const double v = operands[(i * tiles + t) * channels + c];
              const double* u = &weights[(i * channels + c) * outputs];
              for (size_t o = 0; o < outputs; ++o) part[o] = Round(part[o] + v * u[o]);
            }
            double* sum = &sums[(i * tiles + t) * outputs];
            for (size_t o = 0; o < outputs; ++o) sum[o] = Round(sum[o] + part[o]);
          }
      for (size_t t = 0; t < tiles; ++t)
        for (size_t o = 0; o < outputs; ++o) {
          for (size_t i = 0; i < area; ++i) tile[i] = sums[(i * tiles + t) * outputs + o];
          sandwich<Round>(f.output, m, points, tile, made, half);
          for (size_t i = 0; i < m * m; ++i) {
            const int64_t row = top + static_cast<int64_t>(i / m), column = static_cast<int64_t>(t * m + i % m);
            if (row >= dims[2] || column >= dims[3]) continue;
            const int64_t at = ((n * dims[1] + static_cast<int64_t>(o)) * dims[2] + row) * dims[3] + column;
            result.f[static_cast<size_t>(at)] = made[i];
          }
        }
    }
  return result;
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
  const WinogradTransform& t = winograd_transform(m);
  const Filter f{m, {t.input.begin(), t.input.end()}, {t.weights.begin(), t.weights.end()}, {t.output.begin(), t.output.end()}};
  return filtered<rounded>(f, in, *in.inputs[0], *in.inputs[1]);
}

// Each term of y = A^T [sum over c of (G w G^T) . (B^T x B)] A is rounded in the transform of the operand (once for each of
// the terms of a row of B^T, twice over), in that of the weights (once), in the sum over c, and in that of the sums (once for
// each of the terms of a row of A^T, twice over): so many roundings of the sum of all terms' magnitudes. That they are far
// larger than the result's is what Winograd costs.
std::vector<Tensor> winograd_bounds(const BoundInput& in) {
  const WinogradTransform& t = winograd_transform(in.winograd);
  auto most_terms = [&](std::span<const double> matrix) {
    int64_t most = 0;
    for (size_t at = 0; at < matrix.size(); at += static_cast<size_t>(t.points)) {
      const auto row = matrix.subspan(at, static_cast<size_t>(t.points));
      most = std::max<int64_t>(most, t.points - std::ranges::count(row, 0.0));
    }
    return static_cast<double>(most);
  };
  const double channels = static_cast<double>(in.eval.inputs[0]->dims[1]);
  const double roundings = 2 * most_terms(t.input) + 1 + sum_roundings(channels) + 2 * most_terms(t.output);
  const double u = unit_roundoff(DType::F32);
  constexpr double kFlushed = 0x1p-126;
  // Operands and what they are transformed to count as zero below the least normal number: sum_bounds.
  Tensor x = magnitude(in, 0), w = magnitude(in, 1);
  for (Tensor* operand : {&x, &w})
    for (double& v : operand->f) v += kFlushed / u;
  const Tensor terms = filtered<as_is>({in.winograd, absolute(t.input), absolute(t.weights), absolute(t.output)}, in.eval, x, w);
  std::vector<Tensor> bounds = sum_bounds(in, 0);
  for (size_t e = 0; e < bounds[0].f.size(); ++e) bounds[0].f[e] += std::isfinite(terms.f[e]) ? roundings * u * terms.f[e] + kFlushed : 0;
  return bounds;
}

}  // namespace tenon
