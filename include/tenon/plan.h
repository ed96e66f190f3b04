// A Plan is everything that a policy decides: partition into regions, producer placement, layouts,
// precision, and a Schedule per region. Plain data; prints, parses, diffs and hashes. docs/plan.md.
#pragma once

#include <array>
#include <functional>
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

// A value of each, in the order of knobs.def.
inline constexpr std::array kKnobDefaults = {
#define KNOB(name, default_value, meaning) int64_t{default_value},
#include "tenon/knobs.def"
#undef KNOB
};

class Knobs {
 public:
  Knobs() = default;
  Knobs(std::initializer_list<std::pair<Knob, int64_t>> values) {
    for (const auto& [knob, value] : values) set(knob, value);
  }
  int64_t operator[](Knob k) const { return all_[static_cast<size_t>(k)]; }
  void set(Knob k, int64_t value) { all_[static_cast<size_t>(k)] = value; }
  bool differs(Knob k) const { return (*this)[k] != kKnobDefaults[static_cast<size_t>(k)]; }  // from the default
  const auto& all() const { return all_; }
  // Those that differ from the default, with their values, in the order of knobs.def.
  std::vector<std::pair<Knob, int64_t>> changed() const;
  auto operator<=>(const Knobs&) const = default;

 private:
  std::array<int64_t, kKnobDefaults.size()> all_ = kKnobDefaults;
};

// One kernel per variant; the first whose predicate holds is called. The last has none.
struct Variant {
  std::string predicate;  // "S == 1", "S >= 16 & B == 1"; "": otherwise
  Knobs knobs;
  std::vector<std::pair<ValueId, Knobs>> producers = {};  // tiles of what computes attached values, by value; else `knobs`
  bool operator==(const Variant&) const = default;
};

struct Schedule {
  std::vector<Variant> variants = {Variant{}};
  bool operator==(const Schedule&) const = default;
};

enum class Placement : uint8_t { Root, Inline, Attached };

// Whose code computes a region: Tenon's own, or a library's (provider.h).
enum class Provider : uint8_t { Own, OneDnn };

struct RegionPlan {
  std::string name;
  std::vector<int> nodes;                             // indices into graph.nodes, ascending
  std::vector<std::pair<ValueId, Placement>> placed;  // values made inside; outputs of the region are Root
  Schedule schedule;
  DType precision = DType::F32;                       // that operands of f32 products are rounded to: F32 (none), BF16 or F16
  Provider provider = Provider::Own;
};

// A value that lies in another's memory: its elements are elements [begin, begin + extent) of the whole's along a dim.
// The value is an operand of the concatenation that makes the whole, or a slice of it: what copies one into the other
// has nothing to do. docs/decisions/0018.
struct Part {
  ValueId value, whole;
  int dim = 0;
  int64_t begin = 0;
  bool operator==(const Part&) const = default;
};

// What a user allows: --precision.
enum class Precision : uint8_t { Strict, Fast, Bf16, Fp16 };
// ... and --providers: none, where the target file says that it pays, wherever it is legal.
enum class Providers : uint8_t { None, OneDnn, OneDnnEverywhere };

// Terms of a sum in f16 where Knob::halves says so and Knob::k_block nothing, and the most that it may say.
inline constexpr int64_t kHalfTerms = 128, kMostHalfTerms = 256;

struct Plan {
  std::string target;
  std::string graph_hash;                             // of the printed graph
  std::vector<RegionPlan> regions;                    // execution order; every node in exactly one, views in none
  std::vector<std::pair<ValueId, Layout>> layouts;    // values that are not row-major
  // Values that are another's memory under another shape: value, of. No region makes them.
  std::vector<std::pair<ValueId, ValueId>> views;
  std::vector<Part> parts = {};                       // their layouts are those of the wholes
};

// The region's statements as index expressions, inlined values substituted (src/ops/build_region.cpp).
Result<Region> build_region(const Graph& graph, const RegionPlan& region);

