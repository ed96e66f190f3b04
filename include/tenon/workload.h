// What a region computes, without names: regions of the same workload have the same schedules and, at the same place, the same times.
#pragma once

#include <initializer_list>
#include <span>
#include <string>
#include <vector>

#include "tenon/plan.h"
#include "tenon/space.h"

namespace tenon {

// Statements, types, dims and layouts of the region as text, and how it is cut into blocks. `graph`: with the plan's layouts.
Result<std::string> workload_text(const Graph& graph, const RegionPlan& plan);

// Regions of one workload.
struct RegionGroup {
  std::string workload;      // hex
  std::vector<size_t> regions;  // of the plan
  RegionSpace space;         // of the first of them
};

// Of the regions that have something to choose, in the order of the plan.
Result<std::vector<RegionGroup>> group_regions(const Graph& source, const Plan& plan, const Target& target, Precision precision);

// Of all tiles: they keep what the plan has.
void leave_out(RegionSpace& space, std::span<const Knob> knobs);
inline void leave_out(RegionSpace& space, std::initializer_list<Knob> knobs) { leave_out(space, std::span(knobs.begin(), knobs.size())); }

// Where the region packs constants: leaves out what says in which form, which its variants share.
void keep_form(RegionSpace& space, const Graph& graph, const RegionPlan& region);

// The knobs of tile `tile` of a region's space.
Knobs knobs_of(const Variant& variant, const RegionSpace& space, size_t tile);
// Sets those knobs that the tile's space has; the others stay as they are.
void set_knobs(Variant& variant, const RegionSpace& space, size_t tile, const Knobs& knobs);

}  // namespace tenon
