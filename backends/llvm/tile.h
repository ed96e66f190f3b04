// What the parts of the Tile emitter share.
#pragma once

#include "emitter.h"

namespace tenon::gen {

// One row of one piece. `rename` maps the tile's variables to this instance's.
struct Instance {
  ExprPool::Substitution rename;
  const Lanes* lanes = nullptr;
  std::vector<Value*> state;
};

// The tile in AMX's registers (emit_matrix.cpp). False where it is no tile of that kind; then nothing was emitted.
bool emit_matrix(Emitter& emitter, const Stmt& tile);

// Before a tile's sums: the lines that its stores write and, of what they read, those that differ from row to row.
void ask_for_results(Emitter& emitter, const Stmt& tile, std::span<const Instance> results);
// The stores of a tile: results of a row beside each other, rows outside.
void store_results(Emitter& emitter, const Stmt& tile, std::span<const Instance> results, size_t pieces);
// One of its stores, for one result.
void store_result(Emitter& emitter, const Stmt& tile, const TileStore& store, const Instance& result);

}  // namespace tenon::gen
