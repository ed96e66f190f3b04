// Models of the runtime's routines on widened tensors: the C code itself, on encoded elements.
#pragma once

#include <span>
#include <string_view>

#include "tenon/tensor.h"

extern "C" void tn_topk(const void*, void*, int64_t*, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t,
                        int64_t, int64_t);

namespace tenon::testing {

inline bool run_routine(std::string_view routine, std::span<Tensor* const> buffers,
                        std::span<const int64_t> a) {
  if (routine != "tn_topk") return false;
  std::vector<std::byte> x = encode(*buffers[0]), values = encode(*buffers[1]);
  tn_topk(x.data(), values.data(), buffers[2]->i.data(), a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7]);
  *buffers[1] = decode(buffers[1]->type, buffers[1]->dims, values.data(), values.size());
  return true;
}

}  // namespace tenon::testing
