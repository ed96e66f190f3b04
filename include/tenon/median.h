// The middle of some numbers, and their spread around it.
#pragma once

#include <vector>

namespace tenon {

// Of no number: NaN.
double median_of(std::vector<double> values);
double mad_of(std::vector<double> values, double median);  // median distance from it

constexpr double kSigmaOfMad = 1.4826;  // standard deviation / MAD, of a normal distribution

}  // namespace tenon
