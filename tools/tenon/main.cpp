#include <exception>

#include "command.h"
#include "mapped_files.h"

namespace tenon::cli {

std::vector<Command> commands() {
  return {compile_command(), check_command(),   inspect_command(), run_command(),     verify_command(),      bench_command(),
          plan_command(), why_command(),      space_command(),   features_command(), tune_command(), train_command(), evaluate_command(), adapt_command(), train_policy_command(), evaluate_policy_command(), telemetry_command(),    targets_command(), ops_command(),     explain_command(), completions_command(), help_command()};
}

}  // namespace tenon::cli

int main(int argc, char** argv) try {
  return tenon::cli::run_command_line(argc, argv);
} catch (const std::exception& error) {
  tenon::internal_error(__FILE__, __LINE__, error.what());  // errors are values: this is none that was foreseen
}
