// What rules of error bounds are written in (docs/accuracy.md).
#pragma once

#include "tenon/ops.h"

namespace tenon {

// The node's reference evaluation on other operands, each null or as the original's shape.
std::vector<Tensor> evaluate_on(const EvalInput& in, std::span<const Tensor> operands);

// Operand k moved by `sign` times its error, |operand k| plus its error.
Tensor moved(const BoundInput& in, size_t k, double sign);
Tensor magnitude(const BoundInput& in, size_t k);
double error_at(const BoundInput& in, size_t k, size_t element);
bool exact_operands(const BoundInput& in);

// |a - b|; 0 where both are the same infinity or NaN, infinite where only one is a number.
double distance(double a, double b);

// OpDef::roundings, and what Knob::functions adds.
double roundings_of(const BoundInput& in, const OpDef& def);

// Results of other operands within the errors, for ops that are monotone in each: the largest distance to
// `results`, plus the op's own roundings.
std::vector<Tensor> monotone_bounds(const BoundInput& in);
// For sums of products: sum_roundings(terms) * u * sum |a||b|, plus what the operands' errors make of it.
std::vector<Tensor> sum_bounds(const BoundInput& in, double roundings);

// Of a convolution that BoundInput::winograd computes and that winograd_fits.
std::vector<Tensor> winograd_bounds(const BoundInput& in);

Tensor no_error(const Tensor& like);

}  // namespace tenon
