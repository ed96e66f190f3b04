// Element types, one row each in dtypes.def.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace tenon {

enum class DType : uint8_t {
#define DTYPE(name, spelling, bits, kind, onnx, c) name,
#include "tenon/dtypes.def"
#undef DTYPE
};

struct DTypeInfo {
  std::string_view spelling;
  int bits;
  char kind;
  int onnx;
  std::string_view c_type;
};

inline constexpr DTypeInfo kDTypes[] = {
#define DTYPE(name, spelling, bits, kind, onnx, c) {spelling, bits, kind, onnx, c},
#include "tenon/dtypes.def"
#undef DTYPE
};

constexpr const DTypeInfo& info(DType type) { return kDTypes[static_cast<int>(type)]; }

constexpr std::string_view spelling(DType type) { return info(type).spelling; }
constexpr int bits(DType type) { return info(type).bits; }
constexpr bool is_float(DType type) { return info(type).kind == 'f'; }
constexpr bool is_signed(DType type) { return info(type).kind == 'i'; }
constexpr bool is_unsigned(DType type) { return info(type).kind == 'u'; }
constexpr bool is_integer(DType type) { return is_signed(type) || is_unsigned(type); }
constexpr bool is_complex(DType type) { return info(type).kind == 'c'; }

// Least and greatest value of an integer type; u64's greatest as its bit pattern.
constexpr int64_t least(DType type) { return is_signed(type) ? int64_t{-1} << (bits(type) - 1) : 0; }
constexpr int64_t greatest(DType type) {
  return is_signed(type) ? ~least(type) : static_cast<int64_t>(~uint64_t{0} >> (64 - bits(type)));
}

// Bytes that `count` elements take, sub-byte types packed as ONNX packs them.
constexpr int64_t byte_size(DType type, int64_t count) { return (count * bits(type) + 7) / 8; }

std::optional<DType> parse_dtype(std::string_view spelling);
std::optional<DType> dtype_from_onnx(int data_type);

}  // namespace tenon
