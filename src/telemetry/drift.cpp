#include "drift.h"

#include <algorithm>
#include <cmath>

#include "tenon/median.h"

namespace tenon::telemetry {

namespace {

// In units of the shift that is looked for.
constexpr double kAllowance = 0.5, kThreshold = 6;

// What one sample may count at most, in the direction of a shift and against it. Where noise is as wide as the shift, its tails are most of the evidence;
// where it is narrow, what lies far off is a disturbance: it counts for a shift as the shift itself does, so that only as many of them in a row are
// evidence, and against one hardly, as what is disturbed may have shifted all the same.
struct Bounds {
  double for_shift = 0, against = 0;
};
Bounds bounds_of(double sigma, double unit) {
  constexpr double kFor = 1, kAgainst = 0.25, kWide = 2.5;
  const double wide = std::min(1.0, sigma / unit);
  return {std::lerp(kFor, kWide, wide), std::lerp(kAgainst, kWide, wide)};
}

// Standard deviation, in which no sample counts for more than four: the tails matter, but not one outlier.
double spread(const std::vector<double>& samples, double middle) {
  const double most = 4 * kSigmaOfMad * mad_of(samples, middle);
  double sum = 0;
  for (const double x : samples) sum += std::pow(std::clamp(x - middle, -most, most), 2);
  return std::sqrt(sum / static_cast<double>(samples.size()));
}

// The evidence for a shift in one direction.
struct Sum {
  double value = 0;
  size_t begin = 0;  // where it was last without any

  bool add(double sample, const Bounds& bounds, size_t at) {
    if (value <= 0) begin = at;
    value = std::max(0.0, value + std::clamp(sample, -bounds.against, bounds.for_shift) - kAllowance);
    return value > kThreshold;
  }
};

}  // namespace

std::vector<double> least_of_batches(std::span<const double> samples, size_t batch) {
  std::vector<double> least;
  for (size_t at = 0; at + batch <= samples.size(); at += batch) least.push_back(std::ranges::min(samples.subspan(at, batch)));
  return least;
}

Drift find_drift(std::span<const double> residuals, const DriftOptions& options) {
  Drift drift;
  auto some = [&](size_t from, size_t to) { return std::vector<double>(residuals.begin() + static_cast<ptrdiff_t>(from), residuals.begin() + static_cast<ptrdiff_t>(to)); };
  for (size_t begin = 0;;) {  // of the present level
    const size_t known = std::min(residuals.size(), begin + options.learnt);
    const std::vector<double> first = some(begin, known);
    const double middle = median_of(first);
    if (known > begin) drift.sigma = spread(first, middle), drift.level = middle;
    if (known - begin < options.learnt) return drift;
    const double unit = std::max(options.shift, drift.sigma);
    const Bounds bounds = bounds_of(kSigmaOfMad * mad_of(first, middle), unit);
    auto distance = [&](size_t at, double level) { return (residuals[at] - level) / unit; };
    double sum = 0;
    auto bounded = [&](size_t at) { return std::clamp(distance(at, middle), -bounds.for_shift, bounds.for_shift); };
    for (size_t k = begin; k < known; ++k) sum += bounded(k);
    size_t in_level = known;
    Sum up, down;
    bool found = false;
    for (size_t at = known; at < residuals.size() && !found; ++at) {
      for (; in_level + options.delay < at; ++in_level) sum += bounded(in_level);
      drift.level = middle + unit * sum / static_cast<double>(in_level - begin);
      const bool higher = up.add(distance(at, drift.level), bounds, at), lower = down.add(-distance(at, drift.level), bounds, at);
      if (!(found = higher || lower)) continue;
      const size_t from = higher ? up.begin : down.begin;
      drift.alarms.push_back({.begin = from, .found = at, .change = median_of(some(from, at + 1)) - drift.level});
      begin = from;
    }
    if (!found) return drift;
  }
}

}  // namespace tenon::telemetry
