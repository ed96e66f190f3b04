// When something was measured.
#pragma once

#include <chrono>
#include <cstdint>

namespace tenon {

// Microseconds since 1970.
inline int64_t now() { return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::system_clock::now().time_since_epoch()).count(); }

}  // namespace tenon
