// Weights as kernels read them, written straight to where they belong.
#pragma once

#include <span>

#include "tenon/loops.h"

namespace tenon {

// Writes the constant in the packed layout. `out` has packed.bytes bytes, all zero: padding is left alone.
void pack_constant(const PackedConstant& packed, const Constant& constant, std::span<std::byte> out);

// Constants of a module, each at its offset, with `jobs` threads.
void pack_constants(std::span<const PackedConstant> constants, const Graph& graph, std::span<std::byte> out, int jobs);
int64_t packed_bytes(const Module& module);

}  // namespace tenon
