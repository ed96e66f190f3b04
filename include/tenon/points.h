// Bindings of a model's dims that matter more than others (--tune-at): at each, regions get a schedule of their own. docs/decisions/0030.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tenon/plan.h"

namespace tenon {

using DimValues = std::map<std::string, int64_t>;

// The schedules of a point are called, and their kernels made, for `key`; `others` are values to choose and to measure with, and any others run as well.
struct Point {
  DimValues key;     // one dim
  DimValues others;
  DimValues all() const;
  bool operator==(const Point&) const = default;
};

// "S=1,P=512,S=128,P=0": two points; the dim that comes first begins each. E0601: it is no such list, or has a point twice.
Result<std::vector<Point>> parse_points(std::string_view text);
std::string print(const Point& point);  // "S=1,P=512"

// The graph with these dims as numbers. E0601: the graph has no such dim, or not of this value.
Result<Graph> bind_dims(const Graph& graph, const DimValues& values);

// What a variant's predicate fixes: "S == 1 & P < 8" fixes S.
DimValues equalities(std::string_view predicate);

// Whether add_variants gives the region any: it is Tenon's own, and its extents depend on the key.
bool has_own_variants(const Graph& graph, const RegionPlan& region, const DimValues& key);

// The plan as it is called at these values: of each region the first variant that may be called.
Result<Plan> plan_at(const Plan& plan, const DimValues& values);
// Puts the schedules of `at`, a plan of the same regions, before those of the plan, for `key` alone, in regions that have own ones.
void add_variants(const Graph& graph, Plan& plan, const DimValues& key, const Plan& at);

}  // namespace tenon
