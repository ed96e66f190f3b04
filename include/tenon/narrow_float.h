// Every float format, through LLVM's APFloat.
#pragma once

#include <cstdint>

#include "tenon/dtype.h"

namespace tenon {

// Nearest value of the type, half to even (f8e8m0: the next power of two up, as ONNX). Overflow becomes infinity where the type has one, else NaN,
// or the largest finite value when `saturate` (ONNX Cast's attribute).
double round_to(DType type, double value, bool saturate = false);
uint64_t float_bits(DType type, double value, bool saturate = false);  // rounded, in the low bits(type) bits
double float_value(DType type, uint64_t bits);

}  // namespace tenon
