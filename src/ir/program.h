// An expression compiled to a flat list of steps over registers, for the evaluator of Loops. Shared
// subexpressions are computed once; Select skips the branch that is not taken, so that it guards loads.
#pragma once

#include <functional>

#include "scalar_fold.h"
#include "tenon/expr.h"
#include "tenon/tensor.h"

namespace tenon {

// Flat storage that a program reads.
struct Memory {
  Tensor* tensor = nullptr;
  int64_t size = 0;  // elements that may be touched
  std::string_view name = {};
  int64_t first = 0;  // which of the tensor's elements is number 0
};

class Program {
 public:
  Program(const ExprPool& pool, Expr e);

  // vars: by variable number of the pool. Nothing where a load is out of bounds: `fault` says which.
  struct Fault {
    BufferId buffer;
    int64_t offset = 0;
  };
  std::optional<ScalarConst> run(std::span<const ScalarConst> vars, std::span<const Memory> buffers, Fault& fault);

 private:
  enum class Kind : uint8_t { Var, Load, Apply, Move, Jump, JumpUnless };
  struct Step {
    Kind kind{};
    SOp op{};
    DType type{}, from{};
    uint32_t to = 0;
    std::array<uint32_t, 3> args = {};
    uint32_t count = 0;
    int64_t which = 0;  // Var, Load: number of the variable or buffer; jumps: the target
  };
  using Done = std::unordered_map<Expr, uint32_t>;

  uint32_t compile(const ExprPool& pool, Expr e, Done& done);
  uint32_t compile_select(const ExprPool& pool, Expr e, Done& done);
  uint32_t apply(const ExprPool& pool, Expr e, Done& done);
  uint32_t push(Step step);
  uint32_t make_register(ScalarConst value = {.i = 0});

  std::vector<Step> steps_;
  std::vector<ScalarConst> registers_;  // constants stay in theirs
  uint32_t result_ = 0;
};

}  // namespace tenon
