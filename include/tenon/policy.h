// Policies: Graph x Target x dims -> Plan. `rules` needs no data; the others come with telemetry.
#pragma once

#include "tenon/plan.h"
#include "tenon/target.h"

namespace tenon {

// E0405: the target has nothing that computes in this precision.
Result<Plan> rules_policy(const Graph& graph, const Target& target, Precision precision = Precision::Strict,
                          Providers providers = Providers::None);

}  // namespace tenon
