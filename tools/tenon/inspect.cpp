#include <fmt/format.h>
#include <fmt/ranges.h>

#include <memory>

#include "model_options.h"
#include "records.h"

namespace tenon::cli {

namespace {

std::string ports(std::string_view title, const std::vector<PortInfo>& list) {
  std::string text = fmt::format("{}:\n", title);
  for (const PortInfo& port : list)
    text += fmt::format("  {:<24} {}[{}]\n", port.name, spelling(port.type), fmt::join(port.dims, ","));
  return text;
}

void print_report(Console& console, const InspectReport& report) {
  std::string text = fmt::format("{}\n", report.signature.name);
  if (!report.target.empty())
    text += fmt::format("target {}, build {}, by {}\n", report.target, report.build_id, report.compiler);
  for (const LevelSummary& level : report.levels)
    text += fmt::format("  level {:<16} code {} bytes, weights {}, {} of them for it alone, kernels {}\n", level.target, level.code_bytes,
                        level.weights_bytes, level.own_weights_bytes, level.kernels);
  text += ports("inputs", report.signature.inputs) + ports("outputs", report.signature.outputs);
  if (!report.signature.symbols.empty()) text += "symbols:\n";
  for (const SymbolInfo& symbol : report.signature.symbols)
    text += fmt::format("  {:<24} {}..{}\n", symbol.name, symbol.lo,
                        symbol.hi >= kIndexMax ? "" : std::to_string(symbol.hi));
  text += fmt::format("nodes {}, weights {} bytes\n", report.nodes, report.weights_bytes);
  for (const auto& [name, uses] : report.operators) text += fmt::format("{:>6}  {}\n", uses, name);
  console.print(text);
}

}  // namespace

Command inspect_command() {
  auto arguments = std::make_shared<ModelArguments>();
  Option path = model_row(*arguments, true);
  path.help = "An ONNX file, an artifact's folder or library";
  return {
      .name = "inspect",
      .summary = "Show inputs, outputs, symbols and operators of a model or an artifact",
      .examples =
          "tenon inspect m.onnx\n"
          "tenon inspect out --message-format json",
      .options = joined({{path}, import_rows(*arguments)}),
      .run =
          [arguments](Console& console) {
            const auto options = to_options(*arguments, console);
            if (!options) return console.fail(options.error());
            const auto report = inspect(arguments->model, options->import);
            if (!report) return console.fail(report.error());
            console.record(inspect_record(*report));
            print_report(console, *report);
            return int{kOk};
          },
  };
}

}  // namespace tenon::cli
