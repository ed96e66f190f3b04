// tree_speed: candidates per second and core that trees predict, by native code of each level and as data; explanations per second. Of the
// stand-in's 200 trees of depth 6 over 142 features.
#include <algorithm>
#include <cstdio>
#include <ctime>

#include "../synthetic.h"
#include "tenon/contributions.h"
#include "tenon/tree_scorer.h"

namespace tenon {
std::span<const NativeTrees> test_trees();
}

namespace {

using namespace tenon;

double seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }  // of the processor, whoever else runs on it

// Calls per second, of many short rounds: their median, and the best, which others that share the core disturb least.
struct Rate {
  double median = 0, best = 0;
};

template <class Body>
Rate per_second(const Body& body) {
  constexpr int kRounds = 101;
  constexpr double kSeconds = 0.01;
  std::vector<double> rates;
  body();
  for (int round = 0; round < kRounds; ++round) {
    int calls = 0;
    double passed = 0;
    for (const double start = seconds(); passed < kSeconds; passed = seconds() - start) body(), ++calls;
    rates.push_back(calls / passed);
  }
  std::ranges::sort(rates);
  return {rates[kRounds / 2], rates.back()};
}

}  // namespace

int main() {
  const CostModel model = stand_in();
  const Booster& booster = model.boosters[0];
  std::printf("%zu trees, %zu nodes, %zu features\n", booster.roots.size(), booster.nodes.size(), kStandInFeatures);
  constexpr size_t kCandidates = 2048;
  Synthetic make({.trees = 0, .features = kStandInFeatures}, 1);
  std::vector<float> x(kCandidates * kStandInFeatures), margins(kCandidates, -9.5F), out(kCandidates);
  for (float& v : x) v = make.feature();
  for (int level = -1; level <= host_tree_level(); ++level) {
    const TreeScorer scorer(booster, kStandInFeatures, test_trees(), level);
    const size_t count = scorer.native() ? kCandidates : kCandidates / 8;
    const Rate rate = per_second([&] { scorer.predict(count, x.data(), margins.data(), out.data()); });
    const double millions = static_cast<double>(count) / 1e6;
    std::printf("%-10s %8.3f million candidates per second, at best %.3f\n", level < 0 ? "as data" : kTreeLevels[static_cast<size_t>(level)].data(), rate.median * millions, rate.best * millions);
  }
  const std::vector<float> row = make.row();
  const Rate rate = per_second([&] { contributions(booster, kStandInFeatures, row); });
  std::printf("%.0f explanations per second, at best %.0f\n", rate.median, rate.best);
  return 0;
}
