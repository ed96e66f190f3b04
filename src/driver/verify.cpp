// An artifact against the reference evaluator.
//
// The bound of a float output follows the model: rounding every value of the float64 reference to its type
// shows how much of one rounding per operation arrives at the output; a kernel that sums K terms makes up to
// about sqrt(K) roundings, so kRoundings of these are allowed, and a few units of the output's largest value.
#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "inputs.h"
#include "scratch_folder.h"
#include "tenon/ops.h"

namespace tenon {

namespace {

constexpr double kRoundings = 64, kUnits = 8;

double unit_roundoff(DType type) {
  switch (type) {
    case DType::F64: case DType::C128: return 0x1p-53;
    case DType::F32: case DType::C64: return 0x1p-24;
    case DType::F16: return 0x1p-11;
    case DType::BF16: return 0x1p-8;
    default: return 0x1p-3;
  }
}

// |a - b| in units in the last place of b's type, at b.
double ulps(DType type, double a, double b) {
  if (a == b) return 0;
  const double least = type == DType::F64 ? std::numeric_limits<double>::min() : 0x1p-126;
  const double scale = std::exp2(std::floor(std::log2(std::max(std::abs(b), least))));
  return std::abs(a - b) / (scale * 2 * unit_roundoff(type));
}

bool both_equal(double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); }

double largest_difference(const Tensor& a, const Tensor& b) {
  double most = 0;
  for (size_t i = 0; i < a.f.size(); ++i)
    if (!both_equal(a.f[i], b.f[i])) most = std::max(most, std::abs(a.f[i] - b.f[i]));
  return most;
}

// got against want; `allowed` is the same for all elements.
void compare(const std::vector<double>& got, const std::vector<double>& want, double allowed, OutputError& out) {
  out.within = got.size() == want.size();
  out.bound = allowed;
  for (size_t i = 0; i < std::min(got.size(), want.size()); ++i) {
    if (both_equal(got[i], want[i])) continue;
    const double error = std::abs(got[i] - want[i]);
    if (!(error <= allowed)) out.within = false;  // also for NaN against a number
    if (!(error <= out.max_abs)) {
      out.max_abs = error;
      out.worst = static_cast<int64_t>(i);
      out.got = got[i];
      out.want = want[i];
    }
    out.max_rel = std::max(out.max_rel, error / std::abs(want[i]));
    if (is_float(out.type)) out.max_ulp = std::max(out.max_ulp, ulps(out.type, got[i], want[i]));
  }
}

OutputError compare(const PortInfo& port, const Tensor& got, const Tensor& want, const Tensor& rounded) {
  OutputError out{.name = port.name, .type = port.type, .count = want.count()};
  if (got.dims != want.dims) return out;
  if (!want.f.empty()) {
    double largest = 0;
    for (double x : want.f)
      if (std::isfinite(x)) largest = std::max(largest, std::abs(x));
    compare(got.f, want.f, kRoundings * largest_difference(rounded, want) + kUnits * unit_roundoff(port.type) * largest, out);
  } else {
    // A quantised value may fall on the other side of a tie.
    const double allowed = bits(port.type) <= 8 && port.type != DType::Bool ? 1 : 0;
    compare({got.i.begin(), got.i.end()}, {want.i.begin(), want.i.end()}, allowed, out);
  }
  return out;
}

std::vector<Tensor> in_graph_order(const Graph& graph, const Signature& signature, const std::vector<Tensor>& inputs) {
  std::vector<Tensor> out;
  for (ValueId input : graph.inputs) {
    auto port = std::ranges::find(signature.inputs, graph.values[input].name, &PortInfo::name);
    TENON_CHECK(port != signature.inputs.end(), "input names of graph and artifact differ");
    out.push_back(inputs[static_cast<size_t>(port - signature.inputs.begin())]);
  }
  return out;
}

}  // namespace

Result<VerifyReport> verify(const VerifyOptions& options) {
  if (options.layers) return fail(Code::E0601, "verify --layers is not available in this release");
  ScratchFolder scratch;
  TENON_TRY(const Graph graph, import_onnx(options.compile.model, options.compile.import));
  TENON_TRY(const std::string path, artifact_or_compiled(options.artifact, options.compile, scratch));
  TENON_TRY(const std::unique_ptr<Artifact> artifact, open_artifact(path));
  const Signature& signature = artifact->signature();
  for (ValueId input : graph.inputs)
    if (std::ranges::find(signature.inputs, graph.values[input].name, &PortInfo::name) == signature.inputs.end())
      return fail(Code::E0501, path + " is not of this model: it has no input `" + graph.values[input].name + "`");
  if (graph.inputs.size() != signature.inputs.size() || graph.outputs.size() != signature.outputs.size())
    return fail(Code::E0501, path + " is not of this model: its inputs and outputs differ");

  Dims dims = options.dims;
  const std::vector<std::string> specs = options.inputs.empty() ? std::vector<std::string>{"random:0"} : options.inputs;
  TENON_TRY(const std::vector<Tensor> inputs, load_inputs(signature, specs, dims, true));
  TENON_TRY(const std::vector<Tensor> outputs, artifact->run(inputs, dims, options.threads));

  const std::vector<Tensor> fed = in_graph_order(graph, signature, inputs);
  EvalOptions exact{.dims = {dims.begin(), dims.end()}}, rounding = exact;
  rounding.observe = [](const Node&, std::span<const ValueId>, std::span<Tensor> values) {
    for (Tensor& value : values) round_elements(value);
  };
  TENON_TRY(const std::vector<Tensor> want, evaluate(graph, fed, exact));
  TENON_TRY(const std::vector<Tensor> rounded, evaluate(graph, fed, rounding));

  VerifyReport report{.dims = {dims.begin(), dims.end()}, .passed = true};
  for (size_t k = 0; k < outputs.size(); ++k) {
    report.outputs.push_back(compare(signature.outputs[k], outputs[k], want[k], rounded[k]));
    report.passed = report.passed && report.outputs.back().within;
  }
  return report;
}

}  // namespace tenon
