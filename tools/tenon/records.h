// JSON records, one line each: docs/schemas.md. The only user of the JSON library.
#pragma once

#include <string>

#include "tenon/target.h"

namespace tenon::cli {

std::string diagnostic_record(const Diag& diag, std::string_view target);
std::string explanation_record(Code code);
std::string target_record(const Target& target);

}  // namespace tenon::cli
