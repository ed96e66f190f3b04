// Times the canaries of `tenon tune` again and again: how tests/data/canary_residuals.txt was made.
//
//   cmake --build build/release --target record_canaries
//   build/release/tests/record_canaries 1600 > tests/data/canary_residuals.txt
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "../../src/driver/tune/canaries.h"
#include "../../src/telemetry/drift.h"
#include "tenon/median.h"

int main(int argc, char** argv) {
  using namespace tenon;
  const int sets = argc > 1 ? std::atoi(argv[1]) : 1000;
  const auto target = load_target("native");
  Canaries canaries;
  if (!target) return 1;
  if (const auto open = canaries.open(*target, -1); !open) return std::fprintf(stderr, "%s\n", open.error()[0].message.c_str()), 1;
  std::vector<CanarySet> all;
  for (int k = 0; k < sets; ++k) {
    auto set = canaries.measure();
    if (!set) return 1;
    all.push_back(std::move(*set));
  }
  std::printf("# Residuals of the canaries of `tenon tune`, one column each: 10000 ln(seconds / the column's median), each the least of five sets.\n"
              "# %d sets in %.0f s on %s, one thread; written by tests/data/record_canaries.cpp.\n#", sets, static_cast<double>(all.back().at - all.front().at) * 1e-6, target->cpu.c_str());
  std::vector<std::vector<double>> columns;
  for (size_t c = 0; c < canaries.names().size(); ++c) {
    std::vector<double> seconds;
    for (const CanarySet& set : all) seconds.push_back(set.seconds[c]);
    std::vector<double>& least = columns.emplace_back(telemetry::least_of_batches(seconds, telemetry::kCanaryBatch));
    const double median = median_of(least);
    std::printf(" %s %.1f us", canaries.names()[c].c_str(), median * 1e6);
    for (double& x : least) x = 1e4 * std::log(x / median);
  }
  std::printf("\n");
  for (size_t k = 0; k < columns[0].size(); ++k)
    for (size_t c = 0; c < columns.size(); ++c) std::printf("%.0f%c", columns[c][k], c + 1 < columns.size() ? ' ' : '\n');
  return 0;
}
