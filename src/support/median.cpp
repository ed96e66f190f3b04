#include "tenon/median.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

namespace tenon {

double median_of(std::vector<double> values) {
  if (values.empty()) return std::numeric_limits<double>::quiet_NaN();
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  if (values.size() % 2) return *middle;
  return (*middle + *std::max_element(values.begin(), middle)) / 2;
}

double mad_of(std::vector<double> values, double median) {
  for (double& v : values) v = std::abs(v - median);
  return median_of(std::move(values));
}

}  // namespace tenon
