// Which build of Tenon this is.
#pragma once

#include <string>

#include "tenon/result.h"

namespace tenon {

// Differs between any two builds that could generate different code: from the linker's build ids of the program
// and its shared libraries, or from the program's bytes where it has none.
Result<std::string> compiler_id();

}  // namespace tenon
