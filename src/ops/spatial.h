// What convolutions and windows have in common: attributes per spatial dim, and where each tap of each
// output position reads.
#pragma once

#include "lower.h"

namespace tenon {

// Attributes that a node leaves out are 1 and 0. Tap k of output i reads i * stride + k * dilation - begin.
struct Spatial {
  std::vector<int64_t> strides, dilations;
  std::vector<Expr> begin, end;
};

// For inference: checked, pads in the graph's pool.
Result<Spatial> spatial_of(Graph& graph, const Node& node, size_t rank);
// For lowering: pads in the region's pool.
Spatial spatial_of(Lower& l, size_t rank);

// Extents of the output of a sliding window.
Result<std::vector<Expr>> window_extents(Graph& graph, const Spatial& s, std::span<const Expr> extents,
                                         std::span<const Expr> kernel);

// A reduction axis, or 0 where there is but one step.
Expr reduce_axis(Lower& l, std::string name, Expr extent, std::vector<Expr>& axes);

// out[axes] = value, over accumulators that run along `reduce`; where there is but one step, without them.
void store_reduced(Lower& l, BufferId out, std::vector<Expr> axes, std::vector<Expr> reduce,
                   std::vector<Accumulator> accumulators, Expr value);

// Geometry at one binding of the symbols, for evaluation.
struct Taps {
  std::vector<int64_t> out, in, kernel, strides, dilations, begin;

  Taps(const EvalInput& input, std::span<const int64_t> outputs, std::span<const int64_t> extents,
       std::span<const int64_t> window);
  int64_t positions() const { return tenon::count(out); }
  int64_t taps() const { return tenon::count(kernel); }
  // [tap][position]: the offset that is read in `in`, -1 outside; for positions [first, last).
  std::vector<int64_t> offsets(int64_t first, int64_t last) const;
};

}  // namespace tenon
