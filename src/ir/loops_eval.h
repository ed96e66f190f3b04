// What the evaluators of kernels and of the host program share: variables, memory and expressions.
#pragma once

#include "program.h"
#include "tenon/loops.h"

namespace tenon {

// Memory whose contents nobody should depend on.
Tensor poisoned(DType type, int64_t elements);

class Interpreter {
 protected:
  explicit Interpreter(const ExprPool& pool) : pool_(pool), vars_(pool.vars().size(), ScalarConst{.i = 0}) {}

  ScalarConst value(Expr e);  // 0 after the first error
  void set(Expr var, ScalarConst value) { vars_[static_cast<size_t>(pool_[var].imm)] = value; }
  void error(const char* what, BufferId buffer, int64_t offset);
  bool failed() const { return !error_.empty(); }

  const ExprPool& pool_;
  std::vector<Memory> memory_;  // by buffer
  std::string error_;

 private:
  std::vector<ScalarConst> vars_;
  std::unordered_map<Expr, Program> programs_;
};

}  // namespace tenon