// Whether a constant that a product of the region reads has a number that is finite and, rounded to the type, is not.
bool overflows(const Graph& graph, const Region& region, DType to);

// Of a result's indices, that along which neighbours in memory differ. Requires: the result has dims.
Expr innermost_index(const Statement& s, const Layout& out);

// What a policy may know of a region before it is lowered (src/ops/space.cpp).
struct ContractionAxes {
  std::vector<Expr> batch, m, n, k;  // by which of the two factors they appear in; n: the vector operand's
  bool vector_both = false;          // both factors vary along the vector axis (depthwise, elementwise products)
};
// Which positions along an axis belong to a block of a shared axis: while that one takes x, x+1, ... x+n-1, they are
// step*x + first up to and with step*(x+n-1) + first + reach.
struct Span {
  int shared = -1;  // index into Attachment::shared; -1: all positions
  int64_t step = 1, first = 0, reach = 0;
  bool operator==(const Span&) const = default;
};
// How the statements of a region run under shared loops: producers computed at an axis, in the part that its block needs.
struct Attachment {
  std::vector<Expr> shared;                // axes of the last statement, outermost first; none of extent 1
  std::vector<std::vector<Span>> axes;     // per statement and axis
  std::vector<std::vector<Span>> buffers;  // per buffer and dim: which part a folded temporary holds
  std::vector<bool> before;                // per statement: computed whole, before the shared loops
};
// At most `count` leading axes of a statement in the memory order of its output.
std::vector<Expr> leading_axes(const Graph& graph, const Region& region, size_t statement, size_t count);
// The axes of the last statement that the knobs `attach` and `attach_inner` share; fewer than `attach`: it has no more.
std::vector<Expr> shared_axes(const Graph& graph, const Region& region, const Knobs& knobs);
// Under loops over the axes `shared` of the last statement; E0403: what is in the way. Makes expressions in region.pool.
Result<Attachment> attach(const Graph& graph, Region& region, std::vector<Expr> shared, bool copies_first = false);
// The value whose node makes a buffer of the region, itself or a temporary; invalid: an input.
ValueId owner_of(const Region& region, BufferId buffer);
// The largest legal Knob::attach.
int64_t max_attach(const Graph& graph, const Region& region);
// The statement's sum of products, its vector axis being the innermost dim of `out`'s layout.
std::optional<ContractionAxes> classify(const Region& region, const Statement& statement, const Layout& out);
// A sum that Winograd's F(m,3) can compute: 3x3 taps of stride and dilation 1, one group, constant weights, f32, more than one
// channel, known width and height of more than 1. The output axes are those of Statement::axes; y and x may be at any place among them.
struct WinogradConv {
  BufferId x, w;
  std::vector<Expr> others;                     // axes of the result but o, row and column: the images
  Expr o, row, column, c;                       // axes; c: the reduction's over channels
  std::vector<Expr> at;                         // where x is read, with the window's axes 0: [n, c, row - top, column - left]
  int64_t height = 0, width = 0;                // of the result
};
std::optional<WinogradConv> match_winograd(const Graph& graph, Region& region, const Statement& statement);
// A value computed only by moving elements, in the order in which they already lie: the value whose memory
// it is. `layouts` are those of the plan.
std::optional<ValueId> view_source(const Graph& graph, const Region& region);

// How the value is part of the whole: by a concatenation that reads it, or as a slice. Nothing: it is not.
std::optional<Part> part_of(const Graph& graph, ValueId value, ValueId whole);
// The layout of a part, by that of its whole.
Layout within(const Graph& graph, const Part& part);
// The graph with the plan's layouts; those of parts are within the wholes'.
Graph laid_out(Graph graph, const Plan& plan);
// A value that a routine takes and that is a part: routines know buffers as a whole. "": there is none.
std::string needs_whole_buffer(const Region& region, const std::function<bool(ValueId)>& is_part);

std::string print(const Plan& plan, const Graph& graph);
Result<Plan> parse_plan(std::string_view text, const Graph& graph);
std::string hash(const Graph& graph);

}  // namespace tenon
