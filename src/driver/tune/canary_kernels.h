// The canaries' kernels: what each part of a processor does, in a quarter of a millisecond.
#pragma once

#include <string>
#include <vector>

#include "tenon/target.h"
#include "tenon/tensor.h"

namespace tenon {

struct CanaryKernels {
  std::string module;              // Loops as text; one call per name, in order
  std::vector<std::string> names;
  std::vector<Tensor> inputs;
};

CanaryKernels canary_kernels(const Target& target);

}  // namespace tenon
