#include <CLI/CLI.hpp>
#include <fstream>
#include <iostream>
#include <iterator>

#include "../tenon/command.h"
#include "../tenon/pass_options.h"
#include "opt.h"

namespace {

constexpr const char* kHelp = R"(Run passes on a graph or on loops, text in, text out

Usage: tenon-opt [OPTIONS] [FILE]

Examples:
  tenon compile m.onnx --emit graph -o out                    # a graph to start from: out/m.graph
  tenon-opt out/m.graph --pass simplify                       # one pass
  tenon-opt out/m.graph --pass fold_constants,simplify,cse_dce --print-after all
  tenon-opt out/m.graph --to plan --target znver5             # what the rules decide for it
  tenon-opt out/m.graph --to loops --knobs rows=4,vectors=2   # its loops under other knobs
  tenon-opt out/m.graph --pass plan_memory --verify-each      # lowered, then one pass on the loops
  tenon-opt < reproducer.loops --pass share_kernels           # from the standard input

Options:
  FILE                        A graph or a module of loops (docs/ir.md); default: standard input
  --pass NAME,...             Passes to run, in this order; graph passes before loop passes
  --to plan|loops             Of a graph: print the plan (docs/plan.md), or lower it
  --target TARGET             A name of `tenon targets` or a .toml file; default: x86-64-v2
  --schedule FILE             A plan to use in place of the rules'
  --knobs NAME=VALUE,...      Knobs to set in every region of the plan
  --print-after NAME,...      Print the IR to stderr after a pass, after `lower`, or after all
  --verify-each               Check the IR after every pass
  --time-passes               Print how long each pass took
  --list                      List the passes
  -h, --help                  Print help
)";

std::string text_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::istream& in = path.empty() ? std::cin : file;
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

int main(int argc, char** argv) {
  using namespace tenon;
  CLI::App app;
  app.formatter_fn([](const CLI::App*, std::string, CLI::AppFormatMode) { return kHelp; });
  std::string file, schedule, to;
  std::vector<std::string> passes;
  cli::PassArguments shown;
  bool list = false;
  opt::Arguments arguments;
  app.add_option("FILE", file)->check(CLI::ExistingFile);
  app.add_option("--pass", passes)->expected(1)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  app.add_option("--to", to)->check(CLI::IsMember({"plan", "loops"}));
  app.add_option("--target", arguments.target);
  app.add_option("--schedule", schedule)->check(CLI::ExistingFile);
  app.add_option("--knobs", arguments.knobs);
  app.add_option("--print-after", shown.print_after)->expected(1)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  app.add_flag("--verify-each", shown.verify_each);
  app.add_flag("--time-passes", shown.time_passes);
  app.add_flag("--list", list);
  cli::Console console({});
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    std::fputs(kHelp, stdout);
    return cli::kOk;
  } catch (const CLI::Error& error) {
    return console.fail({{.code = Code::E0601, .message = error.what(), .hint = "tenon-opt --help"}});
  }
  if (list) {
    std::fputs(opt::pass_list().c_str(), stdout);
    return cli::kOk;
  }
  arguments.passes = cli::split_commas(passes);
  arguments.to = to == "plan" ? opt::To::Plan : to == "loops" ? opt::To::Loops : opt::To::Same;
  if (!schedule.empty()) arguments.plan = text_of(schedule);
  auto options = cli::pass_options(shown, console);
  if (!options) return console.fail(options.error());
  arguments.options = std::move(*options);
  auto result = opt::run(text_of(file), arguments);
  if (!result) return console.fail(result.error());
  std::fputs(result->c_str(), stdout);
  return cli::kOk;
}
