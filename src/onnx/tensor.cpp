#include "tensor.h"

#include <onnx/onnx_pb.h>

#include <bit>
#include <charconv>
#include <cstring>

#include "wire.h"

namespace tenon::frontend {

static_assert(std::endian::native == std::endian::little, "tensors are little endian and used in place");

namespace {

using onnx::TensorProto;

std::string quoted(const TensorProto& tensor) { return "tensor '" + tensor.name() + "'"; }

std::unexpected<Diags> malformed(const TensorProto& tensor, const std::string& why) {
  return fail(Code::E0106, quoted(tensor) + " " + why);
}

// The bytes of one element in the typed field that protobuf or our scan found, see onnx.proto: narrow
// types, and pairs of 4-bit and quads of 2-bit elements, lie one byte or half-word per int32.
size_t stored_width(DType type) { return static_cast<size_t>(std::max(8, std::min(bits(type), 64))) / 8; }

template <class Values>
Bytes pack(const Values& values, size_t width) {
  std::vector<std::byte> bytes(static_cast<size_t>(values.size()) * width);
  size_t at = 0;
  for (auto value : values) {
    std::memcpy(bytes.data() + at, &value, width);
    at += width;
  }
  return Bytes::copy_of(bytes);
}

// The typed field in which ONNX keeps elements of `type`.
int typed_field(DType type) {
  switch (type) {
    case DType::F32:
    case DType::C64: return TensorProto::kFloatDataFieldNumber;
    case DType::F64:
    case DType::C128: return TensorProto::kDoubleDataFieldNumber;
    case DType::I64: return TensorProto::kInt64DataFieldNumber;
    case DType::U32:
    case DType::U64: return TensorProto::kUint64DataFieldNumber;
    default: return TensorProto::kInt32DataFieldNumber;
  }
}

Bytes pack_typed(const TensorProto& tensor, DType type) {
  switch (typed_field(type)) {
    case TensorProto::kFloatDataFieldNumber: return pack(tensor.float_data(), 4);
    case TensorProto::kDoubleDataFieldNumber: return pack(tensor.double_data(), 8);
    case TensorProto::kInt64DataFieldNumber: return pack(tensor.int64_data(), 8);
    case TensorProto::kUint64DataFieldNumber: return pack(tensor.uint64_data(), stored_width(type));
    default: return pack(tensor.int32_data(), stored_width(type));
  }
}

// A packed field left in the model file: floats as they are, varints decoded.
Result<Bytes> read_span(const TensorProto& tensor, DType type, const TensorSpan& span, const Bytes& model) {
  if (span.offset > model.size || span.size > model.size - span.offset)
    return malformed(tensor, "points outside of the model file");
  Bytes raw{.owner = model.owner, .data = model.data + span.offset, .size = span.size};
  if (span.field == TensorProto::kRawDataFieldNumber) return raw;
  if (span.field != typed_field(type))
    return malformed(tensor, "has its elements in a field that is not for " + std::string(spelling(type)));
  if (is_float(type) && bits(type) >= 32) return raw;
  if (type == DType::C64 || type == DType::C128) return raw;
  std::vector<uint64_t> values;
  for (auto rest = raw.span(); !rest.empty();) {
    auto value = take_varint(rest);
    if (!value) return malformed(tensor, "has a malformed element");
    values.push_back(*value);
  }
  return pack(values, stored_width(type));
}

Result<Bytes> read_external(const TensorProto& tensor, int64_t size, TensorSource& source) {
  std::string location;
  int64_t offset = 0, length = size;
  for (const auto& entry : tensor.external_data()) {
    auto number = [&](int64_t& out) {
      const std::string& text = entry.value();
      auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
      return error == std::errc{} && end == text.data() + text.size() && out >= 0;
    };
    bool fine = true;
    if (entry.key() == "location") location = entry.value();
    else if (entry.key() == "offset") fine = number(offset);
    else if (entry.key() == "length") fine = number(length);
    if (!fine) return malformed(tensor, "has external data with " + entry.key() + " '" + entry.value() + "'");
  }
  if (length != size)
    return malformed(tensor, "needs " + std::to_string(size) + " bytes, its external data have " + std::to_string(length));
  TENON_TRY(Bytes file, source.external.open(location));
  if (static_cast<size_t>(offset) > file.size || static_cast<size_t>(size) > file.size - static_cast<size_t>(offset))
    return fail(Code::E0103, "external data '" + location + "' is too short for " + quoted(tensor) + ": " +
                                 std::to_string(file.size) + " bytes, needs " + std::to_string(size) + " at " +
                                 std::to_string(offset));
  return Bytes{.owner = file.owner, .data = file.data + offset, .size = static_cast<size_t>(size)};
}

std::optional<TensorSpan> find_span(const TensorProto& tensor) {
  for (const auto& entry : tensor.external_data())
    if (entry.key() == kSpanKey) return parse_span(entry.value());
  return std::nullopt;
}

}  // namespace

std::optional<int64_t> checked_count(std::span<const int64_t> dims) {
  int64_t count = 1;
  bool empty = false;
  for (int64_t dim : dims) {
    if (dim < 0) return std::nullopt;
    if (dim == 0) empty = true;
    else if (__builtin_mul_overflow(count, dim, &count) || count > kIndexMax) return std::nullopt;
  }
  return empty ? 0 : count;
}

Result<Constant> read_tensor(const TensorProto& tensor, TensorSource& source) {
  auto type = dtype_from_onnx(tensor.data_type());
  if (!type) return malformed(tensor, "has the unknown element type " + std::to_string(tensor.data_type()));
  if (tensor.has_segment()) return malformed(tensor, "is stored in segments");
  Constant constant{.type = *type, .dims = {tensor.dims().begin(), tensor.dims().end()}, .bytes = {}};
  auto count = checked_count(constant.dims);
  if (!count || *count > kIndexMax / 32) return fail(Code::E0207, quoted(tensor) + " has dims that overflow");
  if (*type == DType::String) {
    constant.strings = {tensor.string_data().begin(), tensor.string_data().end()};
    if (static_cast<int64_t>(constant.strings.size()) != *count) return malformed(tensor, "has too few or too many strings");
    return constant;
  }
  int64_t size = byte_size(*type, *count);
  if (auto span = find_span(tensor)) {
    TENON_TRY(constant.bytes, read_span(tensor, *type, *span, source.model));
  } else if (tensor.data_location() == TensorProto::EXTERNAL) {
    TENON_TRY(constant.bytes, read_external(tensor, size, source));
  } else if (tensor.has_raw_data()) {
    constant.bytes = Bytes::copy_of(std::as_bytes(std::span(tensor.raw_data())));
  } else {
    constant.bytes = pack_typed(tensor, *type);
  }
  if (static_cast<int64_t>(constant.bytes.size) != size)
    return malformed(tensor, "has " + std::to_string(constant.bytes.size) + " bytes of data, its type and dims need " +
                                 std::to_string(size));
  return constant;
}

Result<Constant> read_sparse_tensor(const onnx::SparseTensorProto& sparse, TensorSource& source) {
  TENON_TRY(Constant values, read_tensor(sparse.values(), source));
  TENON_TRY(Constant indices, read_tensor(sparse.indices(), source));
  Constant dense{.type = values.type, .dims = {sparse.dims().begin(), sparse.dims().end()}, .bytes = {}};
  auto count = checked_count(dense.dims);
  if (!count || *count > int64_t{1} << 32) return fail(Code::E0207, quoted(sparse.values()) + " has dims that overflow");
  size_t rank = dense.dims.size(), stored = static_cast<size_t>(values.count()), width = bits(values.type) / 8u;
  bool linear = indices.dims.size() == 1;
  if (indices.type != DType::I64 || width == 0 || values.type == DType::String ||
      indices.count() != static_cast<int64_t>(linear ? stored : stored * rank))
    return malformed(sparse.values(), "is a sparse tensor whose values and indices do not fit");
  std::vector<std::byte> bytes(static_cast<size_t>(*count) * width);
  for (size_t i = 0; i < stored; ++i) {
    int64_t at = 0;
    for (size_t d = 0; d < (linear ? 1 : rank); ++d) {
      int64_t index = 0, extent = linear ? *count : dense.dims[d];
      std::memcpy(&index, indices.bytes.data + (linear ? i : i * rank + d) * sizeof index, sizeof index);
      if (index < 0 || index >= extent) return malformed(sparse.values(), "has an index outside its dims");
      at = linear ? index : at * extent + index;
    }
    std::memcpy(bytes.data() + static_cast<size_t>(at) * width, values.bytes.data + i * width, width);
  }
  dense.bytes = Bytes::copy_of(bytes);
  return dense;
}

}  // namespace tenon::frontend
