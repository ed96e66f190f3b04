// Lock files: the sorted text of a complete plan, with what it was made for. docs/tuning.md.
#pragma once

#include "tenon/driver.h"

namespace tenon {

// Lines "key value" and then the plan; the same plan gives the same bytes.
Result<std::string> print_lock(const Plan& plan, const Graph& graph, const Target& target, const CompileOptions& options);

// E0403: all that differs between what the file was made for and this graph, target, compiler and options.
Result<Plan> parse_lock(std::string_view text, const Graph& graph, const Target& target, const CompileOptions& options);

}  // namespace tenon
