// Errors against the reference.
#pragma once

#include "tenon/driver.h"

namespace tenon {

// |a - b| in units in the last place of `type`, at b.
double ulps(DType type, double a, double b);
bool same_number(double a, double b);  // also two NaNs
// The elements of any numeric type.
std::vector<double> numbers(const Tensor& tensor);

// got against want, element by element within `allowed`. `ratio`, `worst` and its values are those of the
// element nearest to its bound, or farthest outside.
OutputError compare(std::string name, DType type, std::span<const double> got, std::span<const double> want,
                    std::span<const double> allowed);

}  // namespace tenon
