#include "tenon/tensor.h"

#include <cstring>

#include "scalar_fold.h"
#include "tenon/graph.h"
#include "tenon/narrow_float.h"
#include "tenon/result.h"

namespace tenon {

int64_t count(const std::vector<int64_t>& dims) {
  int64_t n = 1;
  for (int64_t d : dims) n *= d;
  return n;
}

int64_t Tensor::count() const { return tenon::count(dims); }

Tensor Tensor::zeros(DType type, std::vector<int64_t> dims) {
  Tensor t{.type = type, .dims = std::move(dims), .f = {}, .i = {}, .s = {}};
  auto n = static_cast<size_t>(t.count());
  if (is_float(type))
    t.f.resize(n);
  else if (is_complex(type))
    t.f.resize(2 * n);
  else if (type == DType::String)
    t.s.resize(n);
  else
    t.i.resize(n);
  return t;
}

namespace {

// Storage types whose elements convert to and from the widened ones by a plain cast.
template <class T, class Wide>
void widen(const std::byte* bytes, std::vector<Wide>& out) {
  for (size_t k = 0; k < out.size(); ++k) {
    T element;
    std::memcpy(&element, bytes + k * sizeof(T), sizeof(T));
    out[k] = static_cast<Wide>(element);
  }
}

template <class T, class Wide>
void narrow(const std::vector<Wide>& in, std::byte* bytes) {
  for (size_t k = 0; k < in.size(); ++k) {
    T element = static_cast<T>(in[k]);
    std::memcpy(bytes + k * sizeof(T), &element, sizeof(T));
  }
}

// The `width` bits of element k, low bits of a byte first.
uint64_t read_bits(const std::byte* bytes, size_t k, size_t width) {
  uint64_t raw = 0;
  if (width >= 8) {
    std::memcpy(&raw, bytes + k * (width / 8), width / 8);
    return raw;
  }
  return (static_cast<uint64_t>(bytes[k * width / 8]) >> (k * width % 8)) & ((1u << width) - 1);
}

void write_bits(std::byte* bytes, size_t k, size_t width, uint64_t raw) {
  if (width >= 8)
    std::memcpy(bytes + k * (width / 8), &raw, width / 8);
  else
    bytes[k * width / 8] |= static_cast<std::byte>((raw & ((1u << width) - 1)) << (k * width % 8));
}

}  // namespace

Tensor decode(DType type, std::vector<int64_t> dims, const std::byte* bytes, size_t size) {
  Tensor t = Tensor::zeros(type, std::move(dims));
  TENON_CHECK(type != DType::String, "strings have no fixed encoding");
  TENON_CHECK(size >= static_cast<size_t>(byte_size(type, t.count())), "tensor bytes are short");
  auto width = static_cast<size_t>(bits(type));
  switch (type) {
    case DType::F32:
    case DType::C64: widen<float>(bytes, t.f); break;
    case DType::F64:
    case DType::C128: widen<double>(bytes, t.f); break;
    case DType::Bool:
      widen<uint8_t>(bytes, t.i);
      for (int64_t& v : t.i) v = v != 0;
      break;
    case DType::U8: widen<uint8_t>(bytes, t.i); break;
    case DType::I8: widen<int8_t>(bytes, t.i); break;
    case DType::I32: widen<int32_t>(bytes, t.i); break;
    case DType::I64: widen<int64_t>(bytes, t.i); break;
    default:
      for (size_t k = 0; k < t.f.size(); ++k) t.f[k] = float_value(type, read_bits(bytes, k, width));
      for (size_t k = 0; k < t.i.size(); ++k)
        t.i[k] = wrap_to(type, static_cast<int64_t>(read_bits(bytes, k, width)));
  }
  return t;
}

std::vector<std::byte> encode(const Tensor& t) {
  TENON_CHECK(t.type != DType::String, "strings have no fixed encoding");
  std::vector<std::byte> bytes(static_cast<size_t>(byte_size(t.type, t.count())));
  auto width = static_cast<size_t>(bits(t.type));
  switch (t.type) {
    case DType::F32:
    case DType::C64: narrow<float>(t.f, bytes.data()); break;
    case DType::F64:
    case DType::C128: narrow<double>(t.f, bytes.data()); break;
    case DType::U8:
    case DType::I8:
    case DType::Bool: narrow<uint8_t>(t.i, bytes.data()); break;
    case DType::I32: narrow<int32_t>(t.i, bytes.data()); break;
    case DType::I64: narrow<int64_t>(t.i, bytes.data()); break;
    default:
      for (size_t k = 0; k < t.f.size(); ++k) write_bits(bytes.data(), k, width, float_bits(t.type, t.f[k]));
      for (size_t k = 0; k < t.i.size(); ++k)
        write_bits(bytes.data(), k, width, static_cast<uint64_t>(t.i[k]));
  }
  return bytes;
}

void round_elements(Tensor& t) {
  DType part = t.type == DType::C64 ? DType::F32 : t.type == DType::C128 ? DType::F64 : t.type;
  for (double& v : t.f) v = round_to(part, v);
  for (int64_t& v : t.i) v = wrap_to(t.type, v);
}

Tensor tensor_of(const Constant& c) {
  if (c.type == DType::String) {
    Tensor t = Tensor::zeros(c.type, c.dims);
    for (size_t k = 0; k < t.s.size(); ++k) t.s[k] = c.strings[c.splat ? 0 : k];
    return t;
  }
  if (!c.splat) return decode(c.type, c.dims, c.bytes.data, c.bytes.size);
  Tensor one = decode(c.type, {}, c.bytes.data, c.bytes.size);
  Tensor t = Tensor::zeros(c.type, c.dims);
  for (size_t k = 0; k < t.f.size(); ++k) t.f[k] = one.f[k % one.f.size()];
  for (int64_t& v : t.i) v = one.i[0];
  return t;
}

}  // namespace tenon
