#include "batch.h"

#include <fmt/format.h>

#include "records.h"

namespace tenon::cli {

namespace {

// Options that the manifest has keys for may not be given as well.
Result<void> check_arguments(const ModelArguments& a) {
  const std::pair<const char*, bool> given[] = {
      {"MODEL", !a.model.empty()},       {"--name", !a.name.empty()},       {"--target", !a.targets.empty()},
      {"--state", !a.states.empty()},
      {"--cpu-dispatch", !a.cpu_dispatch.empty()},
      {"--dim", !a.dims.empty()},        {"--shape", !a.shapes.empty()},    {"--emit", !a.emit.empty()},
      {"--weights", !a.weights.empty()}, {"--threads", !a.threads.empty()}, {"--policy", !a.policy.empty()},
      {"--tune-at", !a.tune_at.empty()},
      {"--schedule", !a.schedule.empty()}, {"-O", !a.level.empty()},        {"--depfile", !a.depfile.empty()}};
  Diags problems;
  for (const auto& [option, is_given] : given)
    if (is_given)
      problems.push_back({.code = Code::E0601,
                          .message = fmt::format("{} does not go with --manifest", option),
                          .hint = "write it into the manifest: docs/manifest.md"});
  if (!problems.empty()) return std::unexpected(std::move(problems));
  return {};
}

std::string kib(int64_t bytes) { return fmt::format("{:.1f} KiB", double(bytes) / 1024); }

// One row per artifact, in the manifest's order.
class Table {
 public:
  explicit Table(Console& console) : console_(console) {}

  void add(const std::string& model, const std::string& target, const ArtifactSummary& artifact) {
    rows_.push_back({model, target, artifact.cached ? "cached" : "compiled", kib(artifact.code_bytes), kib(artifact.weights_bytes),
                     artifact.workspace_bytes < 0 ? "by dims" : kib(artifact.workspace_bytes),
                     std::to_string(artifact.kernels), fmt::format("{:.2f} s", artifact.seconds)});
  }
  void add(const std::string& model, const std::string& target, const Diags& problems) {
    rows_.push_back({model, target, fmt::format("{}{}", code_name(problems.front().code),
                                                problems.size() > 1 ? fmt::format(" +{}", problems.size() - 1) : "")});
    rows_.back().resize(kColumns, "-");
  }
  void print() const {
    std::vector<size_t> widths(kColumns);
    for (const auto& row : rows_)
      for (size_t k = 0; k < kColumns; ++k) widths[k] = std::max(widths[k], row[k].size());
    for (const auto& row : rows_) {
      std::string line;
      for (size_t k = 0; k < kColumns; ++k)
        line += k < 3 ? fmt::format("{:<{}}  ", row[k], widths[k]) : fmt::format("{:>{}}  ", row[k], widths[k]);
      console_.print(line.substr(0, line.size() - 2) + "\n");
    }
  }

 private:
  static constexpr size_t kColumns = 8;
  Console& console_;
  std::vector<std::vector<std::string>> rows_ = {
      {"model", "target", "status", "code", "weights", "workspace", "kernels", "time"}};
};

}  // namespace

int run_batch(const std::string& manifest, const ModelArguments& arguments, Console& console) {
  if (const auto checked = check_arguments(arguments); !checked) return console.fail(checked.error());
  auto base = to_options(arguments, console);
  if (!base) return console.fail(base.error());
  base->output = arguments.output;
  const auto models = read_batch(manifest, *base);
  if (!models) return console.fail(models.error());

  Table table(console);
  int code = kOk;
  auto failed = [&](const BatchOutcome& batch, const std::string& target, const Diags& problems) {
    code = std::max(code, exit_code(problems));
    console.record(failed_artifact_record(batch, target, problems));
    table.add(batch.model, target, problems);
  };
  compile_batch(*models, arguments.jobs, [&](const BatchOutcome& batch) {
    console.end_progress();
    if (!batch.artifacts) {
      Diags problems = batch.artifacts.error();
      for (Diag& problem : problems)
        if (problem.file.empty()) problem.file = batch.file;
      console.fail(problems);
      for (const std::string& target : batch.targets) failed(batch, target, problems);
      return;
    }
    for (const CompileOutcome& outcome : *batch.artifacts) {
      if (outcome.artifact) {
        console.record(artifact_record(*outcome.artifact));
        table.add(batch.model, outcome.target, *outcome.artifact);
        continue;
      }
      Diags problems = outcome.artifact.error();
      for (Diag& problem : problems)
        if (problem.file.empty()) problem.file = batch.file;
      console.fail(problems, outcome.target);
      failed(batch, outcome.target, problems);
    }
  });
  table.print();
  return code;
}

}  // namespace tenon::cli
