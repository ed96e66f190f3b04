#include "bound.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "lower.h"
#include "tenon/short_functions.h"

namespace tenon {

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
// Results below the least normal number may be flushed to zero.
constexpr double kFlushed = 0x1p-126;

double element(const Tensor& t, size_t k) {
  if (!t.f.empty()) return t.f[k];
  return t.type == DType::U64 ? static_cast<double>(static_cast<uint64_t>(t.i[k])) : static_cast<double>(t.i[k]);
}

double own_error(DType type, double roundings, double magnitude) {
  if (!is_float(type) || roundings == 0 || !std::isfinite(magnitude)) return 0;
  constexpr double kWide = 16;  // f64 functions err by up to 8 ULP, and so may the reference
  return (type == DType::F64 ? std::max(roundings, kWide) : roundings) * unit_roundoff(type) * magnitude + kFlushed;
}

int64_t shifted(DType type, int64_t value, double by) {
  if (by == 0) return value;
  if (type == DType::Bool) return by > 0 ? 1 : 0;
  const double bound = std::clamp(static_cast<double>(value) + (by > 0 ? std::ceil(by) : std::floor(by)), -0x1p62, 0x1p62);
  const auto moved = static_cast<int64_t>(bound);
  if (bits(type) > 32) return moved;
  const int64_t low = is_signed(type) ? -(int64_t{1} << (bits(type) - 1)) : 0;
  return std::clamp(moved, low, low + (int64_t{1} << bits(type)) - 1);
}

}  // namespace

double unit_roundoff(DType type) {
  switch (type) {
    case DType::F64: case DType::C128: return 0x1p-53;
    case DType::F32: case DType::C64: return 0x1p-24;
    case DType::F16: return 0x1p-11;
    case DType::BF16: return 0x1p-8;
    default: return is_float(type) ? 0x1p-3 : 0;
  }
}

double sum_roundings(double terms) {
  constexpr double kDeviations = 8;
  return std::min(terms, kDeviations * std::sqrt(terms));
}

std::vector<Tensor> evaluate_on(const EvalInput& in, std::span<const Tensor> operands) {
  std::vector<const Tensor*> inputs;
  for (size_t k = 0; k < in.inputs.size(); ++k) inputs.push_back(in.inputs[k] ? &operands[k] : nullptr);
  return definition(in.node.op).eval({in.node, inputs, in.output_types, in.output_dims, in.dims});
}

double error_at(const BoundInput& in, size_t k, size_t element) {
  return k < in.errors.size() && in.errors[k] ? in.errors[k]->f[element] : 0;
}

bool exact_operands(const BoundInput& in) {
  return std::ranges::all_of(in.errors, [](const Tensor* e) { return !e; });
}

Tensor moved(const BoundInput& in, size_t k, double sign) {
  if (!in.eval.inputs[k]) return {};
  Tensor x = *in.eval.inputs[k];
  if (!in.errors[k]) return x;
  for (size_t e = 0; e < x.f.size(); ++e) x.f[e] += sign * in.errors[k]->f[e];
  for (size_t e = 0; e < x.i.size(); ++e) x.i[e] = shifted(x.type, x.i[e], sign * in.errors[k]->f[e]);
  return x;
}

Tensor magnitude(const BoundInput& in, size_t k) {
  if (!in.eval.inputs[k]) return {};
  Tensor x = *in.eval.inputs[k];
  for (size_t e = 0; e < x.f.size(); ++e) x.f[e] = std::abs(x.f[e]) + error_at(in, k, e);
  return x;
}

double distance(double a, double b) {
  if (a == b || (std::isnan(a) && std::isnan(b))) return 0;
  const double d = std::abs(a - b);
  return std::isnan(d) ? kInfinity : d;
}

double roundings_of(const BoundInput& in, const OpDef& def) {
  return def.roundings + (in.short_functions && has_short_form(def.scalar) ? kShortFunctionError / unit_roundoff(DType::F32) : 0);
}

Tensor no_error(const Tensor& like) { return Tensor::zeros(DType::F64, like.dims); }

std::vector<Tensor> monotone_bounds(const BoundInput& in) {
  std::vector<Tensor> bounds;
  std::vector<std::vector<double>> largest;
  for (const Tensor& y : in.results) {
    bounds.push_back(no_error(y));
    largest.emplace_back(bounds.back().f.size());
    for (size_t e = 0; e < largest.back().size(); ++e) largest.back()[e] = std::abs(element(y, e));
  }
  const OpDef& def = definition(in.eval.node.op);
  std::vector<size_t> uncertain;
  for (size_t k = 0; k < in.errors.size(); ++k)
    if (in.errors[k]) uncertain.push_back(k);
  // Every combination where operands meet; where each result comes from one operand, all move together.
  const bool meet = def.kind == OpKind::Elementwise;
  const size_t corners = uncertain.empty() ? 0 : meet ? size_t{1} << uncertain.size() : 2;
  for (size_t corner = 0; corner < corners; ++corner) {
    std::vector<Tensor> operands;
    for (size_t k = 0; k < in.eval.inputs.size(); ++k) {
      auto at = std::ranges::find(uncertain, k) - uncertain.begin();
      operands.push_back(moved(in, k, corner >> (meet ? at : 0) & 1 ? 1 : -1));
    }
    const std::vector<Tensor> results = evaluate_on(in.eval, operands);
    for (size_t r = 0; r < results.size(); ++r)
      for (size_t e = 0; e < bounds[r].f.size(); ++e) {
        const double y = element(results[r], e);
        bounds[r].f[e] = std::max(bounds[r].f[e], distance(y, element(in.results[r], e)));
        largest[r][e] = std::max(largest[r][e], std::abs(y));
      }
  }
  const Op op = in.eval.node.op;
  if ((op == Op::sin || op == Op::cos) && in.errors[0])  // not monotone, but of slope 1 at most
    for (size_t e = 0; e < bounds[0].f.size(); ++e) bounds[0].f[e] = std::max(bounds[0].f[e], in.errors[0]->f[e]);
  for (size_t r = 0; r < bounds.size(); ++r)
    for (size_t e = 0; e < bounds[r].f.size(); ++e)
      bounds[r].f[e] += own_error(in.results[r].type, in.results[r].type == DType::F32 ? roundings_of(in, def) : def.roundings, largest[r][e]);
  return bounds;
}

