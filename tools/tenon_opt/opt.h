// Text in, text out: passes on a graph or on a module of loops, and the way from one to the other.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tenon/passes.h"

namespace tenon::opt {

enum class To : uint8_t { Same, Plan, Loops };

struct Arguments {
  std::vector<std::string> passes;        // rows of passes.def; graph passes first
  To to = To::Same;                       // of a graph: print the plan, or lower it; a loop pass lowers it, too
  std::string target = "x86-64-v2";       // for plans and loops
  std::string plan;                       // text of a plan; empty: the rules policy makes one
  std::string knobs;                      // "rows=4,attach=1": set in every region of the plan
  PassOptions options;
};

Result<std::string> run(std::string_view text, const Arguments& arguments);

// A row per pass: name, what it works on, description.
std::string pass_list();

}  // namespace tenon::opt
