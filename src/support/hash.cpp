#include "tenon/hash.h"

#include <llvm/Support/BLAKE3.h>

namespace tenon {

Digest blake3(std::span<const std::byte> bytes) {
  return llvm::BLAKE3::hash(llvm::ArrayRef(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()));
}

Digest blake3(std::string_view text) { return blake3(std::as_bytes(std::span(text))); }

std::string hex(const Digest& digest) {
  constexpr char digits[] = "0123456789abcdef";
  std::string text;
  for (uint8_t byte : digest) text += {digits[byte >> 4], digits[byte & 15]};
  return text;
}

}  // namespace tenon
