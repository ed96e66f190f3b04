// An artifact against the reference evaluator; docs/accuracy.md.
//
// The bound of a float output follows the model: rounding every value of the float64 reference to its type
// shows how much of one rounding per operation arrives at the output; a kernel that sums K terms makes up to
// about sqrt(K) roundings, so kRoundings of these are allowed, and a few units of the output's largest value.
#include <algorithm>
#include <cmath>
#include <filesystem>

#include "compare.h"
#include "files.h"
#include "islands.h"
#include "inputs.h"
#include "scratch_folder.h"
#include "signature.h"
#include "tenon/hash.h"
#include "tenon/ops.h"
#include "tenon/short_functions.h"
#include "verify_layers.h"

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

OutputError compare(const PortInfo& port, const Tensor& got, const Tensor& want, const Tensor& rounded, const Tensor* narrow, double draws) {
  if (got.dims != want.dims) return {.name = port.name, .type = port.type, .count = want.count()};
  // A quantised value may fall on the other side of a tie.
  double allowed = is_integer(port.type) && bits(port.type) <= 8 ? 1 : 0;
  if (!want.f.empty()) {
    double largest = 0;
    for (double x : want.f)
      if (std::isfinite(x)) largest = std::max(largest, std::abs(x));
    allowed = kRoundings * largest_difference(rounded, want) + kUnits * unit_roundoff(port.type) * largest;
    if (narrow) allowed += draws * largest_difference(*narrow, want);
  }
  const std::vector<double> bound(static_cast<size_t>(want.count()), allowed);
  return compare(port.name, port.type, numbers(got), numbers(want), bound);
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

Result<void> check_same_model(const Graph& graph, const Signature& signature, const std::string& path) {
  for (ValueId input : graph.inputs)
    if (std::ranges::find(signature.inputs, graph.values[input].name, &PortInfo::name) == signature.inputs.end())
      return fail(Code::E0501, path + " is not of this model: it has no input `" + graph.values[input].name + "`");
  if (graph.inputs.size() != signature.inputs.size() || graph.outputs.size() != signature.outputs.size())
    return fail(Code::E0501, path + " is not of this model: its inputs and outputs differ");
  return {};
}

// The quantised values of the model as it was imported, as evaluation goes by.
void remember_quantised(const Graph& graph, const EvalInput& in, std::span<const Tensor> values, ExactValues& exact) {
  for (size_t k = 0; k < values.size(); ++k)
    if (is_integer(values[k].type) && bits(values[k].type) <= 8) exact[graph.values[in.node.outputs[k]].name] = values[k];
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

// As `run` writes outputs, floats in f64.
Result<void> write_reference(const std::string& folder, const Signature& signature, std::vector<Tensor> outputs) {
  for (Tensor& output : outputs)
    if (!output.f.empty()) output.type = DType::F64;
  return write_outputs(folder, signature, outputs);
}

Result<void> verify_layers(const VerifyOptions& options, Artifact& artifact, const std::vector<Tensor>& inputs,
                           const Dims& dims, const ExactValues& exact, VerifyReport& report) {
  CompileOptions compile = options.compile;
  compile.name = artifact.signature().name;
  compile.cpu_dispatch.clear();
  if ((compile.targets.empty() || !artifact.level.empty()) && !artifact.target.empty()) compile.targets = {artifact.target};
  compile.precision = artifact.precision.value_or(compile.precision);
  // A symbol that is bound for this run only is open in the artifact.
  for (const SymbolInfo& symbol : artifact.signature().symbols) {
    compile.import.dims.erase(symbol.name);
    if (symbol.hi < kLargestDim) compile.import.dims[symbol.name] = {symbol.lo, symbol.hi};
  }
  TENON_TRY(const Lowered model, lower_model(compile));
  if (artifact.loops_blake3 != hex(blake3(print(model.module))))
    return fail(Code::E0501, "the artifact is not what this model compiles to with these options",
                "layers need the artifact's folder, and the options that it was compiled with");
  const std::vector<Tensor> fed = in_graph_order(model.graph, artifact.signature(), inputs);
  TENON_TRY(const Reference reference, judge_regions(model, fed, dims, exact));
  TENON_TRY(report.layers, verify_regions(artifact, model, reference, inputs, dims));
  TENON_DO(name_wrong_nodes(report.layers, model, compile, fed, dims, exact));
  for (const Diag& island : float_islands(model.graph)) report.islands.push_back(island.node);
  return {};
}

}  // namespace

Result<VerifyReport> verify(const VerifyOptions& options) {
  if (options.layers && !options.compile.states.empty())
    return fail(Code::E0601, "--layers judges the kernels of an artifact without --state", "verify twice: with --state, and with --layers");
  ScratchFolder scratch;
  TENON_TRY(const Graph graph, import_onnx(options.compile.model, options.compile.import));
  TENON_TRY(const std::string path, artifact_or_compiled(options.artifact, options.compile, scratch));
  TENON_TRY(const std::unique_ptr<Artifact> artifact, open_artifact(path, options.level));
  artifact->guarded = options.guard;
  const Signature& signature = artifact->signature();
  TENON_DO(check_same_model(graph, signature, path));

  Dims dims = options.dims;
  const std::vector<std::string> specs = options.inputs.empty() ? std::vector<std::string>{"random:0"} : options.inputs;
  TENON_TRY(const std::vector<Tensor> inputs, load_inputs(signature, specs, dims, true));
  TENON_TRY(const std::vector<Tensor> outputs, artifact->run(inputs, dims, options.threads));

  const std::vector<Tensor> fed = in_graph_order(graph, signature, inputs);
  EvalOptions exact{.dims = {dims.begin(), dims.end()}}, rounding = exact;
  rounding.observe = [](const EvalInput&, std::span<Tensor> values) {
    for (Tensor& value : values) round_elements(value);
  };
  ExactValues quantised;
  if (options.layers)
    exact.observe = [&](const EvalInput& in, std::span<Tensor> values) { remember_quantised(graph, in, values, quantised); };
  TENON_TRY(const std::vector<Tensor> want, evaluate(graph, fed, exact));
  TENON_TRY(const std::vector<Tensor> rounded, evaluate(graph, fed, rounding));
  std::vector<Tensor> narrow;
  const Precision precision = artifact->precision.value_or(options.compile.precision);
  if (precision == Precision::Bf16 || precision == Precision::Fp16) {
    EvalOptions narrowing = rounding;
    narrowing.rounded = precision == Precision::Bf16 ? DType::BF16 : DType::F16;
    TENON_TRY(narrow, evaluate(graph, fed, narrowing));
  } else if (precision == Precision::Fast) {
    TENON_TRY(narrow, evaluate(graph, fed, filtering(graph, rounding)));
  }
  if (!options.output.empty()) TENON_DO(write_reference(options.output, signature, want));

  // Partial sums of h terms in f16, two of which are added, grow as random walks do: their roundings have h/4 + 1/2 times the
  // variance of the operands'.
  const double draws = precision == Precision::Fp16 ? kDraws * std::sqrt(1.5 + static_cast<double>(kMostHalfTerms) / 8) : kDraws;
  VerifyReport report{.dims = {dims.begin(), dims.end()}, .passed = true};
  for (size_t k = 0; k < outputs.size(); ++k)
    report.outputs.push_back(compare(signature.outputs[k], outputs[k], want[k], rounded[k], narrow.empty() ? nullptr : &narrow[k], draws));
  if (options.layers) TENON_DO(verify_layers(options, *artifact, inputs, dims, quantised, report));
  for (const auto* errors : {&report.outputs, &report.layers})
    report.passed = report.passed && std::ranges::all_of(*errors, &OutputError::within);
  return report;
}

}  // namespace tenon
