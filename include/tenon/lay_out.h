// Layouts of a plan in a graph that is at hand; laid_out (plan.h) makes a copy.
#pragma once

#include "tenon/plan.h"

namespace tenon {

// Gives the graph the plan's layouts; those of parts are within the wholes'. All others stay.
void lay_out(Graph& graph, const Plan& plan);

}  // namespace tenon
