// What resize's definition and its reference evaluation agree on before they part.
#pragma once

#include "tenon/ops.h"

namespace tenon {

struct Fraction {
  int64_t p = 1, q = 1;
};

// The fraction of smallest denominator that rounds to the f32 `value`: 0.6f means 3/5. Coordinates then
// are exact, and nearest neighbours do not depend on the rounding of a division.
Fraction simplest_fraction(double value);

std::vector<Tensor> eval_resize(const EvalInput& in);

}  // namespace tenon
