// Bytes that say what a region of one graph is, to find again what was worked out about it: equal bytes, equal regions.
#pragma once

#include <span>
#include <string>

#include "tenon/plan.h"

namespace tenon {

// Its nodes, where their values are placed, its precision and whose code it is: all that build_region sees.
void add_region(std::string& key, const RegionPlan& region);
// The layouts of what its nodes read and make.
void add_layouts(std::string& key, const Graph& graph, const RegionPlan& region);
// But those of `without`.
void add_knobs(std::string& key, const Knobs& knobs, std::span<const Knob> without = {});
void add_schedule(std::string& key, const Schedule& schedule, std::span<const Knob> without = {});

}  // namespace tenon
