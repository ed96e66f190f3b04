#pragma once

#include <string>

#include "tenon/result.h"

namespace tenon {

// What --cost-model names: a file's text, or, for "shipped", that of the weights that this build ships. E0601: no such file. E0703: none ship.
Result<std::string> cost_model_text(const std::string& name);

}  // namespace tenon
