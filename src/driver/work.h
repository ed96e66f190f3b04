// What a call of a kernel has to do, counted on its loops: for the roofline of `tenon bench --kernels`.
#pragma once

#include <map>

#include "tenon/loops.h"

namespace tenon {

// Over the module's symbols.
struct CallWork {
  // Products that are summed, by element type; "i8" where both factors are bytes.
  std::map<std::string, Expr> multiply_adds;
  // Of arguments: what is read and what is written, each element once.
  Expr bytes;
  // Of them, those of the model's constants.
  Expr constant_bytes;
};

// One per host call, in the order in which events count them; nothing where data decides how much there is
// to do. Expressions are made in `pool`, a copy of the module's.
std::vector<std::optional<CallWork>> work_of_calls(const Module& module, ExprPool& pool);

}  // namespace tenon
