// The loop IR: kernels plus one host program. Buffers are flat: a Load's operand and a Store's index
// are one offset in elements. Prints, parses, and has an evaluator of its own.
//
// All vector code comes from one statement, Tile: a block of `rows` x `lanes` results held in registers
// while reduction loops run over it. A matrix product, a convolution, a pooling window, a softmax row
// and an elementwise chain (no reduction) are all tiles; only the emitter of Tile knows instruction sets.
#pragma once

#include <functional>

#include "tenon/expr.h"
#include "tenon/graph.h"
#include "tenon/region.h"
#include "tenon/tensor.h"

namespace tenon {

// Scratch: private to one task. A kernel's scratch buffers lie one after another in the worker's part of
// the workspace, each at a multiple of 64 bytes.
enum class Space : uint8_t { Param, Scratch };

struct LoopBuffer {
  std::string name;
  DType type{};
  Expr size;                  // elements
  Space space = Space::Param;
  bool written = false;
  int align = 0;              // bytes; 0: the element's
};

struct TileAxis {
  Expr var;
  int64_t extent = 1;         // known: rows are unrolled into registers
};

enum class ReduceKind : uint8_t {
  Loop,
  Unroll,  // extent is a constant; fully unrolled
  Atom,    // innermost; the steps that one instruction sums (4 for a byte dot product, up to 64 in a tile)
};

struct TileReduce {
  Expr var;
  Expr extent;
  ReduceKind kind = ReduceKind::Loop;
  int64_t unroll = 1;         // Loop: steps per iteration
  // Loop, sums only: so many iterations, a multiple of `unroll`, make a partial sum that starts at 0 and is added
  // to the accumulator at its end; 0: one running sum. Rounding errors grow with the parts, not with the whole.
  int64_t partial = 0;
  // Products of f16 inside of an Atom of two: the partial sum's even and odd steps are summed in f16, each step rounded once, and
  // the two sums are added in f16 (Knob::halves).
  bool halves = false;
};

struct TileStore {
  BufferId buffer;
  Expr offset;
  Expr value;
  Expr condition = {};        // invalid: always
};

// A line of memory that is asked for ahead of its use. No effect on results; may lie outside the buffer.
struct TilePrefetch {
  BufferId buffer;
  Expr offset;                // elements; over what an update may use, but no lanes
  int level = 2;              // of the cache: 1 or 2
};

enum class StmtKind : uint8_t {
  For,      // var, extent, body; parallel: iterations are tasks (outermost only)
  Let,      // var = value for the statements after it in the same block; value may load
  If,       // condition, body, otherwise
  While,    // condition (over Lets and loads), body
  Store,    // scalar: buffer[offset] = value
  Tile,
  Call,     // routine(buffers..., scalars...) of backends/runtime; integers and indices are int64_t there
};

struct Stmt {
  StmtKind kind{};
  Expr var = {};
  Expr extent = {};
  Expr value = {};            // Let: value; If, While: condition
  bool parallel = false;
  std::vector<Stmt> body = {};
  std::vector<Stmt> otherwise = {};
  std::vector<TileStore> stores = {};  // Store: exactly one; Tile: after the reduction, in order

  // Tile. Semantics, as loops: for rows, for lane < min(lanes, limit): accumulators = init; for
  // reduce...: update; then the stores. Results must not depend on the order of rows and lanes.
  std::vector<TileAxis> rows = {};
  TileAxis lanes = {};        // var invalid: scalar tile. Not a multiple of the vector width: last vector is masked
  Expr lane_limit = {};       // lanes at and beyond it are not stored; invalid: all are
  bool lanes_reduce = false;  // the lane axis is the innermost reduction: partial results per lane, combined at
                              // the end by each accumulator's monoid; lane_limit is then the whole reduction's
                              // extent and `lanes.extent` elements are taken per step
  std::vector<TileReduce> reduce = {};
  bool matrix = false;        // in the target's tiles: rows x lanes of sums of products at once (Knob::matrix)
  std::vector<Accumulator> accumulators = {};
  std::vector<TilePrefetch> prefetch = {};  // at every step of the reduction
  bool results_ahead = false; // before the reduction, the lines of the results and of what the stores add to them are asked for

