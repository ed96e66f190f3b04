#include "load.h"

#include <onnx/onnx_pb.h>

#include "wire.h"

namespace tenon::frontend {

Model::Model() : proto(std::make_unique<onnx::ModelProto>()) {}
Model::Model(Model&&) noexcept = default;
Model::~Model() = default;

Result<Model> load_model(const std::string& path) {
  auto in_file = [&](Diags diags) {
    for (Diag& diag : diags) diag.file = path;
    return std::unexpected(std::move(diags));
  };
  Model model;
  auto file = map_file(path);
  if (!file) return in_file(std::move(file).error());
  model.file = std::move(*file);
  auto stripped = without_weights(model.file.span());
  if (!stripped) return in_file(std::move(stripped).error());
  if (!model.proto->ParseFromString(*stripped) || !model.proto->has_graph())
    return in_file({{.code = Code::E0102, .message = "the file is not a serialised ONNX model"}});
  model.external = std::make_unique<ExternalFiles>(std::filesystem::absolute(path).parent_path());
  return model;
}

}  // namespace tenon::frontend
