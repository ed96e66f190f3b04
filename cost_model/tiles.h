#pragma once

#include <cmath>

#include "tenon/plan.h"
#include "tenon/target.h"

namespace tenon {

// An extent; a symbol's is 64, where only its order of magnitude matters.
double known(const ExprPool& pool, Expr extent);

// Blocks in which the statements of a region run, where producers are computed at an axis. No attachment: none.
struct Blocks {
  const Attachment* attachment = nullptr;
  int64_t steps = 0;  // Knob::attach_block
};

// The tile of a statement that is a product, with at most `most_rows` rows; nothing where it is none.
std::optional<Knobs> tile_knobs(const Graph& graph, const Region& region, size_t statement, const Target& target,
                                double most_rows = INFINITY, const Blocks& blocks = {});

}  // namespace tenon
