// What a cost model is told of a region in one schedule on one target: numbers, known before any code is generated. The rows are
// those of cost_model/features.def; docs/features.md is its table. The last group is the roofline prior, which a model corrects.
#pragma once

#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tenon/plan.h"
#include "tenon/target.h"

namespace tenon {

struct FeatureInfo {
  std::string_view name;
  char group;                 // 'A' work ... 'H' prior
  std::string_view unit, meaning;
};
std::span<const FeatureInfo> feature_table();   // in the order of the vector
// Of the table, the knobs and the version of what computes them, in hex: numbers of another hash mean something else.
std::string features_hash();
// What telemetry records call it: 64 digits.
std::string features_id();
size_t feature_index(std::string_view name);    // of a row that there is

// The device in measured numbers. What a target file does not state is guessed from what it does: cost_model/device_facts.cpp.
struct DeviceFacts {
  double vector_bytes = 16, unit_bytes = 16;    // of a register; that a unit computes at once
  double registers = 16, line_bytes = 64;
  double gflops_f32 = 0, gops_i8 = 0;           // 1e9 operations per second of a core
  double gops_pairs = 0, gflops_half = 0;       // products of bf16 summed in f32; of f16 in f16; no such instruction: 0
  double gops_matrix_i8 = 0, gops_matrix_half = 0;  // in matrix registers
  double gigahertz = 1;                         // at which multiply_add cycles give gflops_f32
  double cycles = 0.5;                          // of a multiply-add of a vector
  double bytes[3] = {};                         // of L1, L2, L3; 0: there is none
  double gb_per_s[4] = {};                      // from L1, L2, L3, memory
  double fork_us = 0;
  double threads = 1;                           // that the tasks of a kernel share
  bool fuses = false, masks = false;            // one rounding per multiply-add; loads and stores under masks
  double ahead_bytes = 0;                       // Target::l1_ahead_bytes
};
DeviceFacts device_facts(const Target& target, unsigned threads = 1);

// Operations per element or per step of a sum, each distinct expression once.
struct OpCounts {
  double simple = 0;          // additions, products, bounds, bits, moves between types: one instruction or two
  double flops = 0, integer = 0, transcendental = 0, short_form = 0, divisions = 0, compares = 0, conversions = 0, index = 0;
};

// A read or a write of a statement. Axes go by their place in StatementFacts::axes.
struct AccessFacts {
  int buffer = 0;             // of the region
  double element = 4;         // bytes
  bool write = false, constant = false, temporary = false, in_sum = false, guarded = false;
  int64_t uses = 0;           // bit per axis: the address depends on it
  std::vector<double> steps;  // per axis: elements in memory between neighbours; NaN: not constant
  double copies = 1;          // loads of this kind, whose addresses differ by constants
  double total = 0;           // bytes of the buffer
  struct Dim {
    double extent = 1;
    std::vector<std::pair<int, double>> steps;  // axis, elements; in memory order, the innermost dim last
    bool affine = true;       // else all of the dim is counted
  };
  std::vector<Dim> dims;
  double comes_after = 0;     // bytes that a run touched since this was written or read last
};

struct StatementFacts {
  struct Axis {
    double extent = 1;
    bool reduce = false, symbolic = false;
    bool shares = false;      // some vector operand is the same along it
    Span span = {};           // which part of it a block of the shared axes takes
  };
  enum class Kind : uint8_t { Map, Product, Depthwise, Reduction, Routine };
  Kind kind = Kind::Map;
  ValueId owner = {};         // of an attached value: what `producers` name; invalid: the region's own tile
  std::vector<Axis> axes;     // of the result in the order of its memory, outermost first, then the reduction's
  int outputs = 0;            // how many of them are of the result
  int lane = -1, reduce_lane = -1;       // axis that vectors run along; along the reduction where that is preferred or asked for
  bool prefers_reduction = false;
  double points = 1, terms = 1;          // of the result; of the sum of each
  double moved = 1;                      // share of the points that do not lie in their place already
  double m = 1, n = 1, k = 1;            // of a product
  DType type = DType::F32;               // computed in
  double factor_bits = 32;               // of the elements that are multiplied
  double steps_at_once = 1;              // products of narrow elements that one instruction sums
  bool sums = false, ordered = false;
  bool left_constant = false, right_constant = false, padded = false, strided_right = false;
  bool winograd = false;                 // Winograd's transforms are legal
  bool before = false;                   // computed once, before the shared loops
  OpCounts step, point;                  // per step of the reduction beside the product; per element of the result
  std::vector<AccessFacts> accesses;
};

// All that does not depend on the values of knobs; those that cut blocks (Knob::attach and its kin) are the plan's.
struct RegionFacts {
  std::vector<StatementFacts> statements;
  std::vector<double> shared;            // extents of the axes that all statements share
  double constants = 0;                  // bytes of all constants of the model
  double unproduced = 0, inputs = 0, weights = 0, compulsory = 0, temporaries = 0;  // bytes
  size_t heaviest = 0;                   // statement with the most operations
  DType precision = DType::F32;
};

// What a run does before the region reads its inputs.
struct Surroundings {
  double constants = 0;                                // bytes of all of the model's
  double before = 0;                                   // bytes that the region just before touched: the memory of results is as old
  double since_asked = 0;                              // bytes touched since a product before asked for the region's (Knob::beyond); 0: none did
  std::vector<std::pair<ValueId, double>> distances;   // bytes that the run touched since it made a value; others: the cold ones
  std::vector<ValueId> previous;                       // made by the region just before
  std::vector<Part> parts;                             // the plan's
};
Surroundings surroundings(const Graph& laid_out, const Plan& plan, size_t region);

// Makes expressions in region.pool. `graph` has the plan's layouts (laid_out). E0403: the plan's blocks do not fit.
Result<RegionFacts> region_facts(const Graph& graph, Region& region, const RegionPlan& plan, const Target& target, const Surroundings& around);

// Seconds of each level, and what they make.
struct Prior {
  double compute = 0, levels[4] = {}, overhead = 0, seconds = 0;   // levels: from L1, L2, L3, memory
  int bound = 0;                                                    // 0: compute, 1 ... 4: levels
  double second = 0;                                                // the next slower one, as a share of the slowest
};

// One candidate: `out` has as many floats as the table has rows. NaN: the feature does not apply. Allocates nothing. Its prior is by the way.
Prior features_of(const RegionFacts& facts, const Variant& variant, const DeviceFacts& device, std::span<float> out);

std::string_view bound_name(int bound);
Prior prior(const RegionFacts& facts, const Variant& variant, const DeviceFacts& device);
// Seconds of one call of the region: positive and finite for all legal knobs.
inline double prior_seconds(const RegionFacts& facts, const Variant& variant, const DeviceFacts& device) { return prior(facts, variant, device).seconds; }

struct RegionFeatures {
  std::string name;
  std::vector<std::string> nodes;   // of the ONNX model
  std::string predicate;            // of the variant that the numbers are of
  Knobs knobs;
  std::vector<float> values;
  Prior prior;
  double floor = 0;                 // seconds: compulsory bytes and operations at the peak rates
};
// Of every region of the plan that Tenon computes itself, in its last variant.
Result<std::vector<RegionFeatures>> plan_features(const Graph& graph, const Plan& plan, const Target& target, unsigned threads = 1);

}  // namespace tenon
