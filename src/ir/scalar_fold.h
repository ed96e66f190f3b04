// The value of one scalar operation on constants: used by constant folding and by both evaluators'
// index arithmetic. Floats are computed in double and rounded to the type.
#pragma once

#include <optional>
#include <span>

#include "tenon/dtype.h"
#include "tenon/expr.h"
#include "tenon/narrow_float.h"

namespace tenon {

union ScalarConst {
  double f;
  int64_t i;
};



// Two's complement wrap-around to an integer type, 0/1 for bool; index and 64-bit types unchanged.
int64_t wrap_to(DType type, int64_t value);

// `from` is the type of the operands (of the last one for Select). Nothing for Load and Var.
std::optional<ScalarConst> fold_scalar(SOp op, DType type, DType from, std::span<const ScalarConst> args);

}  // namespace tenon
