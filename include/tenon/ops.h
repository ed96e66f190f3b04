// What is known of each core op. One OpDef per row of ops.def, defined in its family's file.
#pragma once

#include <functional>
#include <span>

#include "tenon/graph.h"
#include "tenon/region.h"
#include "tenon/tensor.h"

namespace tenon {

struct ValueType {
  DType type{};
  std::vector<Expr> dims;
  bool operator==(const ValueType&) const = default;
};

// Shape inference: types of the outputs from those of the operands. May make expressions in graph.pool.
// Operand dims that must be equal are unified with unify_dims. Errors need no node: the caller adds it.
using InferFn = Result<std::vector<ValueType>> (*)(Graph& graph, const Node& node);

// Reference evaluation, naive and in float64. Output dims and the node's dim attributes come resolved.
struct EvalInput {
  const Node& node;
  std::span<const Tensor* const> inputs;             // null: operand left out
  std::span<const ValueType> output_types;           // dims are symbolic: use output_dims
  const std::vector<std::vector<int64_t>>& output_dims;
  std::function<std::vector<int64_t>(Attr)> dims;    // a Dims attribute, evaluated
};
using EvalFn = std::vector<Tensor> (*)(const EvalInput& in);

// Lowering to index expressions: appends the statements that define the node's outputs.
struct LowerInput {
  Region& region;
  const Graph& graph;
  const Node& node;
  std::span<const BufferId> inputs;   // invalid: operand left out
  std::span<const BufferId> outputs;
  // An expression of the graph's pool (a dim), in the region's pool.
  std::function<Expr(Expr)> dim;
};
using LowerFn = void (*)(LowerInput& in);

// Rewrites the node into simpler ones appended to graph.nodes; returns the values that replace its outputs.
using DecomposeFn = Result<std::vector<ValueId>> (*)(Graph& graph, const Node& node);

// How far a kernel may be from the reference: per element, |native - reference| <= bound. docs/accuracy.md.
struct BoundInput {
  const EvalInput& eval;                   // operands, as the reference has them
  std::span<const Tensor* const> errors;   // of the operands, in Tensor::f; null: exact
  std::span<const Tensor> results;         // the reference's
  DType rounded = DType::F32;  // what f32 operands of the product are rounded to; F32: they are not
  int64_t winograd = 0;        // Knob::winograd of the region; convolutions that it does not fit are not touched by it
  int64_t halves = 0;          // terms of its partial sums in f16 (Knob::halves); 0: sums are of f32
  bool short_functions = false;  // Knob::functions of the region
};
using BoundFn = std::vector<Tensor> (*)(const BoundInput& in);

enum class OpKind : uint8_t {
  Elementwise,  // out[i] = f(in[i]...) with broadcasting: `scalar` says which f
  Movement,     // every output element is one input element (or a constant): inlined into consumers
  Reduction,
  Scan,         // every step of the reduction is stored
  Contraction,
  Gather,       // indirect loads
  Scatter,
  Routine,      // calls the C11 runtime
  Composite,    // several statements over shared rows, or a decomposition
};

struct OpDef {
  std::string_view name;
  OpKind kind{};
  int min_inputs = 1, max_inputs = 1;   // max -1: any number
  int min_outputs = 1, max_outputs = 1;
  std::initializer_list<Attr> attrs = {};  // those that may be present ...
  std::initializer_list<Attr> needs = {};  // ... and those of them that must be
  InferFn infer = nullptr;
  EvalFn eval = nullptr;
  LowerFn lower = nullptr;          // exactly one of lower and decompose
  DecomposeFn decompose = nullptr;
  SOp scalar = SOp::Const;          // Elementwise only
  // What its own arithmetic adds to the error, by the first of these that is there:
  BoundFn bound = nullptr;                       // a rule of its own
  double (*terms)(const EvalInput& in) = nullptr;  // a sum of that many products: see sum_roundings
  double roundings = 0;                          // units of roundoff of the result; 0: exact
};

constexpr bool complete(const OpDef& def) {
  return def.infer && def.eval && ((def.lower != nullptr) != (def.decompose != nullptr));
}

#define OP(name, family) extern const OpDef def_##name;
#include "tenon/ops.def"
#undef OP

const OpDef& definition(Op op);

// Declares a and b equal. Where that fixes a symbol, it is replaced in the whole graph (the one made last
// goes; ranges intersect) and remembered in graph.replaced; constants must match. What can be neither
// solved nor refuted goes into graph.assumed_equal.
Result<Expr> unify_dims(Graph& graph, Expr a, Expr b);
// The expression after all replacements so far.
Expr resolve(Graph& graph, Expr e);
// NumPy's broadcasting. A symbolic dim broadcasts only where it is known to be 1: else dims that meet
// are unified.
Result<std::vector<Expr>> broadcast_dims(Graph& graph, std::span<const std::vector<Expr>> operands);

// Appends a node, infers its outputs' types, propagates small contents; the first output. `name` is the
// first output's (made unique); by default origin's or the op's. Errors carry `origin`. This is the one
// way in which importer and passes make nodes.
Result<ValueId> add_node(Graph& graph, Node node, std::string name = {});

// The rules of verify(graph), and those that need the ops: operands and attributes that each op takes, no
// bodies but on control flow, quantisation that fits, and recorded types equal to what inference gives
// now, without learning of any new equality. All violations in one go.
Result<void> verify_ops(const Graph& graph);
// Whether the plan, which may come from a file, fits the graph: every value that is read is there, every
// value that a region makes has a place, views are views. All violations in one go, E0403.
struct Plan;
Result<void> verify_plan(const Graph& graph, const Plan& plan);

// The node's statements as a region of their own: operands are its inputs. The op must have a lowering.
Region lower_node(const Graph& graph, const Node& node);

// Shape arithmetic by symbolic interpretation of the node's own index expressions: the elements of
// output 0 where they are few and known.
std::optional<std::vector<Expr>> propagate_content(Graph& graph, const Node& node);

// One output each, in Tensor::f; infinite where nothing can be said.
std::vector<Tensor> error_bounds(const BoundInput& in);
// A convolution of f32 that Winograd's F(m,3) can compute, as far as its node says: match_winograd of plan.h.
bool winograd_fits(const EvalInput& in);
// What F(m,3) makes of it, every step rounded to f32: one draw of its errors.
Tensor winograd_filtered(const EvalInput& in, int64_t m);
// Half the distance from 1 to the next number of the type; 0 for integers.
double unit_roundoff(DType type);
// c*K of a sum of K products, in units of roundoff of sum |a||b|: K in the worst case; more than 8 sqrt(K) does
// not occur (docs/accuracy.md), and c = min(1, 8 / sqrt(K)).
double sum_roundings(double terms);

// Reference evaluation of a whole graph at one binding of its symbols.
struct EvalOptions {
  std::unordered_map<std::string, int64_t> dims = {};  // symbol -> value; missing ones are solved from the inputs
  // Called after each node; may replace the values (to feed reference inputs) or record them.
  std::function<void(const EvalInput&, std::span<Tensor>)> observe = {};
  DType rounded = DType::F32;  // what operands of f32 products are rounded to; F32: they are not
};
Result<std::vector<Tensor>> evaluate(const Graph& graph, std::span<const Tensor> inputs, const EvalOptions& options);

}  // namespace tenon
