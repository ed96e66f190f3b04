// A booster as kernels of the loop IR: what native trees are made of (docs/decisions/0026).
#pragma once

#include <string>

#include "tenon/loops.h"
#include "tenon/trees.h"

namespace tenon {

// Candidates lie in blocks: [block][feature][kTreeBlock], floats.
inline constexpr int64_t kTreeBlock = 16;
inline constexpr size_t kMostTreeNodes = size_t{1} << 15, kMostTreeDepth = 10;  // 200 trees of depth 6 have 25,400

// Whether code of the booster stays within those bounds.
bool fits_code(const Booster& booster);

// Of what predictions depend on.
std::string tree_hash(const Booster& booster, size_t features);

// Inputs: features in blocks, margins f32[kTreeBlock * blocks]; output: the predictions; symbol: blocks. A kernel has some trees, and adds
// their leaves in float in the booster's order. `lanes`, a power of two up to kTreeBlock: candidates that go through the code at a time.
// A booster that fits_code.
Module tree_module(const std::string& name, const Booster& booster, size_t features, int64_t lanes);

}  // namespace tenon
