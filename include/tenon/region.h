// Regions: what is compiled together, as index expressions over named axes. A region is an ordered list
// of statements
//
//   out[n,h,w,o] = relu(bias[o] + sum(kh,kw,c) x[n, c, h*2+kh-3, w*2+kw-3] * w[o,c,kh,kw])
//
// in logical indices; layouts are applied when the region becomes Loops. Loads outside a tensor's dims
// must be guarded by Select. Nothing below this level knows op names.
#pragma once

#include <functional>

#include "tenon/graph.h"

namespace tenon {

// How two partial results combine; Custom: in order only (argmax, scans).
enum class Monoid : uint8_t { Sum, Prod, Max, Min, Custom };

std::string_view spelling(Monoid monoid);

// One component of a reduction's state. `update` is over `var` (the state so far), the other
// accumulators' vars, axes and reduce axes.
struct Accumulator {
  Expr var;     // a Var of the accumulator's type
  Expr init;
  Expr update;
  Monoid monoid = Monoid::Custom;
};

// The sum of products at the heart of a contraction: update = acc + a * b, up to casts.
struct Product {
  Expr a, b;  // factors, casts included
};
std::optional<Product> match_product(const ExprPool& pool, std::span<const Accumulator> accumulators);
// The two loads of f16 of acc + cast(a) * cast(b) in f32: what TileReduce::halves takes.
std::optional<Product> half_product(const ExprPool& pool, std::span<const Accumulator> accumulators);

struct Statement {
  // One more element of `out` that each step stores.
  struct Also {
    std::vector<Expr> indices;
    Expr value;
  };
  BufferId out;
  std::vector<Expr> axes;            // loop variables, outermost first; extents are their Vars' extents
  std::vector<Expr> indices;         // where out is written, over axes; by default the axes themselves
  std::vector<Expr> reduce_axes;     // outermost first; empty: no reduction
  std::vector<Accumulator> accumulators;
  Expr value;                        // over axes, loads, accumulator vars
  Expr condition = {};               // store only where it holds; invalid: always
  bool scan = false;                 // store at every step of the (single) reduce axis, not only at the end
  std::vector<Also> also = {};       // results that share what they are computed from; without a condition
  // Not of this form: a routine of backends/runtime over whole row-major buffers, called with the
  // operands (read), `out`, `more_outs` (written), then `scalars` (int64_t).
  std::string routine = {};
  std::vector<BufferId> operands = {};
  std::vector<BufferId> more_outs = {};
  std::vector<Expr> scalars = {};

  // Applies f to every expression but the axes themselves.
  template <class F>
  void each_expr(F&& f) {
    if (value.valid()) f(value);
    if (condition.valid()) f(condition);
    for (Expr& e : indices) f(e);
    for (Also& more : also) {
      for (Expr& e : more.indices) f(e);
      f(more.value);
    }
    for (Accumulator& a : accumulators) {
      f(a.init);
      f(a.update);
    }
  }
  void substitute(ExprPool& pool, const ExprPool::Substitution& map) {
    if (!map.empty()) each_expr([&](Expr& e) { e = pool.substitute(e, map); });
  }
  // Accumulators without a reduce axis take one step: a plain expression.
  void fold_single_step(ExprPool& pool);
};

struct RegionBuffer {
  std::string name;
  ValueId value;              // the graph value it is; invalid: a temporary of the region
  DType type{};
  std::vector<Expr> dims;     // logical
  bool is_input = false, is_output = false;
};

struct Region {
  std::string name;
  ExprPool pool;
  Store<BufferId, RegionBuffer> buffers;
  std::vector<Statement> statements;
  std::vector<NodeRef> origins;

  BufferId buffer_of(ValueId value) const;  // invalid where the region has none
};

std::string print(const Region& region);

// Runs the statements as they stand, one element at a time, in each operation's own type: what op
// definitions and rewrites of regions are tested against. `tensors` holds one tensor per buffer, of which
// the inputs are filled in; symbols go by name. Reads and writes outside a buffer are errors.
using RunRoutine = std::function<void(const Statement& statement, std::vector<Tensor>& tensors,
                                      std::span<const int64_t> scalars)>;
Result<void> evaluate_region(const Region& region, std::vector<Tensor>& tensors,
                             const std::unordered_map<std::string, int64_t>& symbols, const RunRoutine& routine = {});

}  // namespace tenon
