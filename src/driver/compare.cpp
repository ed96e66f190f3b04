#include "compare.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "tenon/ops.h"

namespace tenon {

double ulps(DType type, double a, double b) {
  if (a == b) return 0;
  const double least = type == DType::F64 ? std::numeric_limits<double>::min() : 0x1p-126;
  const double scale = std::exp2(std::floor(std::log2(std::max(std::abs(b), least))));
  return std::abs(a - b) / (scale * 2 * unit_roundoff(type));
}

bool same_number(double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); }

std::vector<double> numbers(const Tensor& tensor) {
  if (!tensor.f.empty()) return tensor.f;
  return {tensor.i.begin(), tensor.i.end()};
}

OutputError compare(std::string name, DType type, std::span<const double> got, std::span<const double> want,
                    std::span<const double> allowed) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  OutputError out{.name = std::move(name), .type = type, .count = static_cast<int64_t>(want.size())};
  out.within = got.size() == want.size();
  out.ratio = -1;
  for (size_t i = 0; i < std::min(got.size(), want.size()); ++i) {
    const bool same = same_number(got[i], want[i]);
    double error = same ? 0 : std::abs(got[i] - want[i]);
    if (std::isnan(error)) error = kInfinity;  // a number against NaN
    const double ratio = error == 0 ? 0 : error == kInfinity && allowed[i] != kInfinity ? kInfinity : error / allowed[i];
    if (!(error <= allowed[i])) out.within = false;
    if (!(ratio <= out.ratio)) {
      out.ratio = ratio;
      out.worst = static_cast<int64_t>(i);
      out.got = got[i];
      out.want = want[i];
      out.bound = allowed[i];
    }
    if (same) continue;
    out.max_abs = std::max(out.max_abs, error);
    out.max_rel = std::max(out.max_rel, error / std::abs(want[i]));
    if (is_float(type)) out.max_ulp = std::max(out.max_ulp, ulps(type, got[i], want[i]));
    else ++out.different;
  }
  out.ratio = std::max(out.ratio, 0.0);
  return out;
}

}  // namespace tenon