std::vector<Tensor> sum_bounds(const BoundInput& in, double roundings) {
  const DType type = in.results[0].type, wide = compute_type(type);
  const bool exact = exact_operands(in);
  Tensor bound = no_error(in.results[0]);
  if (exact && !is_float(type)) return {std::move(bound)};
  std::vector<Tensor> operands, originals;
  // Operands below the least normal number may count as zero: with kFlushed / u added to both, u times the sum of
  // products has kFlushed times either.
  const double subnormal = wide == DType::F32 ? kFlushed / unit_roundoff(wide) : 0;
  for (size_t k = 0; k < in.eval.inputs.size(); ++k) {
    operands.push_back(magnitude(in, k));
    for (double& v : operands.back().f) v += subnormal;
    if (exact) continue;
    Tensor x = in.eval.inputs[k] ? *in.eval.inputs[k] : Tensor{};
    for (double& v : x.f) v = std::abs(v);
    if (!is_float(type) && in.errors[k]) return std::vector{[&] {  // integers do not arise from uncertain values
      std::ranges::fill(bound.f, kInfinity);
      return bound;
    }()};
    originals.push_back(std::move(x));
  }
  const std::vector<Tensor> upper = evaluate_on(in.eval, operands);
  const std::vector<Tensor> lower = exact ? std::vector<Tensor>{} : evaluate_on(in.eval, originals);
  for (size_t e = 0; e < bound.f.size(); ++e) {
    const double sum = upper[0].f[e];
    bound.f[e] = own_error(wide, roundings, sum) + (exact ? 0 : distance(sum, lower[0].f[e]));
    if (wide != type) bound.f[e] += own_error(type, 1, std::abs(in.results[0].f[e]));
  }
  return {std::move(bound)};
}

namespace {

// Operands of a product rounded to a narrower type: each errs by at most u|x|, and by 2^-126 where the instruction takes
// subnormal numbers as zero. In the worst case all errors of a sum agree. As roundings to nearest they behave as independent
// and centred, and then the sum of a b (d_a + d_b) exceeds kDeviations * u * sqrt(2 sum (a b)^2) with probability below
// 2 exp(-kDeviations^2 / 2) (Hoeffding). The second-order terms, at most u^2 sum |a||b|, are taken at their worst.
//
// Blocks of B products are two sums of h = B / 2 in f16, which are added. Each step rounds by at most u times what is summed so far,
// which is below |a||b| over the block: (h + 1) u sum |a||b| in the worst case. Step i of a sum has at most i sum (a b)^2 as its
// square (Cauchy and Schwarz), all steps together h (h + 1) / 2 sum (a b)^2, and the addition B sum (a b)^2. Numbers of f16 have
// steps of 2^-24 below 2^-14.
void add_rounding(const BoundInput& in, Tensor& bound) {
  constexpr double kDeviations = 8;
  const double u = unit_roundoff(in.rounded), h = std::ceil(static_cast<double>(in.halves) / 2), steps = in.halves > 0 ? h + 1 : 0;
  const double operand_step = in.rounded == DType::F16 ? 0x1p-25 : kFlushed, sum_step = in.halves > 0 ? 0x1p-25 : 0;
  const double terms = definition(in.eval.node.op).terms(in.eval);
  std::vector<Tensor> magnitudes, squares, flushed;
  for (size_t k = 0; k < in.eval.inputs.size(); ++k) {
    magnitudes.push_back(magnitude(in, k));
    squares.push_back(magnitudes.back());
    flushed.push_back(magnitudes.back());
    for (double& x : squares.back().f) x *= x;
    for (double& x : flushed.back().f) x += operand_step;
  }
  const std::vector<Tensor> sum = evaluate_on(in.eval, magnitudes), square = evaluate_on(in.eval, squares), more = evaluate_on(in.eval, flushed);
  for (size_t e = 0; e < bound.f.size(); ++e) {
    const double worst = (2 + steps) * u * sum[0].f[e], likely = kDeviations * u * std::sqrt((2 + h * (h + 1) / 2 + 2 * h) * square[0].f[e]);
    bound.f[e] += std::min(worst, likely) + (1 + steps) * (1 + steps) * u * u * sum[0].f[e] + distance(more[0].f[e], sum[0].f[e]) + 2 * terms * sum_step;
  }
}

}  // namespace

std::vector<Tensor> error_bounds(const BoundInput& in) {
  const OpDef& def = definition(in.eval.node.op);
  if (def.kind == OpKind::Contraction && in.rounded != DType::F32 && in.results[0].type == DType::F32) {
    BoundInput plain = in;
    plain.rounded = DType::F32;
    std::vector<Tensor> bounds = error_bounds(plain);
    add_rounding(in, bounds[0]);
    return bounds;
  }
  if (in.winograd > 0 && winograd_fits(in.eval)) return winograd_bounds(in);
  if (def.bound) return def.bound(in);
  if (def.terms) return sum_bounds(in, sum_roundings(def.terms(in.eval)));
  return monotone_bounds(in);
}

}  // namespace tenon
