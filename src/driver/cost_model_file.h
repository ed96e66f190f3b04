#pragma once

#include <string>

#include "tenon/driver.h"

namespace tenon {

inline constexpr std::string_view kShipped = "shipped";

// What --cost-model names: a file's text, or, for "shipped", that of the weights that this build ships. E0601: no such file. E0703: none ship.
Result<std::string> cost_model_text(const std::string& name);

// Who decides, and by which cost model, what the options leave open filled in. Rules ask none.
struct WhoDecides {
  std::string policy, cost_model;  // cost_model: empty: none
};
WhoDecides who_decides(const CompileOptions& options);

}  // namespace tenon
