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
TENON_BITCODE(pool, x86_64)
TENON_BITCODE(dispatch, x86_64)
TENON_BITCODE(dispatch_runner, x86_64)
TENON_BITCODE(pool, aarch64)
TENON_BITCODE(dispatch, aarch64)
TENON_BITCODE(dispatch_runner, aarch64)
TENON_BITCODE(pool, riscv64)
TENON_BITCODE(dispatch, riscv64)
TENON_BITCODE(dispatch_runner, riscv64)
TENON_BITCODE(onednn, x86_64)
TENON_BITCODE(onednn, aarch64)
TENON_BITCODE(onednn, riscv64)
TENON_BITCODE(isa, x86_64)
TENON_BITCODE(isa, aarch64)
TENON_BITCODE(isa, riscv64)
#undef TENON_BITCODE
// NOLINTEND(readability-identifier-naming)

namespace tenon {

std::string_view runtime_bitcode(RuntimePart part, std::string_view arch) {
#define TENON_BITCODE(name) std::string_view(tenon_bitcode_##name, tenon_bitcode_##name##_end)
#define TENON_PARTS(arch)                                                     \
  part == RuntimePart::Model            ? TENON_BITCODE(model_##arch)           \
  : part == RuntimePart::Runner         ? TENON_BITCODE(runner_##arch)          \
  : part == RuntimePart::Pool           ? TENON_BITCODE(pool_##arch)            \
  : part == RuntimePart::Dispatch       ? TENON_BITCODE(dispatch_##arch)        \
  : part == RuntimePart::DispatchRunner ? TENON_BITCODE(dispatch_runner_##arch) \
  : part == RuntimePart::Onednn         ? TENON_BITCODE(onednn_##arch)          \
                                        : TENON_BITCODE(isa_##arch)
  if (arch == "x86_64") return TENON_PARTS(x86_64);
  if (arch == "aarch64") return TENON_PARTS(aarch64);
  if (arch == "riscv64") return TENON_PARTS(riscv64);
#undef TENON_PARTS
#undef TENON_BITCODE
  return {};
}

}  // namespace tenon
