// Opens a model file: protobuf without weights, and where the weights are.
#pragma once

#include <memory>

#include "tensor.h"

namespace onnx {
class ModelProto;
}

namespace tenon::frontend {

struct Model {
  Model();
  Model(Model&&) noexcept;
  ~Model();

  Bytes file;
  std::unique_ptr<onnx::ModelProto> proto;
  std::unique_ptr<ExternalFiles> external;
  TensorSource tensors() { return {file, *external}; }
};

Result<Model> load_model(const std::string& path);

}  // namespace tenon::frontend
