// What `tenon why --verify` says of counterfactuals: in words, and as the JSON record of docs/schemas.md.
#pragma once

#include "console.h"
#include "tenon/counterfactuals.h"

namespace tenon::cli {

void print_counterfactuals(const CounterfactualsReport& report, bool several_models, Console& console);
std::string counterfactuals_record(const CounterfactualsReport& report);

}  // namespace tenon::cli
