#include "drift.h"

#include <algorithm>
#include <cmath>

#include "tenon/median.h"

namespace tenon::telemetry {

namespace {

// In units of the shift that is looked for.
constexpr double kAllowance = 0.5, kThreshold = 6, kMost = 2.5;

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

  bool add(double sample, size_t at) {
    if (value <= 0) begin = at;
    value = std::max(0.0, value + sample - kAllowance);
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
    // No single sample, however far off, is evidence enough.
    auto distance = [&](size_t at, double level) { return std::clamp((residuals[at] - level) / unit, -kMost, kMost); };
    double sum = 0;
    for (size_t k = begin; k < known; ++k) sum += distance(k, middle);
    size_t in_level = known;
    Sum up, down;
    bool found = false;
    for (size_t at = known; at < residuals.size() && !found; ++at) {
      for (; in_level + options.delay < at; ++in_level) sum += distance(in_level, middle);
      drift.level = middle + unit * sum / static_cast<double>(in_level - begin);
      const bool higher = up.add(distance(at, drift.level), at), lower = down.add(-distance(at, drift.level), at);
      if (!(found = higher || lower)) continue;
      const size_t from = higher ? up.begin : down.begin;
      drift.alarms.push_back({.begin = from, .found = at, .change = median_of(some(from, at + 1)) - drift.level});
      begin = from;
    }
    if (!found) return drift;
  }
}

}  // namespace tenon::telemetry
