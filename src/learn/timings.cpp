#include "timings.h"

#include <algorithm>
#include <cmath>
#include <set>

namespace tenon {

Result<void> check_timings(std::span<const Timing> timings, size_t features, size_t fewest) {
  for (size_t k = 0; k < timings.size(); ++k) {
    const Timing& t = timings[k];
    const bool right = t.features.size() == features && std::isfinite(t.prior) && std::isfinite(t.seconds) && t.prior > 0 && t.seconds > 0 && t.noise >= 0 && t.group >= 0 &&
                       std::ranges::none_of(t.features, [](float x) { return std::isinf(x); });
    if (!right) return fail(Code::E0703, "timing " + std::to_string(k) + " has times that are not positive, or features that do not fit", "tenon telemetry stats");
  }
  std::set<int> groups;
  for (const Timing& t : timings) groups.insert(t.group);
  const std::vector<int> units = units_of(timings);
  if (groups.size() < fewest || std::set<int>(units.begin(), units.end()).size() < 2)
    return fail(Code::E0703, std::to_string(groups.size()) + " groups of timings are too few to learn from, or all of one workload", "tune more models: tenon tune");
  return {};
}

std::vector<int> units_of(std::span<const Timing> timings) {
  std::vector<int> units;
  for (const Timing& t : timings) units.push_back(t.unit >= 0 ? t.unit : -1 - t.group);
  return units;
}

std::vector<int> sources_of(std::span<const Timing> timings, size_t fewest) {
  std::set<int> sources;
  for (const Timing& t : timings) sources.insert(t.source);
  if (sources.contains(-1) || sources.size() < fewest) return units_of(timings);
  std::vector<int> all;
  for (const Timing& t : timings) all.push_back(t.source);
  return all;
}

double trust(const Timing& timing) {
  constexpr double kNoise = 0.02;
  return kNoise * kNoise / (timing.noise * timing.noise + kNoise * kNoise);
}

}  // namespace tenon
