// Which tensors keep a margin of zeros for the convolutions that read them.
#pragma once

#include <set>

#include "region_memo.h"
#include "tenon/decisions.h"
#include "tenon/plan.h"
#include "tenon/target.h"

namespace tenon {

// `layouts` (value, layout) with halos where results are padded with zeros by convolutions that would else copy them,
// and where that copy takes longer than what the margins cost: rows of different lines lie apart, so that a tile
// takes them from one line. Not for what is read or made by moving elements, as it may then be a view. `graph` gets the margins.
std::vector<std::pair<ValueId, Layout>> add_halos(Graph& graph, const std::vector<RegionPlan>& regions, const Target& target,
                                                  Precision precision, std::vector<std::pair<ValueId, Layout>> layouts, const Decider& decide, RegionMemo& memo);

// Adds the margins that `reader` wants of `v`, the operand of its convolution; false: none.
bool widen(const ExprPool& pool, std::vector<Halo>& halos, const Node& reader, ValueId v);

// Adds margins of so many elements, as far as they are known; false: there are none. The first is of dim `first_dim`.
bool widen_by(const ExprPool& pool, std::vector<Halo>& halos, const std::vector<Expr>& begin, const std::vector<Expr>& end, int first_dim);

// Bytes per second in which so much is copied, and seconds to read and to write it.
double copy_rate(const Target& target, double bytes);
double copy_seconds(const Target& target, double bytes);
// What the products of these regions take in their best tiles.
double product_seconds(const Graph& graph, const std::vector<RegionPlan>& regions, const std::set<int>& which, const Target& target, RegionMemo& memo);

}  // namespace tenon
