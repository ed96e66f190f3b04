#include <fmt/format.h>

#include <memory>

#include "batch.h"
#include "records.h"

namespace tenon::cli {

namespace {

void print_artifact(Console& console, const ArtifactSummary& artifact) {
  const std::string workspace = artifact.workspace_bytes < 0
                                    ? "by function of the dims"
                                    : fmt::format("{:.1f} KiB", double(artifact.workspace_bytes) / 1024);
  console.print(
      fmt::format("{}  {}\n  code {:.1f} KiB  weights {:.1f} KiB  workspace {}  kernels {}  {:.2f} s{}\n",
                  console.styled_output(Style::Bold, artifact.target), artifact.folder,
                  double(artifact.code_bytes) / 1024, double(artifact.weights_bytes) / 1024, workspace,
                  artifact.kernels, artifact.seconds, artifact.cached ? "  cached" : ""));
  for (const LevelSummary& level : artifact.levels)
    console.print(fmt::format("  {:<16} code {:.1f} KiB  weights {:.1f} KiB, {:.1f} KiB of them for it alone  kernels {}\n", level.target,
                              double(level.code_bytes) / 1024, double(level.weights_bytes) / 1024,
                              double(level.own_weights_bytes) / 1024, level.kernels));
  if (console.verbose())
    for (const OutputFile& file : artifact.files)
      console.print(fmt::format("  {:>12}  {}  {}\n", file.bytes, file.blake3.substr(0, 16), file.path));
}

int run_compile(const ModelArguments& arguments, Console& console) {
  if (arguments.model.empty())
    return console.fail({{.code = Code::E0601, .message = "a MODEL or --manifest is needed", .hint = "tenon compile --help"}});
  const auto options = to_options(arguments, console);
  if (!options) return console.fail(options.error());
  const auto outcomes = compile(*options);
  if (!outcomes) return console.fail(outcomes.error());
  int code = kOk;
  for (const CompileOutcome& outcome : *outcomes) {
    console.end_progress();
    if (!outcome.artifact) {
      code = std::max(code, console.fail(outcome.artifact.error(), outcome.target));
      continue;
    }
    console.record(artifact_record(*outcome.artifact));
    print_artifact(console, *outcome.artifact);
  }
  return code;
}

}  // namespace

Command compile_command() {
  struct Arguments {
    ModelArguments model;
    std::string manifest;
  };
  auto arguments = std::make_shared<Arguments>();
  ModelArguments& model = arguments->model;
  return {
      .name = "compile",
      .summary = "Compile a model into a native library",
      .examples =
          "tenon compile m.onnx -o out                               # for any CPU of this architecture\n"
          "tenon compile m.onnx -o out --target native               # for this very machine\n"
          "tenon compile m.onnx -o out --target cortex-a76 --target x86-64-v3\n"
          "tenon compile m.onnx -o out --cpu-dispatch v2,v3,v4       # one library for many PCs\n"
          "tenon compile m.onnx -o out --dim N=1..8 --emit so,header # a range of batch sizes\n"
          "tenon compile m.onnx -o out --emit exe --target rv64gcv   # a program that needs nothing\n"
          "tenon compile m.onnx -o out --emit graph,loops,schedule   # what was decided, as text\n"
          "tenon compile --manifest tenon.toml                       # many models for many targets",
      .options = joined({{model_row(model, false),
                          {"--manifest", "FILE", "Compile what a tenon.toml lists: docs/manifest.md", &arguments->manifest}},
                         output_rows(model),
                         import_rows(model),
                         code_rows(model)}),
      .run =
          [arguments](Console& console) {
            return arguments->manifest.empty() ? run_compile(arguments->model, console)
                                               : run_batch(arguments->manifest, arguments->model, console);
          },
  };
}

}  // namespace tenon::cli
