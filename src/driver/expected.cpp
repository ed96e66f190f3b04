// The bound of a float output follows the model: rounding every value of the float64 reference to its type
// shows how much of one rounding per operation arrives at the output; a kernel that sums K terms makes up to
// about sqrt(K) roundings, so kRoundings of these are allowed, and a few units of the output's largest value.
#include "expected.h"

#include <algorithm>
#include <cmath>

#include "compare.h"
#include "tenon/short_functions.h"
#include "tenon/winograd.h"

namespace tenon {

namespace {

constexpr double kRoundings = 64, kUnits = 8;
// Of what rounding the operands of products once makes of an output, where the artifact may do so, or of what Winograd's
// transforms do: it makes the same roundings of operands that differ slightly, so that its error is another draw of the same
// size.
constexpr double kDraws = 8;

double largest_difference(const Tensor& a, const Tensor& b) {
  double most = 0;
  for (size_t i = 0; i < a.f.size(); ++i)
    if (!same_number(a.f[i], b.f[i])) most = std::max(most, std::abs(a.f[i] - b.f[i]));
  return most;
}

// What the artifact may compute by Winograd's transforms is computed by the larger of them, all in f32.
EvalOptions filtering(const Graph& graph, EvalOptions options) {
  options.observe = [&graph](const EvalInput& in, std::span<Tensor> values) {
    constexpr int64_t kLargest = 4;
    // Shorter polynomials: as far to either side as they may be.
    const bool softmax = in.node.op == Op::softmax;
    if (values[0].type == DType::F32 && (softmax || has_short_form(definition(in.node.op).scalar)))
      for (size_t k = 0; k < values[0].f.size(); ++k) {
        const bool up = (k * 0x9E3779B97F4A7C15ULL) >> 63;
        values[0].f[k] *= 1 + (up ? 1 : -1) * (softmax ? 2 : 1) * kShortFunctionError;
      }
    if (winograd_fits(in) && graph.constant(in.node.inputs[1])) values[0].f = winograd_filtered(in, kLargest).f;
    for (Tensor& value : values) round_elements(value);
  };
  return options;
}

double bound_of(const Tensor& want, const Tensor& rounded, const Tensor* narrow, double draws) {
  // A quantised value may fall on the other side of a tie.
  double allowed = is_integer(want.type) && bits(want.type) <= 8 ? 1 : 0;
  if (want.f.empty()) return allowed;
  double largest = 0;
  for (double x : want.f)
    if (std::isfinite(x)) largest = std::max(largest, std::abs(x));
  allowed = kRoundings * largest_difference(rounded, want) + kUnits * unit_roundoff(want.type) * largest;
  return narrow ? allowed + draws * largest_difference(*narrow, want) : allowed;
}

}  // namespace

std::vector<Tensor> in_graph_order(const Graph& graph, const Signature& signature, const std::vector<Tensor>& inputs) {
  std::vector<Tensor> out;
  for (ValueId input : graph.inputs) {
    auto port = std::ranges::find(signature.inputs, graph.values[input].name, &PortInfo::name);
    TENON_CHECK(port != signature.inputs.end(), "input names of graph and artifact differ");
    out.push_back(inputs[static_cast<size_t>(port - signature.inputs.begin())]);
  }
  return out;
}

Result<ExpectedOutputs> expected_outputs(const Graph& graph, const std::vector<Tensor>& inputs, const Dims& dims, Precision precision,
                                         const std::function<void(const EvalInput&, std::span<Tensor>)>& observe) {
  EvalOptions exact{.dims = {dims.begin(), dims.end()}}, rounding = exact;
  exact.observe = observe;
  rounding.observe = [](const EvalInput&, std::span<Tensor> values) {
    for (Tensor& value : values) round_elements(value);
  };
  ExpectedOutputs expected;
  TENON_TRY(expected.values, evaluate(graph, inputs, exact));
  TENON_TRY(const std::vector<Tensor> rounded, evaluate(graph, inputs, rounding));
  std::vector<Tensor> narrow;
  if (precision == Precision::Bf16 || precision == Precision::Fp16) {
    EvalOptions narrowing = rounding;
    narrowing.rounded = precision == Precision::Bf16 ? DType::BF16 : DType::F16;
    TENON_TRY(narrow, evaluate(graph, inputs, narrowing));
  } else if (precision == Precision::Fast) {
    TENON_TRY(narrow, evaluate(graph, inputs, filtering(graph, rounding)));
  }
  // Partial sums of h terms in f16, two of which are added, grow as random walks do: their roundings have h/4 + 1/2 times the
  // variance of the operands'.
  const double draws = precision == Precision::Fp16 ? kDraws * std::sqrt(1.5 + static_cast<double>(kMostHalfTerms) / 8) : kDraws;
  for (size_t k = 0; k < expected.values.size(); ++k) expected.bounds.push_back(bound_of(expected.values[k], rounded[k], narrow.empty() ? nullptr : &narrow[k], draws));
  return expected;
}

}  // namespace tenon
