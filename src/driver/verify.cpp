// An artifact against the reference evaluator; docs/accuracy.md.
#include <algorithm>
#include <cmath>
#include <filesystem>

#include "compare.h"
#include "expected.h"
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

OutputError compare(const PortInfo& port, const Tensor& got, const Tensor& want, double allowed) {
  if (got.dims != want.dims) return {.name = port.name, .type = port.type, .count = want.count()};
  const std::vector<double> bound(static_cast<size_t>(want.count()), allowed);
  return compare(port.name, port.type, numbers(got), numbers(want), bound);
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
  ExactValues quantised;
  std::function<void(const EvalInput&, std::span<Tensor>)> remember;
  if (options.layers) remember = [&](const EvalInput& in, std::span<Tensor> values) { remember_quantised(graph, in, values, quantised); };
  TENON_TRY(const ExpectedOutputs want, expected_outputs(graph, fed, dims, artifact->precision.value_or(options.compile.precision), remember));
  if (!options.output.empty()) TENON_DO(write_reference(options.output, signature, want.values));

  VerifyReport report{.dims = {dims.begin(), dims.end()}, .passed = true};
  for (size_t k = 0; k < outputs.size(); ++k)
    report.outputs.push_back(compare(signature.outputs[k], outputs[k], want.values[k], want.bounds[k]));
  if (options.layers) TENON_DO(verify_layers(options, *artifact, inputs, dims, quantised, report));
  for (const auto* errors : {&report.outputs, &report.layers})
    report.passed = report.passed && std::ranges::all_of(*errors, &OutputError::within);
  return report;
}

}  // namespace tenon
