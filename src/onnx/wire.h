// Protobuf's wire format, as far as needed to find a model's large tensors before protobuf copies them.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "tenon/result.h"

namespace tenon::frontend {

// Tensors of at most this many bytes of data stay in the message.
inline constexpr size_t kInlineBytes = 1024;

// Where the data of a tensor lie that was taken out of the message.
struct TensorSpan {
  int field = 0;      // TensorProto's field number: raw_data or one of the typed ones, packed
  size_t offset = 0;  // in the model file
  size_t size = 0;
};

// The same ModelProto without large weights. Each tensor whose data exceed kInlineBytes has, instead, an
// external_data entry of key kSpanKey that print(TensorSpan) wrote. E0102 where the bytes are not
// protobuf, E0901 where messages nest too deeply.
Result<std::string> without_weights(std::span<const std::byte> model);

inline constexpr std::string_view kSpanKey = "tenon.span";
std::string print(const TensorSpan& span);
std::optional<TensorSpan> parse_span(std::string_view text);

// Base-128 varint at the front of `bytes`, which it consumes; nothing if truncated or longer than 64 bits.
std::optional<uint64_t> take_varint(std::span<const std::byte>& bytes);

}  // namespace tenon::frontend
