#include <fmt/format.h>

#include <memory>

#include "model_options.h"
#include "records.h"

namespace tenon::cli {

namespace {

struct Arguments {
  ModelArguments model;
  std::string artifact;
  std::vector<std::string> inputs;
  std::string output, level;
  bool layers = false, guard = false;
  int threads = 1;
};

std::string verdict(Console& console, const OutputError& e) {
  return console.styled_output(e.within ? Style::Green : Style::Red, e.within ? "ok   " : "WRONG");
}

void print_worst(Console& console, const OutputError& e) {
  if (e.within) return;
  console.print(
      fmt::format("      element {} of {}: {:.9g}, reference {:.9g}\n", e.worst, e.count, e.got, e.want));
  if (!e.node.empty()) console.print(fmt::format("      first wrong at {}\n", e.node));
}

void print_outputs(Console& console, const std::vector<OutputError>& errors) {
  for (const OutputError& e : errors) {
    console.print(fmt::format("{} {:<32} worst: {:.3g} ULP, absolute {:.3g}, relative {:.3g}; bound {:.3g}\n",
                              verdict(console, e), e.name, e.max_ulp, e.max_abs, e.max_rel, e.bound));
    print_worst(console, e);
  }
}

void print_layers(Console& console, const std::vector<OutputError>& layers) {
  for (const OutputError& e : layers) {
    std::string line = fmt::format("{} {:<32} {:>6.1f} % of its bound; worst: ", verdict(console, e), e.name, 100 * e.ratio);
    if (is_float(e.type)) line += fmt::format("{:.3g} ULP, absolute {:.3g}, relative {:.3g}", e.max_ulp, e.max_abs, e.max_rel);
    else line += fmt::format("{:.3g} off, {} of {} differ", e.max_abs, e.different, e.count);
    if (!e.op.empty()) line += fmt::format("; {} c = {:.3g}, K = {}", e.op, e.c, e.terms);
    console.print(line + "\n");
    print_worst(console, e);
  }
}

int run_verify(const Arguments& a, Console& console) {
  const auto options = to_options(a.model, console);
  if (!options) return console.fail(options.error());
  VerifyOptions request{.compile = *options, .artifact = a.artifact, .inputs = a.inputs, .layers = a.layers};
  request.guard = a.guard;
  request.output = a.output;
  request.level = a.level;
  request.threads = static_cast<unsigned>(std::max(1, a.threads));
  for (const auto& [name, range] : options->import.dims)
    if (range.lo == range.hi) request.dims[name] = range.lo;
  const auto report = verify(request);
  if (!report) return console.fail(report.error());
  console.record(verify_record(*report));
  for (const auto& [name, value] : report->dims) console.print(fmt::format("{} = {}\n", name, value));
  print_layers(console, report->layers);
  for (const NodeRef& node : report->islands)
    console.print(fmt::format("note  {} `{}` (node {}) computes in floats between quantised values\n", node.op, node.name, node.index));
  print_outputs(console, report->outputs);
  if (report->passed) return kOk;
  return console.fail({{.code = Code::E0504,
                        .message = "outputs are outside the bound of the reference",
                        .hint = "--layers names the region"}});
}

}  // namespace

Command verify_command() {
  auto a = std::make_shared<Arguments>();
  return {
      .name = "verify",
      .summary = "Compare an artifact with the reference evaluator",
      .examples =
          "tenon verify m.onnx out                          # random inputs\n"
          "tenon verify m.onnx --target native --layers     # compile, and judge every region\n"
          "tenon verify m.onnx out --input test_data_set_0  # stored inputs",
      .options = joined(
          {{model_row(a->model, true),
            {"artifact", "ARTIFACT", "An artifact's folder or library; default: compile the model",
             &a->artifact},
            {"-i,--input", "NAME=FILE", "As for `tenon run`; default: random:0; repeatable", &a->inputs},
            {"--layers", "", "Judge every region, fed with the reference's values", &a->layers},
            {"--guard", "", "Run with the workspace between pages that fault when touched", &a->guard},
            {"--reference", "DIR", "Folder for the reference's outputs in f64",
             &a->output},
            level_row(a->level),
            {"--workers", "N", "Threads to run on", &a->threads}},
           import_rows(a->model),
           code_rows(a->model)}),
      .run = [a](Console& console) { return run_verify(*a, console); },
  };
}

}  // namespace tenon::cli
