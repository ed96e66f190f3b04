#include "tenon/runtime.h"

// NOLINTBEGIN(readability-identifier-naming): made in CMakeLists.txt.
#define TENON_BITCODE(part, arch) \
  extern "C" const char tenon_bitcode_##part##_##arch[], tenon_bitcode_##part##_##arch##_end[];
TENON_BITCODE(model, x86_64)
TENON_BITCODE(model, aarch64)
TENON_BITCODE(model, riscv64)
TENON_BITCODE(runner, x86_64)
TENON_BITCODE(runner, aarch64)
TENON_BITCODE(runner, riscv64)
#undef TENON_BITCODE
// NOLINTEND(readability-identifier-naming)

namespace tenon {

std::string_view runtime_bitcode(RuntimePart part, std::string_view arch) {
#define TENON_BITCODE(name) std::string_view(tenon_bitcode_##name, tenon_bitcode_##name##_end)
  const bool model = part == RuntimePart::Model;
  if (arch == "x86_64") return model ? TENON_BITCODE(model_x86_64) : TENON_BITCODE(runner_x86_64);
  if (arch == "aarch64") return model ? TENON_BITCODE(model_aarch64) : TENON_BITCODE(runner_aarch64);
  if (arch == "riscv64") return model ? TENON_BITCODE(model_riscv64) : TENON_BITCODE(runner_riscv64);
#undef TENON_BITCODE
  return {};
}

}  // namespace tenon
