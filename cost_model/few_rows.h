#pragma once

#include "tenon/plan.h"

namespace tenon {

// Rows below which a run-time operand is not packed: what a packed copy costs, in rows of the product.
constexpr int64_t kFewRows = 8;

// The condition over dims under which some product of the region has fewer rows than that and a right operand that
// would be packed for more; "": there is no such product, or it always has as many.
std::string few_rows(const Graph& graph, Region& region);

}  // namespace tenon
