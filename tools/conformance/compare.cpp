#include "compare.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

namespace tenon::conformance {

namespace {

bool close(double got, double want, double rtol, double atol) {
  if (std::isnan(got) || std::isnan(want)) return std::isnan(got) && std::isnan(want);
  if (std::isinf(got) || std::isinf(want)) return got == want;
  return std::abs(got - want) <= atol + rtol * std::abs(want);
}

bool equal(const std::string& got, const std::string& want, double, double) { return got == want; }
bool equal(double got, double want, double rtol, double atol) { return close(got, want, rtol, atol); }
bool equal(int64_t got, int64_t want, double rtol, double atol) {
  return got == want || close(static_cast<double>(got), static_cast<double>(want), rtol, atol);
}

template <class T>
std::optional<std::string> compare(const std::vector<T>& got, const std::vector<T>& want, double rtol,
                                   double atol) {
  if (got.size() != want.size()) return fmt::format("{} elements, expected {}", got.size(), want.size());
  size_t wrong = 0, first = 0;
  for (size_t i = got.size(); i-- > 0;)
    if (!equal(got[i], want[i], rtol, atol)) wrong++, first = i;
  if (wrong == 0) return std::nullopt;
  return fmt::format("{} of {} elements differ; at {}: {}, expected {}", wrong, got.size(), first, got[first],
                     want[first]);
}

}  // namespace

std::optional<std::string> mismatch(const Tensor& got, const Tensor& want, double rtol, double atol) {
  if (got.type != want.type)
    return fmt::format("type {}, expected {}", spelling(got.type), spelling(want.type));
  if (got.dims != want.dims)
    return fmt::format("shape [{}], expected [{}]", fmt::join(got.dims, ","), fmt::join(want.dims, ","));
  if (want.type == DType::BF16) rtol = std::max(rtol, 0x1p-6);  // two units, as ONNX's runner
  if (auto text = compare(got.f, want.f, rtol, atol)) return text;
  if (auto text = compare(got.i, want.i, rtol, atol)) return text;
  return compare(got.s, want.s, rtol, atol);
}

}  // namespace tenon::conformance
