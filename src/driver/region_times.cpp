#include "region_times.h"

#include <algorithm>
#include <cmath>

namespace tenon {

double quantile(const std::vector<double>& sorted, double q) {
  return sorted[static_cast<size_t>(q * static_cast<double>(sorted.size() - 1) + 0.5)];
}

double median_total(std::span<const CallTimes> times) {
  std::vector<double> totals;
  for (const CallTimes& t : times) totals.push_back(t.total_ms);
  std::ranges::sort(totals);
  return quantile(totals, 0.5);
}

std::vector<std::optional<double>> medians_of_calls(const std::vector<CallTimes>& times, size_t calls) {
  std::vector<std::optional<double>> medians(calls);
  for (size_t call = 0; call < calls; ++call) {
    std::vector<double> each;
    for (const CallTimes& t : times)
      if (call < t.kernels_ms.size()) each.push_back(t.kernels_ms[call]);
    if (each.empty()) continue;
    std::ranges::sort(each);
    medians[call] = quantile(each, 0.5);
  }
  return medians;
}

std::vector<RegionTime> region_times(std::span<const std::string> names, const std::vector<CallTimes>& times) {
  std::vector<RegionTime> regions;
  const std::vector<std::optional<double>> medians = medians_of_calls(times, names.size());
  for (size_t call = 0; call < medians.size(); ++call) {
    const std::string& name = names[call];
    if (!medians[call] || name.empty()) continue;
    auto row = std::ranges::find(regions, name, &RegionTime::name);
    if (row == regions.end()) row = regions.insert(regions.end(), RegionTime{.name = name});
    row->median_ms += *medians[call];
    row->samples_ms.resize(times.size());
    for (size_t run = 0; run < times.size(); ++run)
      if (call < times[run].kernels_ms.size()) row->samples_ms[run] += times[run].kernels_ms[call];
  }
  return regions;
}

void set_against(std::vector<RegionTime>& regions, const std::vector<RegionTime>& others) {
  for (RegionTime& region : regions)
    if (const auto other = std::ranges::find(others, region.name, &RegionTime::name); other != others.end()) region.against_ms = other->median_ms;
}

AgainstTimes against_times(const std::vector<CallTimes>& own, const std::vector<CallTimes>& others, int per_turn) {
  AgainstTimes found{.median_ms = median_total(others), .min_ms = INFINITY};
  for (const CallTimes& call : others) found.min_ms = std::min(found.min_ms, call.total_ms);
  const std::span<const CallTimes> all(others);
  found.before_ms = median_total(all.first((all.size() + 1) / 2)), found.after_ms = median_total(all.last((all.size() + 1) / 2));
  std::vector<double> ratios;
  const auto turn = static_cast<size_t>(per_turn);
  for (size_t k = 0; k + turn <= own.size(); k += turn)
    ratios.push_back(median_total(std::span(own).subspan(k, turn)) / median_total(all.subspan(k, turn)));
  std::ranges::sort(ratios);
  found.ratio = quantile(ratios, 0.5), found.low = quantile(ratios, 0.25), found.high = quantile(ratios, 0.75);
  return found;
}

}  // namespace tenon
