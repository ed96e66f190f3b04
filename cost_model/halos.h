// Which tensors keep a margin of zeros for the convolutions that read them.
#pragma once

#include "tenon/plan.h"
#include "tenon/target.h"

namespace tenon {

// `layouts` (value, layout) with halos where results are padded with zeros by convolutions that would else copy them,
// and where that copy takes longer than what the margins cost: rows of different lines lie apart, so that a tile
// takes them from one line. Not for what is read or made by moving elements, as it may then be a view.
std::vector<std::pair<ValueId, Layout>> add_halos(Graph graph, const std::vector<RegionPlan>& regions, const Target& target,
                                                  Precision precision, std::vector<std::pair<ValueId, Layout>> layouts);

}  // namespace tenon
