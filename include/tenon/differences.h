// Where two plans of one graph differ.
#pragma once

#include <vector>

#include "tenon/plan.h"

namespace tenon {

// Regions of one plan and of the other that share nodes, and of which some are not the same: as cut, placed, laid out or scheduled. What a region
// asks for beyond its own constants depends on all others and does not count.
struct Difference {
  std::vector<int> nodes;              // of both, ascending
  std::vector<size_t> before, after;   // regions of the one, of the other
};
std::vector<Difference> differences(const Graph& graph, const Plan& one, const Plan& other);

}  // namespace tenon
