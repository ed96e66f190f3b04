#include "paired.h"

#include <algorithm>
#include <span>

#include "../region_times.h"
#include "tenon/median.h"

namespace tenon {

namespace {

std::vector<double> medians_of_turns(std::span<const double> samples) {
  std::vector<double> medians;
  constexpr size_t kTurn = kRunsPerTurn;
  for (size_t k = 0; k + kTurn <= samples.size(); k += kTurn) {
    const std::span turn = samples.subspan(k, kTurn);
    medians.push_back(median_of({turn.begin(), turn.end()}));
  }
  return medians;
}

}  // namespace

std::vector<double> samples_of(const Plan& plan, const std::vector<size_t>& regions, const std::vector<RegionTime>& times) {
  std::vector<double> sum;
  for (const size_t r : regions) {
    const auto row = std::ranges::find(times, plan.regions[r].name, &RegionTime::name);
    if (row == times.end()) continue;  // it calls no kernel
    sum.resize(row->samples_ms.size());
    for (size_t k = 0; k < sum.size(); ++k) sum[k] += row->samples_ms[k];
  }
  return sum;
}

std::vector<double> ratios_of_turns(const std::vector<double>& own, const std::vector<double>& others) {
  const std::vector<double> ours = medians_of_turns(own), theirs = medians_of_turns(others);
  std::vector<double> ratios;
  for (size_t k = 0; k < std::min(ours.size(), theirs.size()); ++k)
    if (ours[k] > 0 && theirs[k] > 0) ratios.push_back(ours[k] / theirs[k]);
  return ratios;
}

}  // namespace tenon
