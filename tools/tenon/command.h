// A subcommand of `tenon` as data: its options are rows, from which parser, help, shell completions and
// the reference in docs/cli.md are made. Only parse.cpp knows CLI11.
#pragma once

#include <functional>
#include <string>
#include <variant>
#include <vector>

#include "console.h"

namespace tenon::cli {

using Slot = std::variant<bool*, int*, std::string*, std::vector<std::string>*>;

struct Option {
  std::string names;  // "-o,--output"; without a dash: positional
  std::string value;  // "DIR"; empty: a flag
  std::string help;
  Slot slot;
  std::vector<std::string> choices = {};
  bool required = false;

  bool positional() const { return names[0] != '-'; }
};

struct Command {
  std::string name;
  std::string summary;   // one line
  std::string examples;  // shown by --help: lines of "command  # what it does"
  std::vector<Option> options;
  std::function<int(Console&)> run;  // its exit code
};

// Exit codes. 70, a bug in Tenon, comes from internal_error.
enum Exit : int {
  kOk = 0,
  kFailed = 1,
  kUsage = 2,
  kUnsupported = 3,
  kInaccurate = 4,
  kOverBudget = 5,
  kMissing = 6
};
int exit_code(const Diags& diags);

Command compile_command();
Command check_command();
Command inspect_command();
Command run_command();
Command verify_command();
Command bench_command();
Command plan_command();
Command why_command();
Command space_command();
Command tune_command();
Command train_command();
Command evaluate_command();
Command adapt_command();
Command train_policy_command();
Command evaluate_policy_command();
Command telemetry_command();
Command features_command();
Command ops_command();
Command targets_command();
Command explain_command();
Command completions_command();
Command help_command();
std::vector<Command> commands();  // in the order in which --help lists them

// Options that every subcommand takes.
std::vector<Option> common_options(Settings& settings);

std::string help_text(const Command& command);
std::string overview_text();
std::string reference_text();  // docs/cli.md

// Parses the command line and runs the subcommand.
int run_command_line(int argc, const char* const* argv);

}  // namespace tenon::cli
