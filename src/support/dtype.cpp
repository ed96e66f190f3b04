#include "tenon/dtype.h"

namespace tenon {

namespace {
constexpr DType kAll[] = {
#define DTYPE(name, spelling, bits, kind, onnx, c) DType::name,
#include "tenon/dtypes.def"
#undef DTYPE
};
}  // namespace

std::optional<DType> parse_dtype(std::string_view text) {
  for (DType type : kAll)
    if (spelling(type) == text) return type;
  return std::nullopt;
}

std::optional<DType> dtype_from_onnx(int data_type) {
  for (DType type : kAll)
    if (data_type != 0 && info(type).onnx == data_type) return type;
  return std::nullopt;
}

}  // namespace tenon
