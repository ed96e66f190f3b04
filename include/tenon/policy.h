// Policies: Graph x Target x dims -> Plan. `rules` needs no data; the others come with telemetry.
#pragma once

#include "tenon/plan.h"
#include "tenon/target.h"

namespace tenon {

// E0405: the target has nothing that computes in this precision.
Result<Plan> rules_policy(const Graph& graph, const Target& target, Precision precision = Precision::Strict,
                          Providers providers = Providers::None);

// For an artifact that several workers run. A worker has the same part of every loop's tasks: tasks become rows of images or of tokens wherever a
// region reads and writes at least twice as much of them as of constants, so that what a worker reads it has then written itself, and lines do not go from one
// core's cache to another's. Rows over which a window slides become parts, whose first rows of the producer are computed twice.
void cut_rows(const Graph& graph, Plan& plan);

}  // namespace tenon
