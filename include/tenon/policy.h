// Policies: Graph x Target x dims -> Plan. `rules` needs no data; the others come with telemetry.
#pragma once

#include "tenon/plan.h"
#include "tenon/points.h"
#include "tenon/target.h"

namespace tenon {

// How a region is cut into blocks: chosen with the partition, not with the region's tiles.
inline constexpr Knob kBlockKnobs[] = {Knob::attach, Knob::attach_block, Knob::attach_inner, Knob::attach_slide, Knob::attach_rows};

// E0405: the target has nothing that computes in this precision.
Result<Plan> rules_policy(const Graph& graph, const Target& target, Precision precision = Precision::Strict,
                          Providers providers = Providers::None);

// Chooses the schedules of the plan's regions as the rules do for this graph, whose dims may be bound further than those that the plan was made for.
// E0403: blocks that the plan has do not fit the extents.
Result<void> schedule_again(const Graph& graph, const Target& target, Precision precision, Plan& plan);

// The plan at a point, its schedules chosen anew for these extents as the rules do; `bound`: the graph there. Weights keep the form in which the plan packs
// them, as all variants read the same. `workers`: as in PolicyOptions.
Result<Plan> rules_at(const Graph& bound, const Target& target, Precision precision, const Plan& plan, const Point& point, bool workers);
// The knobs that say in which form a region packs its constants.
std::span<const Knob> form_knobs();
// Whether the region reads constants in a form that it chooses.
bool packs_constants(const Graph& graph, const RegionPlan& region);

// For an artifact that several workers run. A worker has the same part of every loop's tasks: tasks become rows of images or of tokens wherever a
// region reads and writes at least twice as much of them as of constants, so that what a worker reads it has then written itself, and lines do not go from one
// core's cache to another's. Rows over which a window slides become parts, whose first rows of the producer are computed twice.
void cut_rows(const Graph& graph, Plan& plan);

}  // namespace tenon
