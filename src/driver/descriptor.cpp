#include "descriptor.h"

#include <algorithm>
#include <cstring>

#include "runtime/descriptor.h"
#include "runtime/dispatch/level_row.h"
#include "signature.h"
#include "tenon/loops.h"

namespace tenon {

namespace {

// The number of a feature in cpu_features.def, or -1.
int feature_number(std::string_view arch, std::string_view feature) {
  int number = 0;
#define FEATURE(feature_arch, name, ...)                  \
  if (arch == #feature_arch && feature == name) return number; \
  ++number;
#include "runtime/cpu_features.def"
#undef FEATURE
  return -1;
}

// Bytes that grow, with offsets that stay.
class Blob {
 public:
  template <class T>
  uint32_t append(const std::vector<T>& items) {
    bytes_.resize((bytes_.size() + alignof(T) - 1) / alignof(T) * alignof(T));
    return append(items.data(), items.size() * sizeof(T));
  }
  uint32_t append(const std::string& text) { return append(text.c_str(), text.size() + 1); }
  uint32_t append(const void* data, size_t size) {
    const size_t at = bytes_.size();
    bytes_.resize(at + size);
    if (size > 0) std::memcpy(bytes_.data() + at, data, size);
    return static_cast<uint32_t>(at);
  }
  std::vector<std::byte>& bytes() { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
};

tn_port port_row(const PortInfo& port, uint32_t name) {
  tn_port row{.name = name, .rank = static_cast<uint32_t>(port.dims.size()), .bits = static_cast<uint32_t>(bits(port.type)),
              .descr = {}};
  std::string_view descr = numpy_descr(port.type);
  std::memcpy(row.descr, descr.data(), std::min(descr.size(), sizeof row.descr - 1));
  return row;
}

Result<std::vector<uint32_t>> features_of(const Target& target) {
  std::vector<uint32_t> features;
  const std::string arch = target.triple.substr(0, target.triple.find('-'));
  for (const std::string& feature : target.cpu_check) {
    int number = feature_number(arch, feature);
    if (number < 0)
      return fail(Code::E0402, "cpu_check of target " + target.name + " names `" + feature +
                                   "`, which backends/runtime/cpu_features.def does not have");
    features.push_back(static_cast<uint32_t>(number));
  }
  return features;
}

// The calls of a host program into oneDNN, in its order.
void list_calls(const Module& module, const std::vector<HostStmt>& statements, Blob& blob, std::vector<tn_onednn_call>& calls) {
  for (const HostStmt& s : statements) {
    list_calls(module, s.body, blob, calls);
    list_calls(module, s.otherwise, blob, calls);
    if (s.kind != HostStmt::Kind::Call || !calls_library(module.kernels[s.kernel])) continue;
    const Kernel& kernel = module.kernels[s.kernel];
    std::vector<int64_t> words, offsets;
    for (Expr word : kernel.body[0].scalars) words.push_back(*kernel.pool.as_int(word));
    for (BufferId operand : kernel.body[0].buffers) {
      const HostBuffer& buffer = module.buffers[s.buffers[static_cast<size_t>(operand.index)]];
      offsets.push_back(buffer.kind == HostBufferKind::Constant ? module.constants[static_cast<size_t>(buffer.index)].offset : -1);
    }
    calls.push_back({.words_at = blob.append(words), .offsets_at = blob.append(offsets)});
  }
}

}  // namespace

std::string_view numpy_descr(DType type) {
  switch (type) {
    case DType::F32: return "<f4";
    case DType::F64: return "<f8";
    case DType::F16: return "<f2";
    case DType::BF16: return "<V2";
    case DType::Bool: return "|b1";
    case DType::I8: return "|i1";
    case DType::I16: return "<i2";
    case DType::I32: return "<i4";
    case DType::I64: return "<i8";
    case DType::U8: return "|u1";
    case DType::U16: return "<u2";
    case DType::U32: return "<u4";
    case DType::U64: return "<u8";
    case DType::C64: return "<c8";
    case DType::C128: return "<c16";
    case DType::F8E4M3FN:
    case DType::F8E4M3FNUZ:
    case DType::F8E5M2:
    case DType::F8E5M2FNUZ:
    case DType::F8E8M0: return "|V1";
    default: return {};
  }
}

Result<std::vector<std::byte>> descriptor(const DescriptorInfo& info) {
  const Signature& s = info.signature;
  tn_descriptor head{};
  std::ranges::copy(info.build_id, head.build_id);
  head.weights_bytes = static_cast<uint64_t>(info.weights_bytes);
  head.embedded = info.embedded;
  head.serial = info.serial;
  head.inputs = static_cast<uint32_t>(s.inputs.size());
  head.outputs = static_cast<uint32_t>(s.outputs.size());
  head.symbols = static_cast<uint32_t>(s.symbols.size());

  Blob blob;
  blob.append(&head, sizeof head);
  std::vector<tn_port> ports;
  for (const auto* side : {&s.inputs, &s.outputs})
    for (const PortInfo& port : *side) {
      ports.push_back(port_row(port, blob.append(port.name)));
      head.dims += ports.back().rank;
    }
  std::vector<tn_symbol> symbols;
  for (const SymbolInfo& symbol : s.symbols)
    symbols.push_back({.lo = symbol.lo, .hi = symbol.hi, .input = symbol.input, .axis = symbol.axis,
                       .name = blob.append(symbol.name),
                       .element = static_cast<int32_t>(symbol.element)});
  std::vector<std::vector<uint32_t>> features;
  for (const Target* target : info.targets) {
    TENON_TRY(features.emplace_back(), features_of(*target));
  }
  head.ports_at = blob.append(ports);
  head.symbols_at = blob.append(symbols);
  if (features.size() == 1) {
    head.features = static_cast<uint32_t>(features[0].size());
    head.features_at = blob.append(features[0]);
  } else {
    std::vector<tn_level> levels;
    for (size_t k = 0; k < features.size(); ++k)
      levels.push_back({.name = blob.append(info.targets[k]->name), .features = static_cast<uint32_t>(features[k].size()),
                        .features_at = blob.append(features[k])});
    head.features = static_cast<uint32_t>(levels.size());
    head.features_at = blob.append(levels);
  }
  if (info.onednn) {
    std::vector<tn_onednn_call> calls;
    list_calls(*info.onednn, info.onednn->host, blob, calls);
    head.onednn_calls = static_cast<uint32_t>(calls.size());
    head.onednn_at = blob.append(calls);
  }
  head.name = blob.append(s.name);
  head.build_id_text = blob.append(hex(info.build_id));
  head.signature = blob.append(to_json(s));
  std::memcpy(blob.bytes().data(), &head, sizeof head);
  return std::move(blob.bytes());
}

}  // namespace tenon
