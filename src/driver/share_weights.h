// Weights of several levels in one block: what is packed alike lies there once.
#pragma once

#include "tenon/driver.h"

namespace tenon {

struct LevelWeights {
  const Graph& graph;
  Module& module;           // offsets of its constants are set
};

struct SharedWeights {
  int64_t bytes = 0;                     // of the block
  // Per level: all that it reads, what no other level reads, and the constants that are packed for it: the first
  // level that reads one.
  std::vector<int64_t> read, alone;
  std::vector<std::vector<PackedConstant>> packed;
};

// In the order of the levels, and of each level's weights as they lay.
SharedWeights share_weights(std::span<const LevelWeights> levels);

}  // namespace tenon
