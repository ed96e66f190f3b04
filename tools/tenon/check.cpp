#include <fmt/format.h>

#include <memory>

#include "model_options.h"
#include "records.h"

namespace tenon::cli {

namespace {

int run_check(const ModelArguments& arguments, Console& console) {
  const auto options = to_options(arguments, console);
  if (!options) return console.fail(options.error());
  const auto report = check(*options);
  if (!report) return console.fail(report.error());
  console.record(check_record(*report));
  int code = kOk;
  for (const auto& [target, diags] : report->targets) {
    if (!diags.empty()) code = std::max(code, console.fail(diags, target));
    console.print(fmt::format("{:<16} {}\n", target,
                              diags.empty() ? "compiles" : fmt::format("{} problems", diags.size())));
  }
  if (console.verbose())
    for (const auto& [name, uses] : report->operators) console.print(fmt::format("{:>6}  {}\n", uses, name));
  return code;
}

}  // namespace

Command check_command() {
  auto arguments = std::make_shared<ModelArguments>();
  return {
      .name = "check",
      .summary = "Report everything in a model that a target cannot compile",
      .examples =
          "tenon check m.onnx\n"
          "tenon check m.onnx --target aarch64 --target rv64gcv -v  # with the operators it uses",
      .options = joined({{model_row(*arguments, true)}, import_rows(*arguments), code_rows(*arguments)}),
      .run = [arguments](Console& console) { return run_check(*arguments, console); },
  };
}

}  // namespace tenon::cli
