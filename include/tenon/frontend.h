// ONNX file -> Graph of core ops.
#pragma once

#include <map>

#include "tenon/graph.h"
#include "tenon/tensor.h"

namespace tenon {

struct DimRange {
  int64_t lo = 0, hi = kIndexMax;  // equal: bound
};

struct ImportOptions {
  std::map<std::string, DimRange> dims = {};                      // --dim N=1..8
  std::map<std::string, std::vector<std::string>> shapes = {};    // --shape input:1x3xHxW
};

// Opset 7 to the newest of the ONNX release used. All problems of the model in one go.
Result<Graph> import_onnx(const std::string& path, const ImportOptions& options);

// A TensorProto in a file of its own, as ONNX's test data sets hold them: its name and value.
Result<std::pair<std::string, Tensor>> read_tensor_file(const std::string& path);

// Operators with a lowering, as "domain::Op" sorted; for `tenon ops`.
std::vector<std::string> supported_operators();

}  // namespace tenon
