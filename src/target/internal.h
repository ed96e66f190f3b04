#pragma once

#include <span>

#include "tenon/target.h"

namespace tenon {

// parse_target, for a device that has `extra` features beyond the file's.
Result<Target> parse_target_with(std::string_view toml, std::string name, std::span<const std::string> extra);

struct EmbeddedTarget {
  std::string_view name, toml;
};
std::span<const EmbeddedTarget> embedded_targets();

Result<Target> native_target();

}  // namespace tenon
