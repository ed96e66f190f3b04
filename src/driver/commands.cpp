// run, inspect: what is done with an artifact.
#include "inputs.h"
#include "signature.h"

namespace tenon {

Result<std::vector<NamedTensor>> run(const RunOptions& options) {
  TENON_TRY(const std::unique_ptr<Artifact> artifact, open_artifact(options.artifact, options.level, options.huge_pages));
  Dims dims = options.dims;
  TENON_TRY(const std::vector<Tensor> inputs, load_inputs(artifact->signature(), options.inputs, dims, false));
  TENON_TRY(std::vector<Tensor> outputs, artifact->run(inputs, dims, options.threads));
  if (!options.output.empty()) TENON_DO(write_outputs(options.output, artifact->signature(), outputs));
  std::vector<NamedTensor> named;
  for (size_t k = 0; k < outputs.size(); ++k)
    named.push_back({artifact->signature().outputs[k].name, std::move(outputs[k])});
  return named;
}

Result<InspectReport> inspect(const std::string& path, const ImportOptions& import) {
  InspectReport report;
  if (!path.ends_with(".onnx")) {
    TENON_TRY(const std::unique_ptr<Artifact> artifact, open_artifact(path));
    report.signature = artifact->signature();
    report.weights_bytes = artifact->weights_bytes;
    report.target = artifact->target;
    report.build_id = artifact->build_id;
    report.compiler = artifact->compiler;
    report.levels = artifact->levels;
    return report;
  }
  TENON_TRY(const Graph graph, import_onnx(path, import));
  report.signature = signature_of(graph);
  for (const Constant& constant : graph.constants) report.weights_bytes += static_cast<int64_t>(constant.bytes.size);
  std::map<int, std::string> nodes;
  std::map<std::string, int> operators;
  for (const Node& node : graph.nodes)
    if (node.origin.index >= 0) nodes[node.origin.index] = node.origin.op;
  for (const auto& [index, op] : nodes) ++operators[op];
  report.nodes = nodes.size();
  report.operators.assign(operators.begin(), operators.end());
  return report;
}

}  // namespace tenon
