// Scalar expressions: dims, index arithmetic and element values share one pool and one node type.
//
// Nodes are hash-consed: equal expressions have equal ids. Expressions of type `index` (dims, loop
// variables, offsets) are kept in a canonical form, a sum of products, so that `S+P == P+S` and
// `(i*W + j) floordiv W == i` hold by id. Nothing here knows tensors: a Load names a buffer by number.
#pragma once

#include <array>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "tenon/dtype.h"
#include "tenon/ids.h"
#include "tenon/result.h"

namespace tenon {

enum class SOp : uint8_t {
#define SCALAR_OP(name, spelling, arity, cls) name,
#include "tenon/scalar_ops.def"
#undef SCALAR_OP
};

std::string_view spelling(SOp op);
int arity(SOp op);  // -1: any
bool is_compare(SOp op);
bool accepts(SOp op, DType operand);           // whether the operation's class allows such operands
DType result_type(SOp op, DType operand);      // not for conversions; Select: of the values
std::optional<SOp> parse_scalar_op(std::string_view spelling);

inline constexpr int64_t kIndexMax = int64_t{1} << 62;

// A named unknown: a dim symbol, a loop variable (0 <= v < extent) or a value bound by a statement.
struct Var {
  std::string name;
  DType type = DType::Index;
  int64_t lo = 0;            // inclusive
  int64_t hi = kIndexMax;    // inclusive
  Expr extent = {};          // symbolic exclusive upper bound, where known

  bool operator==(const Var&) const = default;
};

struct ExprNode {
  SOp op;
  DType type;
  uint32_t first = 0;  // operands: args_[first, first + count)
  uint32_t count = 0;
  int64_t imm = 0;
};

// What a text calls variables and buffers.
struct ExprNames {
  std::unordered_map<Expr, std::string> vars = {};          // absent: the variable's own name
  std::unordered_map<BufferId, std::string> buffers = {};   // absent: b0, b1..., with the type of each load
};

class ExprPool {
 public:
  // Leaves.
  Expr index(int64_t value);
  Expr constant(DType type, double value);      // floats; rounded to the type
  Expr constant_int(DType type, int64_t value); // integers and bool; wrapped to the type
  Expr new_var(Var var);                        // always a new variable, also if the name is taken
  Expr symbol(std::string_view name);           // the dim symbol of that name, made on first use
  Expr symbol_named(const std::string& name) const;  // invalid: there is none
  Expr axis(std::string name, Expr extent);     // a new loop variable with 0 <= v < extent
  Expr load(BufferId buffer, DType type, std::span<const Expr> indices);

  // Index arithmetic, canonical. Divisors must be positive.
  Expr add(Expr a, Expr b);
  Expr sub(Expr a, Expr b);
  Expr mul(Expr a, Expr b);
  Expr floordiv(Expr a, Expr b);
  Expr ceildiv(Expr a, Expr b);
  Expr mod(Expr a, Expr b);
  Expr min(Expr a, Expr b);
  Expr max(Expr a, Expr b);
  // a / b where b divides a for certain; nothing if that cannot be shown.
  std::optional<Expr> div_exact(Expr a, Expr b);

  // Any operation; index arithmetic is routed to the canonical forms, constants are folded.
  Expr make(SOp op, DType type, std::span<const Expr> operands);
  Expr unary(SOp op, Expr a) { return make(op, result_type(op, type(a)), std::array{a}); }
  Expr binary(SOp op, Expr a, Expr b);  // the result type follows from the operation's class
  Expr select(Expr condition, Expr a, Expr b);
  Expr cast(Expr a, DType to);
  // Conjunction of conditions; an invalid id stands for "true".
  Expr all_of(Expr a, Expr b);

  // Inspection.
  const ExprNode& operator[](Expr e) const { return nodes_[static_cast<size_t>(e.index)]; }
  SOp op(Expr e) const { return (*this)[e].op; }
  DType type(Expr e) const { return (*this)[e].type; }
  std::span<const Expr> operands(Expr e) const;
  std::optional<int64_t> as_int(Expr e) const;      // constant index, integer or bool
  std::optional<double> as_double(Expr e) const;    // constant float
  bool is_const(Expr e) const { return op(e) == SOp::Const; }
  bool is_index(Expr e, int64_t value) const { return as_int(e) == value; }
  const Var& var(Expr e) const { return vars_[static_cast<size_t>((*this)[e].imm)]; }
  Var& var(Expr e) { return vars_[static_cast<size_t>((*this)[e].imm)]; }
  BufferId buffer(Expr load) const { return BufferId(static_cast<size_t>((*this)[load].imm)); }
  bool depends_on(Expr e, Expr var) const;
  bool any_part(Expr e, const std::function<bool(Expr)>& holds) const;  // of e and what it is made of; each is looked at once
  void collect_vars(Expr e, std::vector<Expr>& out) const;  // each once, in order of first use
  void collect_loads(Expr e, std::vector<Expr>& out) const;

  // e == coefficient * var + rest with both free of var; nothing if e is not affine in var.
  std::optional<std::pair<Expr, Expr>> affine(Expr e, Expr var);

  // What is known about the range of an index expression.
  std::pair<int64_t, int64_t> bounds(Expr e) const;  // inclusive; +-kIndexMax where unknown
  bool provably_nonnegative(Expr e);
  bool provably_less(Expr a, Expr b) { return provably_nonnegative(sub(sub(b, a), index(1))); }

  // Rewriting.
  using Substitution = std::unordered_map<Expr, Expr>;  // variables (or any node) -> replacement
  Expr substitute(Expr e, const Substitution& map);
  // Replaces every load by f(load, its indices after replacement), innermost first.
  using LoadMap = std::function<Expr(Expr load, std::span<const Expr> indices)>;
  Expr map_loads(Expr e, const LoadMap& f);
  // Copies e out of another pool; vars map by name through `vars` (made on demand), buffers by `buffers`.
  struct Importer {
    const ExprPool& from;
    std::unordered_map<Expr, Expr> done = {};
    std::unordered_map<int64_t, int64_t> buffers = {};  // absent: same number
  };
  Expr import(Importer& importer, Expr e);

  // Exact evaluation of an index expression without loads; nothing if a variable is unbound.
  using Bindings = std::unordered_map<Expr, int64_t>;
  std::optional<int64_t> evaluate(Expr e, const Bindings& bindings) const;

  size_t size() const { return nodes_.size(); }
  std::span<const Var> vars() const { return vars_; }
  // "P + S", "b0[i, 2*j + k]:f32", "cast(x[i], f32)*1.5:f32": reads back to the same id, see expr_text.cpp.
  std::string text(Expr e, const ExprNames& names = {}) const;

 private:
  friend class Polynomial;
  Expr intern(SOp op, DType type, std::span<const Expr> operands, int64_t imm = 0);
  Expr fold(SOp op, DType type, std::span<const Expr> operands);

  std::vector<ExprNode> nodes_;
  std::vector<Expr> args_;
  std::vector<Var> vars_;
  std::vector<int32_t> table_;  // open addressing: hash -> node id, -1 empty
  std::unordered_map<std::string, Expr> symbols_;
};

// Parses what ExprPool::text prints. Names that the scope lacks are dim symbols.
struct ParseScope {
  std::unordered_map<std::string, Expr> vars = {};
  struct Source {
    BufferId buffer;
    DType type{};
  };
  std::unordered_map<std::string, Source> buffers = {};
};
Result<Expr> parse_expr(ExprPool& pool, std::string_view text, const ParseScope& scope = {});

}  // namespace tenon
