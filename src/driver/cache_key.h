// Everything but files that an artifact depends on, as text.
#pragma once

#include <map>

#include "tenon/driver.h"

namespace tenon {

// By the option's name. Jobs, dumps and paths are not among them: they do not change an artifact.
std::map<std::string, std::string> option_parts(const CompileOptions& options);
// A target with all its fields.
std::string target_text(const Target& target);

}  // namespace tenon
