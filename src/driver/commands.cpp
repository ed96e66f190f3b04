// run, bench, inspect: what is done with an artifact.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>

#include "inputs.h"
#include "scratch_folder.h"
#include "signature.h"

namespace tenon {

namespace {

namespace fs = std::filesystem;

double quantile(const std::vector<double>& sorted, double q) {
  return sorted[static_cast<size_t>(q * static_cast<double>(sorted.size() - 1) + 0.5)];
}

}  // namespace

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

Result<BenchReport> bench(const BenchOptions& options) {
  ScratchFolder scratch;
  TENON_TRY(const std::string path, artifact_or_compiled(options.artifact, options.compile, scratch));
  TENON_TRY(const std::unique_ptr<Artifact> artifact, open_artifact(path, options.level, options.huge_pages));
  if (options.kernels && artifact->calls.empty())
    return fail(Code::E0501, path + " has no manifest that names its kernels", "name the artifact's folder");
  Dims dims = options.dims;
  const std::vector<std::string> specs = options.inputs.empty() ? std::vector<std::string>{"random:0"} : options.inputs;
  TENON_TRY(const std::vector<Tensor> inputs, load_inputs(artifact->signature(), specs, dims, false));
  TENON_TRY(const std::vector<CallTimes> times,
            artifact->time(inputs, dims, options.threads, options.runs, options.kernels));

  std::vector<double> totals;
  for (const CallTimes& t : times) totals.push_back(t.total_ms);
  std::ranges::sort(totals);
  BenchReport report{.target = artifact->target, .median_ms = quantile(totals, 0.5), .min_ms = totals.front(),
                     .runs = static_cast<int>(totals.size()), .threads = options.threads};
  report.spread = (quantile(totals, 0.9) - quantile(totals, 0.1)) / report.median_ms;
  if (!options.kernels) return report;
  constexpr double unknown = std::numeric_limits<double>::quiet_NaN();
  std::map<std::string, size_t> rows;
  std::vector<CallCost> costs;
  for (size_t call = 0; call < artifact->calls.size(); ++call) {
    std::vector<double> each;
    for (const CallTimes& t : times)
      if (call < t.kernels_ms.size()) each.push_back(t.kernels_ms[call]);
    if (each.empty()) continue;
    std::ranges::sort(each);
    auto [row, fresh] = rows.emplace(artifact->calls[call].name, report.kernels.size());
    if (fresh) report.kernels.push_back(artifact->calls[call]), costs.push_back({});
    report.kernels[row->second].median_ms += quantile(each, 0.5);
    ++report.kernels[row->second].calls;
    const auto cost = artifact->work[call] ? call_cost(*artifact->work[call], artifact->rates, dims, options.threads, artifact->weights_bytes) : std::nullopt;
    CallCost& sum = costs[row->second];
    sum.operations += cost ? cost->operations : unknown;
    sum.bytes += cost ? cost->bytes : unknown;
    sum.least_ms += cost ? cost->least_ms : unknown;
  }
  for (size_t k = 0; k < costs.size(); ++k) {
    KernelTime& kernel = report.kernels[k];
    if (std::isnan(costs[k].least_ms) || kernel.median_ms <= 0) continue;
    kernel.gflops = costs[k].operations / kernel.median_ms * 1e-6;
    kernel.gb_per_s = costs[k].bytes / kernel.median_ms * 1e-6;
    kernel.roofline = costs[k].least_ms / kernel.median_ms;
  }
  return report;
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
