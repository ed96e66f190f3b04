// Activations, as chains of elementwise ops: fusion makes one kernel of each.
#include <cmath>
#include <numbers>

#include "families.h"

namespace tenon::frontend {

namespace {

Vals relu(OnnxNode& n) { return {max(n[0], 0.0)}; }

Vals leaky_relu(OnnxNode& n) { return {select(n[0] < 0.0, n[0] * n.real("alpha"), n[0])}; }

// Before opset 7 a slope of rank 1 is one per channel.
Vals prelu(OnnxNode& n) {
  Val x = n[0], slope = n[1];
  if (n.opset < 7 && slope.rank() == 1 && x.rank() > 1)
    slope = n.pool.is_index(slope.dim(0), 1) ? reshape(slope, {}) : align_channels(slope, 1, x.rank());
  return {select(x < 0.0, x * slope, x)};
}

Vals thresholded_relu(OnnxNode& n) { return {select(n.real("alpha") < n[0], n[0], n[0].like(0))}; }

Vals elu(OnnxNode& n) { return {select(n[0] < 0.0, expm1(n[0]) * n.real("alpha"), n[0])}; }

Vals selu(OnnxNode& n) {
  Val x = n[0];
  return {select(x <= 0.0, expm1(x) * n.real("alpha"), x) * n.real("gamma")};
}

Vals celu(OnnxNode& n) {
  double alpha = n.real("alpha");
  return {max(n[0], 0.0) + min(expm1(n[0] / alpha) * alpha, 0.0)};
}

Val hard_sigmoid(Val x, double alpha, double beta) { return min(max(x * alpha + beta, 0.0), 1.0); }
Vals hard_sigmoid(OnnxNode& n) { return {hard_sigmoid(n[0], n.real("alpha"), n.real("beta"))}; }
Vals hard_swish(OnnxNode& n) { return {n[0] * hard_sigmoid(n[0], 1.0 / 6, 0.5)}; }

Vals swish(OnnxNode& n) {
  double alpha = n.real("alpha");
  return {n[0] * sigmoid(alpha == 1 ? n[0] : n[0] * alpha)};
}

Vals gelu(OnnxNode& n) {
  Val x = n[0];
  if (n.text("approximate") == "tanh") {
    double c = std::sqrt(2 / std::numbers::pi);
    return {x * 0.5 * (tanh((x + x * x * x * 0.044715) * c) + 1.0)};
  }
  return {x * 0.5 * (erf(x * (1 / std::numbers::sqrt2)) + 1.0)};
}

Val softplus(Val x) { return max(x, 0.0) + log1p(exp(-abs(x))); }
Vals softplus(OnnxNode& n) { return {softplus(n[0])}; }
Vals softsign(OnnxNode& n) { return {n[0] / (abs(n[0]) + 1.0)}; }
Vals mish(OnnxNode& n) { return {n[0] * tanh(softplus(n[0]))}; }

Vals shrink(OnnxNode& n) {
  Val x = n[0], zero = x.like(0);
  double bias = n.real("bias"), lambda = n.real("lambd");
  return {select(x < -lambda, x + bias, select(lambda < x, x - bias, zero))};
}

constexpr ImportRow kRows[] = {
    {"Celu", celu},         {"Elu", elu},           {"Gelu", gelu},         {"HardSigmoid", hard_sigmoid},
    {"HardSwish", hard_swish}, {"LeakyRelu", leaky_relu}, {"Mish", mish},   {"PRelu", prelu},
    {"Relu", relu},         {"Selu", selu},         {"Shrink", shrink},     {"Softplus", softplus},
    {"Softsign", softsign}, {"Swish", swish},       {"ThresholdedRelu", thresholded_relu},
};

}  // namespace

std::span<const ImportRow> activation_imports() { return kRows; }

}  // namespace tenon::frontend
