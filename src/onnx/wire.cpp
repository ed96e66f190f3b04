#include "wire.h"

#include <array>
#include <charconv>
#include <cstdint>

namespace tenon::frontend {

namespace {

using View = std::span<const std::byte>;

enum class Message : uint8_t { Model, Graph, Function, Node, Attribute, SparseTensor, Tensor };
enum Wire : uint8_t { Varint = 0, Fixed64 = 1, Bytes = 2, Fixed32 = 5 };

// Which fields lead to tensors: numbers from onnx-ml.proto, which never change.
struct Link {
  Message parent;
  uint32_t field;
  Message child;
};
constexpr Link kLinks[] = {
    {Message::Model, 7, Message::Graph},           {Message::Model, 25, Message::Function},
    {Message::Graph, 1, Message::Node},            {Message::Graph, 5, Message::Tensor},
    {Message::Graph, 15, Message::SparseTensor},   {Message::SparseTensor, 1, Message::Tensor},
    {Message::SparseTensor, 2, Message::Tensor},   {Message::Function, 7, Message::Node},
    {Message::Function, 11, Message::Attribute},   {Message::Node, 5, Message::Attribute},
    {Message::Attribute, 5, Message::Tensor},      {Message::Attribute, 6, Message::Graph},
    {Message::Attribute, 10, Message::Tensor},     {Message::Attribute, 11, Message::Graph},
    {Message::Attribute, 22, Message::SparseTensor}, {Message::Attribute, 23, Message::SparseTensor},
};
constexpr uint32_t kExternalData = 13, kDataLocation = 14;
constexpr int kMaxDepth = 96;  // protobuf itself stops at 100

const Link* find_link(Message parent, uint32_t field) {
  for (const Link& link : kLinks)
    if (link.parent == parent && link.field == field) return &link;
  return nullptr;
}

// float_data, int32_data, int64_data, raw_data, double_data, uint64_data
bool holds_elements(uint32_t field) {
  return field == 4 || field == 5 || field == 7 || field == 9 || field == 10 || field == 11;
}

struct Field {
  uint32_t number = 0;
  Wire wire{};
  View whole;    // with its tag
  View payload;  // Bytes only
};

std::optional<Field> take_field(View& bytes) {
  View start = bytes;
  auto tag = take_varint(bytes);
  if (!tag || *tag >> 3 == 0 || *tag >> 3 > 0x1FFFFFFF) return std::nullopt;
  Field field{.number = static_cast<uint32_t>(*tag >> 3), .wire = static_cast<Wire>(*tag & 7), .whole = {}, .payload = {}};
  size_t skip = 0;
  switch (field.wire) {
    case Wire::Varint:
      if (!take_varint(bytes)) return std::nullopt;
      break;
    case Wire::Bytes: {
      auto size = take_varint(bytes);
      if (!size || *size > bytes.size()) return std::nullopt;
      field.payload = bytes.first(*size);
      skip = *size;
      break;
    }
    case Wire::Fixed64: skip = 8; break;
    case Wire::Fixed32: skip = 4; break;
    default: return std::nullopt;  // groups: ONNX has none
  }
  if (skip > bytes.size()) return std::nullopt;
  bytes = bytes.subspan(skip);
  field.whole = start.first(start.size() - bytes.size());
  return field;
}

void put_varint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
}
void put_bytes(std::string& out, View bytes) {
  out.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}
void put_message(std::string& out, uint32_t field, std::string_view payload) {
  put_varint(out, uint64_t{field} << 3 | Wire::Bytes);
  put_varint(out, payload.size());
  out.append(payload);
}

class Stripper {
 public:
  explicit Stripper(View model) : model_(model) {}

  Result<void> copy(std::string& out, View bytes, Message kind, int depth) {
    if (depth > kMaxDepth) return fail(Code::E0901, "messages of the model nest more than 96 deep");
    std::optional<Field> data = kind == Message::Tensor ? large_data(bytes) : std::nullopt;
    while (!bytes.empty()) {
      auto field = take_field(bytes);
      if (!field) return fail(Code::E0102, "malformed protobuf at byte " + std::to_string(offset(bytes)));
      const Link* link = find_link(kind, field->number);
      if (data && data->payload.data() == field->payload.data()) {
        put_span(out, *field);
      } else if (link && field->wire == Wire::Bytes && field->payload.size() > kInlineBytes) {
        std::string child;
        TENON_DO(copy(child, field->payload, link->child, depth + 1));
        put_message(out, field->number, child);
      } else {
        put_bytes(out, field->whole);
      }
    }
    return {};
  }

 private:
  size_t offset(View bytes) const { return static_cast<size_t>(bytes.data() - model_.data()); }

  // The one field that holds a tensor's elements, if it is large. Data in several chunks are legal but
  // unheard of: protobuf merges them.
  static std::optional<Field> large_data(View tensor) {
    std::optional<Field> found;
    while (!tensor.empty()) {
      auto field = take_field(tensor);
      if (!field) return std::nullopt;
      if (!holds_elements(field->number)) continue;
      if (found || field->wire != Wire::Bytes) return std::nullopt;
      found = field;
    }
    if (found && found->payload.size() <= kInlineBytes) found.reset();
    return found;
  }

  void put_span(std::string& out, const Field& data) const {
    std::string entry;  // StringStringEntryProto
    put_message(entry, 1, kSpanKey);
    put_message(entry, 2, print(TensorSpan{static_cast<int>(data.number), offset(data.payload), data.payload.size()}));
    put_message(out, kExternalData, entry);
    put_varint(out, kDataLocation << 3 | Wire::Varint);
    put_varint(out, 1);  // EXTERNAL
  }

  View model_;
};

}  // namespace

std::optional<uint64_t> take_varint(View& bytes) {
  uint64_t value = 0;
  for (size_t i = 0; i < bytes.size() && i < 10; ++i) {
    auto byte = static_cast<uint64_t>(bytes[i]);
    if (i == 9 && byte > 1) return std::nullopt;
    value |= (byte & 0x7F) << (7 * i);
    if (byte < 0x80) {
      bytes = bytes.subspan(i + 1);
      return value;
    }
  }
  return std::nullopt;
}

std::string print(const TensorSpan& span) {
  return std::to_string(span.field) + ":" + std::to_string(span.offset) + ":" + std::to_string(span.size);
}

std::optional<TensorSpan> parse_span(std::string_view text) {
  uint64_t parts[3] = {};
  const char* at = text.data();
  const char* end = at + text.size();
  for (int i = 0; i < 3; ++i) {
    if (i > 0 && (at == end || *at++ != ':')) return std::nullopt;
    auto [next, error] = std::from_chars(at, end, parts[i]);
    if (error != std::errc{}) return std::nullopt;
    at = next;
  }
  if (at != end || parts[0] > 16) return std::nullopt;
  return TensorSpan{static_cast<int>(parts[0]), parts[1], parts[2]};
}

Result<std::string> without_weights(View model) {
  std::string out;
  TENON_DO(Stripper(model).copy(out, model, Message::Model, 0));
  return out;
}

}  // namespace tenon::frontend
