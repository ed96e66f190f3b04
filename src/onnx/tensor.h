// TensorProto -> Constant: every place where elements can lie, validated.
#pragma once

#include "mapped_file.h"

namespace onnx {
class TensorProto;
class SparseTensorProto;
}  // namespace onnx

namespace tenon::frontend {

// Where tensors outside the message come from.
struct TensorSource {
  Bytes model;             // the model file
  ExternalFiles& external;
};

// E0103, E0104, E0106, E0207, E0303. Bytes in a mapping stay there; the others are copied.
Result<Constant> read_tensor(const onnx::TensorProto& tensor, TensorSource& source);
Result<Constant> read_sparse_tensor(const onnx::SparseTensorProto& tensor, TensorSource& source);

// The product of dims, none negative; nothing if it exceeds 62 bits.
std::optional<int64_t> checked_count(std::span<const int64_t> dims);

}  // namespace tenon::frontend
