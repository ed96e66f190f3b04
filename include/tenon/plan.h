// A Plan is everything that a policy decides: partition into regions, producer placement, layouts,
// precision, and a Schedule per region. Plain data; prints, parses, diffs and hashes. docs/plan.md.
#pragma once

#include <map>

#include "tenon/graph.h"
#include "tenon/region.h"

namespace tenon {

enum class Knob : uint8_t {
#define KNOB(name, default_value, meaning) name,
#include "tenon/knobs.def"
#undef KNOB
};

struct KnobInfo {
  std::string_view name;
  int64_t fallback;
  std::string_view meaning;
};
std::span<const KnobInfo> knob_table();

struct Knobs {
  std::map<Knob, int64_t> values;  // only those that differ from the default
  int64_t operator[](Knob k) const;
  void set(Knob k, int64_t value);
  bool operator==(const Knobs&) const = default;
};

// One kernel per variant; the first whose predicate holds is called. The last has none.
struct Variant {
  std::string predicate;  // "S == 1", "S >= 16 & B == 1"; "": otherwise
  Knobs knobs;
  bool operator==(const Variant&) const = default;
};

struct Schedule {
  std::vector<Variant> variants = {Variant{}};
  bool operator==(const Schedule&) const = default;
};

enum class Placement : uint8_t { Root, Inline, Attached };

struct RegionPlan {
  std::string name;
  std::vector<int> nodes;                             // indices into graph.nodes, ascending
  std::vector<std::pair<ValueId, Placement>> placed;  // values made inside; outputs of the region are Root
  Schedule schedule;
  DType precision = DType::F32;                       // of the accumulators of float contractions
};

struct Plan {
  std::string target;
  std::string graph_hash;                             // of the printed graph
  std::vector<RegionPlan> regions;                    // execution order; every node in exactly one, views in none
  std::vector<std::pair<ValueId, Layout>> layouts;    // values that are not row-major
  // Values that are another's memory under another shape: value, of. No region makes them.
  std::vector<std::pair<ValueId, ValueId>> views;
};

// The region's statements as index expressions, inlined values substituted (src/ops/build_region.cpp).
Result<Region> build_region(const Graph& graph, const RegionPlan& region);

// What a policy may know of a region before it is lowered (src/ops/space.cpp).
struct ContractionAxes {
  std::vector<Expr> batch, m, n, k;  // by which of the two factors they appear in; n: the vector operand's
  bool vector_both = false;          // both factors vary along the vector axis (depthwise, elementwise products)
};
// The largest legal Knob::attach: leading axes that all statements share, with every temporary read where it
// was made.
int64_t max_attach(const Region& region);
// The statement's sum of products, its vector axis being the innermost dim of `out`'s layout.
std::optional<ContractionAxes> classify(const Region& region, const Statement& statement, const Layout& out);
// A value computed only by moving elements, in the order in which they already lie: the value whose memory
// it is. `layouts` are those of the plan.
std::optional<ValueId> view_source(const Graph& graph, const Region& region);

std::string print(const Plan& plan, const Graph& graph);
Result<Plan> parse_plan(std::string_view text, const Graph& graph);
std::string hash(const Graph& graph);

}  // namespace tenon
