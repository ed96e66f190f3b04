#pragma once

#include <cmath>
#include <span>

#include "tenon/plan.h"
#include "tenon/target.h"

namespace tenon {

// An extent; a symbol's is 64, where only its order of magnitude matters.
double known(const ExprPool& pool, Expr extent);
// Elements of a tensor of such dims; positions along all of the axes.
double elements(const ExprPool& pool, std::span<const Expr> dims);
double positions(const ExprPool& pool, std::span<const Expr> axes);

// Where a value lies; a temporary is row-major.
Layout layout_of(const Graph& graph, const RegionBuffer& buffer);

// The factors of a product: what its lanes share, and what varies along them. Nothing where the statement is no product.
struct Factors {
  Expr shared, along;
};
std::optional<Factors> factors_of(const Region& region, const Statement& s, const Layout& layout);
// Some index of the load moves with a row and with a step of the sum.
bool reads_window(const ExprPool& pool, Expr load, const ContractionAxes& axes);
// The factor that is the same for all lanes is a constant, or the one that is not.
bool reads_constant(const Graph& graph, const Region& region, const Statement& s, const Layout& layout, bool lanes);
// What the statement computes has functions with a shorter form (Knob::functions).
bool has_short_functions(const Region& region, const Statement& s);

// Blocks in which the statements of a region run, where producers are computed at an axis. No attachment: none.
struct Blocks {
  const Attachment* attachment = nullptr;
  int64_t steps = 0;  // Knob::attach_block
};

// Cycles of a multiply-add of a whole vector: two units compute them.
double multiply_add_cycles(const Target& target);

// What a tile is chosen by, beside the product and the target.
struct Setting {
  double most_rows = INFINITY;  // of any product
  double weights = 0;           // bytes of all constants, which a run goes through once
  DType precision = DType::F32;  // of the region: F16 where products of f16 may be summed in f16 (Knob::halves)
};

struct Tile {
  Knobs knobs;
  double seconds = 0;  // that all of the product takes in such tiles, by the target's peak rate; 0: not estimated
};

// The tile of a statement that is a product; nothing where it is none. Makes expressions in region.pool.
std::optional<Tile> best_tile(const Graph& graph, Region& region, size_t statement, const Target& target, const Setting& setting = {},
                              const Blocks& blocks = {});

// Seconds of all the region's products in such tiles.
double seconds_in_tiles(const Graph& graph, Region& region, const Target& target, const Setting& setting = {});

}  // namespace tenon
