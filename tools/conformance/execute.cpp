#include "execute.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <fstream>
#include <set>

#include "compare.h"
#include "tenon/driver.h"
#include "tenon/frontend.h"
#include "tenon/ops.h"
#include "tenon/policy.h"

namespace tenon::conformance {

namespace fs = std::filesystem;

namespace {

Outcome failed(std::string message) { return {.status = Status::Failed, .message = std::move(message)}; }

// A diagnostic about the model is an answer; one about our own code is a failure.
Outcome diagnosed(const Diags& diags) {
  const Diag& diag = diags.front();
  const bool ours = diag.code == Code::E0404 || diag.code == Code::E0503 || diag.code == Code::E0603;
  return {.status = ours ? Status::Failed : Status::Unsupported,
          .code = std::string(code_name(diag.code)),
          .op = diag.node.op,
          .message = diag.message};
}

// ONNX's generate_dummy_data: element i of n is i / n.
Tensor ramp(const std::vector<int64_t>& dims) {
  Tensor tensor = Tensor::zeros(DType::F32, dims);
  const auto n = static_cast<double>(tensor.count());
  for (size_t i = 0; i < tensor.f.size(); i++) tensor.f[i] = static_cast<double>(i) / n;
  round_elements(tensor);
  return tensor;
}

Result<std::vector<Tensor>> read_all(const std::vector<fs::path>& files) {
  std::vector<Tensor> tensors;
  for (const fs::path& file : files) {
    TENON_TRY(auto named, read_tensor_file(file));
    tensors.push_back(std::move(named.second));
  }
  return tensors;
}

std::vector<Tensor> ramps(const Graph& graph) {
  std::vector<Tensor> inputs;
  for (ValueId input : graph.inputs) {
    std::vector<int64_t> dims;
    for (Expr dim : graph.values[input].dims) dims.push_back(graph.pool.as_int(dim).value_or(1));
    inputs.push_back(ramp(dims));
  }
  return inputs;
}

Outcome compared(const std::vector<Tensor>& got, const DataSet& data, const Case& test) {
  auto want = read_all(data.outputs);
  if (!want) return diagnosed(want.error());
  if (got.size() != want->size())
    return failed(fmt::format("{} outputs, expected {}", got.size(), want->size()));
  for (size_t i = 0; i < got.size(); i++)
    if (auto text = mismatch(got[i], (*want)[i], test.rtol, test.atol))
      return failed(fmt::format("output {}: {}", i, *text));
  return {.status = Status::Passed};
}

// Every operator of the model once.
std::string operators(const Graph& graph) {
  std::set<std::string> names;
  for (const Node& node : graph.nodes) names.insert(node.origin.op);
  return fmt::format("{}", fmt::join(names, " "));
}

Outcome by_evaluator(const Graph& graph, const DataSet& data, const Case& test) {
  auto inputs = data.inputs.empty() ? Result<std::vector<Tensor>>(ramps(graph))
                                    : read_all(numbered(data.inputs, "input_"));
  if (!inputs) return diagnosed(inputs.error());
  auto outputs = evaluate(graph, *inputs, {});
  return outputs ? compared(*outputs, data, test) : diagnosed(outputs.error());
}

// Inputs in memory go through files, as a user's do.
Result<std::vector<std::string>> input_arguments(const Graph& graph, const DataSet& data, const fs::path& scratch) {
  std::vector<std::string> arguments;
  if (!data.inputs.empty()) {
    arguments.push_back(data.inputs.string());
    return arguments;
  }
  const std::vector<Tensor> inputs = ramps(graph);
  for (size_t i = 0; i < inputs.size(); i++) {
    const fs::path file = scratch / fmt::format("input_{}.npy", i);
    TENON_DO(write_npy(file.string(), inputs[i]));
    arguments.push_back(graph.values[graph.inputs[i]].name + "=" + file.string());
  }
  return arguments;
}

Outcome by_artifact(const Graph& graph, const std::string& artifact, const DataSet& data, const Case& test,
                    const Options& options, const fs::path& scratch) {
  auto inputs = input_arguments(graph, data, scratch);
  if (!inputs) return diagnosed(inputs.error());
  auto on = [&](unsigned threads) -> Result<std::vector<Tensor>> {
    TENON_TRY(auto outputs, run({.artifact = artifact, .inputs = *inputs, .dims = {}, .output = {}, .threads = threads}));
    std::vector<Tensor> got;
    for (NamedTensor& named : outputs) got.push_back(std::move(named.tensor));
    return got;
  };
  const auto alone = on(1);
  if (!alone) return diagnosed(alone.error());
  if (options.workers > 1) {
    const auto together = on(options.workers);
    if (!together) return diagnosed(together.error());
    for (size_t k = 0; k < alone->size(); ++k)
      if (encode((*alone)[k]) != encode((*together)[k]))
        return failed(fmt::format("output {}: {} threads give other bits than one", k, options.workers));
  }
  return compared(*alone, data, test);
}

// A schedule as the policy decides it, but with tasks everywhere. What cannot be planned is for `compile` to report.
Result<std::string> schedule_of_tasks(const Case& test, const Options& options, const std::string& name, const fs::path& scratch) {
  TENON_TRY(const Target target, load_target(options.target));
  TENON_TRY(Graph graph, import_onnx(test.model, {}));
  graph.name = name;
  TENON_TRY(graph, run_graph_passes(std::move(graph), {.level = options.level, .unsigned_bytes = prefers_unsigned_bytes(target)}));
  TENON_TRY(Plan plan, rules_policy(graph, target));
  for (RegionPlan& region : plan.regions)
    for (Variant& variant : region.schedule.variants) {
      if (variant.knobs[Knob::parallel] == 0) variant.knobs.set(Knob::parallel, 1);
      variant.knobs.set(Knob::grain, -1);
    }
  const fs::path file = scratch / "tasks.schedule";
  std::ofstream(file) << print(plan, graph) << std::flush;
  return file.string();
}

Result<std::string> compiled(const Case& test, const Options& options, const fs::path& scratch) {
  CompileOptions compile_options;
  compile_options.model = test.model.string();
  compile_options.output = (scratch / "artifact").string();
  compile_options.targets = {options.target};
  compile_options.level = options.level;
  compile_options.emit = {Emit::SharedLibrary};
  compile_options.jobs = 1;
  compile_options.passes.verify_each = true;
  if (options.workers > 1) {
    compile_options.name = "tasks";
    compile_options.threads = Threads::Pool;
    TENON_TRY(compile_options.schedule, schedule_of_tasks(test, options, compile_options.name, scratch));
  }
  TENON_TRY(std::vector<CompileOutcome> outcomes, compile(compile_options));
  if (!outcomes[0].artifact) return std::unexpected(std::move(outcomes[0].artifact).error());
  return compile_options.output;
}

}  // namespace

Outcome execute(const Case& test, const Options& options, const fs::path& scratch) {
  auto graph = import_onnx(test.model, {});
  if (!graph) return diagnosed(graph.error());
  std::string artifact;
  if (!options.reference) {
    auto made = compiled(test, options, scratch);
    if (!made) return diagnosed(made.error());
    artifact = std::move(*made);
  }
  for (const DataSet& data : test.data) {
    Outcome outcome = options.reference ? by_evaluator(*graph, data, test)
                                        : by_artifact(*graph, artifact, data, test, options, scratch);
    if (outcome.status == Status::Passed) continue;
    if (outcome.op.empty()) outcome.op = operators(*graph);
    return outcome;
  }
  return {.status = Status::Passed, .op = operators(*graph)};
}

}  // namespace tenon::conformance
