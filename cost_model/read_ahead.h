// Constants of regions that wait for memory are asked for by regions before them that compute.
#pragma once

#include <vector>

#include "tenon/plan.h"
#include "tenon/target.h"

namespace tenon {

// A region and memory.
struct Traffic {
  double constants = 0;  // bytes that it reads of constants
  double seconds = 0;    // that its products take by the target's peak rate
  double carrier = 0;    // bytes of the constant whose product can ask for others (Knob::beyond); 0: there is none
};

Traffic traffic_of(const Graph& graph, const Region& region, const Target& target);

// Sets `beyond` and `beyond_from`. `traffic`: of each of the regions, in order.
void read_ahead(std::vector<RegionPlan>& regions, const std::vector<Traffic>& traffic, const Target& target);

}  // namespace tenon
