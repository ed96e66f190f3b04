// The constant that the C runtime reads its model from: backends/runtime/descriptor.h.
#pragma once

#include "tenon/driver.h"
#include "tenon/hash.h"

namespace tenon {

struct DescriptorInfo {
  const Signature& signature;
  std::vector<const Target*> targets;  // several: levels, from the least to the best
  Digest build_id;
  int64_t weights_bytes = 0;
  bool embedded = false;
  bool serial = false;
  const Module* onednn = nullptr;      // whose calls into it are listed; null: there are none
};

// Fails where the target asks for a processor feature that the runtime cannot check.
Result<std::vector<std::byte>> descriptor(const DescriptorInfo& info);

// NumPy's spelling of a type in .npy files, "<f4"; empty: it has none.
std::string_view numpy_descr(DType type);

}  // namespace tenon
