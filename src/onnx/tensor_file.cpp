// A tensor in a file of its own.
#include <onnx/onnx_pb.h>

#include "tenon/frontend.h"
#include "tensor.h"

namespace tenon {

Result<std::pair<std::string, Tensor>> read_tensor_file(const std::string& path) {
  TENON_TRY(const Bytes file, frontend::map_file(path));
  onnx::TensorProto proto;
  if (file.size > INT32_MAX || !proto.ParseFromArray(file.data, static_cast<int>(file.size)))
    return fail(Diag{.code = Code::E0102, .message = path + " is not a serialised TensorProto", .file = path});
  frontend::ExternalFiles external(std::filesystem::absolute(path).parent_path());
  frontend::TensorSource source{file, external};
  TENON_TRY(const Constant constant, frontend::read_tensor(proto, source));
  return std::pair(proto.name(), tensor_of(constant));
}

}  // namespace tenon
