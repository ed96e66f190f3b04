// Tensors of the reference evaluators and of the tools: elements widened, so that the reference is
// float64 throughout. Reading and writing .npy, .npz and ONNX .pb: src/driver/tensor_io.cpp.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tenon/dtype.h"

namespace tenon {

struct Tensor {
  DType type{};
  std::vector<int64_t> dims;
  std::vector<double> f;       // float types; complex types hold (re, im) pairs
  std::vector<int64_t> i;      // integer types and bool; u64 as its bit pattern
  std::vector<std::string> s;  // strings

  static Tensor zeros(DType type, std::vector<int64_t> dims);
  int64_t count() const;  // elements
};

int64_t count(const std::vector<int64_t>& dims);

// Between widened elements and the type's own bytes (little endian, sub-byte types packed).
// Encoding rounds floats half to even and wraps integers.
Tensor decode(DType type, std::vector<int64_t> dims, const std::byte* bytes, size_t size);
std::vector<std::byte> encode(const Tensor& tensor);
// Rounds every element to the tensor's type.
void round_elements(Tensor& tensor);

}  // namespace tenon
