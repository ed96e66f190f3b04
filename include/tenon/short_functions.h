// Knob::functions: which functions of f32 have shorter polynomials, and how far those may be from the exact result.
#pragma once

#include "tenon/expr.h"

namespace tenon {

inline constexpr double kShortFunctionError = 0x1p-18;  // relative, beside the roundings that the longer ones have too

constexpr bool has_short_form(SOp op) {
  return op == SOp::Exp || op == SOp::Expm1 || op == SOp::Log || op == SOp::Tanh || op == SOp::Erf || op == SOp::Sigmoid;
}

// Whether some part of e is such a function of f32.
inline bool has_short_form(const ExprPool& pool, Expr e) {
  return pool.any_part(e, [&](Expr part) { return pool.type(part) == DType::F32 && has_short_form(pool.op(part)); });
}

}  // namespace tenon
