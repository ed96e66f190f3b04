// Where two plans of one graph differ.
#pragma once

#include <string>
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

// All that decides what the code of each region is: equal bytes, equal code. `laid_out`: the graph with the plan's layouts.
std::vector<std::string> signatures(const Graph& laid_out, const Plan& plan);
// The same of plans whose signatures are known.
std::vector<Difference> differences(size_t nodes, const Plan& one, const std::vector<std::string>& of_one, const Plan& other, const std::vector<std::string>& of_other);
// All that decides what a region's code is, but for what it asks for beyond its own constants: equal texts, equal code. Of one graph.
std::string signature(const Graph& laid_out, const RegionPlan& region);

}  // namespace tenon
