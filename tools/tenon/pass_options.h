// What every program that runs passes can show of them: --print-after, --verify-each, --time-passes.
#pragma once

#include "console.h"
#include "tenon/passes.h"

namespace tenon::cli {

struct PassArguments {
  std::vector<std::string> print_after;  // names, or several with commas between
  bool verify_each = false, time_passes = false;
};

// Hooks that print to stderr; E0601 where no pass has such a name.
Result<PassOptions> pass_options(const PassArguments& arguments, Console& console);

std::vector<std::string> split_commas(const std::vector<std::string>& lists);

}  // namespace tenon::cli
