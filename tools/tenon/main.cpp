#include "command.h"

namespace tenon::cli {

std::vector<Command> commands() { return {targets_command(), explain_command(), completions_command()}; }

}  // namespace tenon::cli

int main(int argc, char** argv) { return tenon::cli::run_command_line(argc, argv); }
