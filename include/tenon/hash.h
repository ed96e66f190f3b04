// BLAKE3, LLVM's: the only hash that Tenon writes into files.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace tenon {

using Digest = std::array<uint8_t, 32>;

Digest blake3(std::span<const std::byte> bytes);
Digest blake3(std::string_view text);
std::string hex(const Digest& digest);

}  // namespace tenon
