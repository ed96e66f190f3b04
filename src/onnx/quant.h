// Quantised values.
#pragma once

#include "value.h"

namespace tenon::frontend {

// Scales of one element are per tensor, whatever their rank; others go along axis. Zero points may be absent.
Val quantize(Val x, Val scale, Val zero_point, int axis);
Val dequantize(Val q, Val scale, Val zero_point, int axis);

// A zero point, or nothing where it is absent or known to be zero.
Val nonzero(Val zero_point);

}  // namespace tenon::frontend