  std::string routine = {};
  std::vector<BufferId> buffers = {};
  std::vector<Expr> scalars = {};
};

struct Kernel {
  std::string name;                    // a C identifier that names the nodes it comes from
  ExprPool pool;
  Store<BufferId, LoopBuffer> buffers; // Params first, in the order of the call's arguments
  std::vector<Expr> symbols;           // dim symbols used, in the order of the call's arguments
  std::vector<Stmt> body;              // a leading parallel For makes tasks; extent over symbols only
  std::vector<NodeRef> origins;
  bool short_functions = false;        // Knob::functions: functions of f32 within 2^-18
};

// Part: memory of another buffer, from an offset on.
enum class HostBufferKind : uint8_t { Input, Output, Constant, Workspace, Part };

struct HostBuffer {
  std::string name;
  HostBufferKind kind{};
  DType type{};
  Expr bytes;              // size in memory
  int index = -1;          // Input, Output: position in the signature; Constant: into Module::constants
  Expr offset = {};        // bytes. Workspace: set by plan_memory; Part: from the start of `whole`
  BufferId whole = {};     // Part: a buffer before it that is none
};

struct HostStmt {
  enum class Kind : uint8_t { Call, Copy, Let, If, While } kind{};
  KernelId kernel = {};                 // Call
  std::vector<BufferId> buffers = {};   // Call: arguments; Copy: to, from
  std::vector<Expr> symbols = {};       // Call: values of the kernel's symbols, in the host's pool
  Expr var = {}, value = {};            // Let: var = value; If, While: condition
  std::vector<HostStmt> body = {}, otherwise = {};
  std::string region = {};              // Call: of the plan, whose kernel it is; no part of the text
};

// A constant as a kernel reads it: packed while it is written out, never as a whole in memory.
struct PackedConstant {
  std::string name;
  ConstantId source;                    // in the graph
  std::vector<int64_t> dims;            // logical
  Layout layout;
  int64_t offset = 0;                   // in the weights, a multiple of 64
  int64_t bytes = 0;                    // as packed
  std::optional<DType> rounded = {};    // to this type; else its own
  int64_t parts = 1;                    // above 1: so many numbers of that type whose sum it is, whole parts one after the other
  int64_t winograd = 0;                 // m: weights [O, C, 3, 3] transformed to `dims` [O, C, (m+2)^2] (winograd.h)
};

// The constant, which comes with the dims of its source, as it lies in memory.
Tensor pack(const PackedConstant& packed, Tensor constant);

// An input or output of the model.
struct Port {
  std::string name;
  DType type{};
  std::vector<Expr> dims;               // over Module::symbols
};

// An input whose buffer the call writes as well: Graph's State. It has room for `capacity` steps along the axis,
// holds `past` of them before the call and `present` after it, which is then the output `name`.
struct ModuleState {
  int input = 0;
  int output = 0;           // where it stands among the model's outputs; it is none of `outputs`
  int axis = 0;
  std::string name;
  Expr past = {}, present = {}, capacity = {};
};

struct Module {
  std::string name;
  ExprPool pool;                            // the host's: dim symbols
  Store<KernelId, Kernel> kernels;
  Store<BufferId, HostBuffer> buffers;
  std::vector<HostStmt> host;
  std::vector<PackedConstant> constants;
  Expr workspace_bytes = {};                // shared; set by plan_memory
  Expr scratch_bytes = {};                  // per worker; set by plan_memory
  std::vector<Expr> symbols;                // free dim symbols, in order of first appearance in the inputs;
                                            // their Vars carry the legal range
  std::vector<DataSymbol> data_symbols;     // those of them that are elements of inputs
  Expr requirement = {};                    // of type bool, over the symbols: dims for which it does not hold
                                            // are refused. Invalid: none are
  std::vector<Port> inputs, outputs;        // dims of a state are those of its buffer
  std::vector<ModuleState> states;
};

// A kernel that is one call into a library: its only statement is the routine kOneDnn, and no code is generated for it.
inline constexpr std::string_view kOneDnn = "onednn";
inline bool calls_library(const Kernel& kernel) {
  return kernel.body.size() == 1 && kernel.body[0].kind == StmtKind::Call && kernel.body[0].routine == kOneDnn;
}

std::string print(const Kernel& kernel);
std::string print(const Module& module);
Result<Module> parse_module(std::string_view text);
Result<void> verify(const Module& module);

// Models of the routines that Call names; false where there is none of that name.
using RoutineModel =
    std::function<bool(std::string_view routine, std::span<Tensor* const> buffers, std::span<const int64_t> scalars)>;

// Runs one kernel on widened flat buffers (params; scratch is made inside), every access bounds checked.
// Floats are rounded to the type of each operation's result, sums in the order written.
// `first`: the element at which each param begins; empty: 0.
Result<void> evaluate(const Kernel& kernel, std::span<Tensor* const> params, std::span<const int64_t> symbols,
                      const RoutineModel& routines = {}, std::span<const int64_t> first = {});

// Runs the host program; symbols in the order of Module::symbols. Every workspace buffer is memory of its
// own, filled with what no kernel should read; constants are packed from the graph's.
Result<std::vector<Tensor>> evaluate_host(const Module& module, std::span<const Tensor> inputs,
                                          std::span<const int64_t> symbols,
                                          const std::function<Tensor(ConstantId)>& constant,
                                          const RoutineModel& routines = {});

}  // namespace tenon
