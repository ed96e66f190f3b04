// Which schedules the regions of a plan could have: the knobs of their tiles and the values that are legal. docs/decisions/0023.
#pragma once

#include "tenon/plan.h"
#include "tenon/target.h"

namespace tenon {

struct KnobValues {
  Knob knob;
  std::vector<int64_t> values;  // ascending
};

// Of the tile in which a statement is computed.
struct TileSpace {
  ValueId of = {};                // of an attached value; invalid: the region's own
  std::string value = {};         // its name
  std::vector<KnobValues> knobs;  // every combination is legal ...
  int64_t registers = 0;          // ... whose rows x vectors are at most so many

  double size() const;
  bool has(const Knobs& knobs) const;
};

struct RegionSpace {
  std::string name;
  std::vector<TileSpace> tiles;   // whose choices are independent; none: nothing is to be chosen
  double size() const;
};

// Of regions as the plan cuts, places and lays them out, with what it chose among the values; how blocks of producers are cut (Knob::attach and its kin) belongs to that.
// Knobs that change results beyond what `precision` allows are left out. `graph` is the plan's, without its layouts.
Result<std::vector<RegionSpace>> schedule_spaces(const Graph& graph, const Plan& plan, const Target& target, Precision precision);

}  // namespace tenon
