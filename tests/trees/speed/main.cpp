// tree_speed: candidates per second and core that trees predict, by native code of each level and as data; explanations per second. Of the
// stand-in's 200 trees of depth 6 over 142 features.
#include <algorithm>
#include <chrono>
#include <cstdio>

#include "../synthetic.h"
#include "tenon/contributions.h"
#include "tenon/tree_scorer.h"

namespace tenon {
std::span<const NativeTrees> test_trees();
}

namespace {

using namespace tenon;

// Calls per second: the median of some rounds of a tenth of a second.
template <class Body>
double per_second(const Body& body) {
  using Clock = std::chrono::steady_clock;
  constexpr int kRounds = 9;
  constexpr double kSeconds = 0.1;
  std::vector<double> rates;
  body();
  for (int round = 0; round < kRounds; ++round) {
    int calls = 0;
    double passed = 0;
    for (const auto start = Clock::now(); passed < kSeconds; passed = std::chrono::duration<double>(Clock::now() - start).count()) body(), ++calls;
    rates.push_back(calls / passed);
  }
  std::ranges::sort(rates);
  return rates[kRounds / 2];
}

}  // namespace

int main() {
  const CostModel model = stand_in();
  const Booster& booster = model.boosters[0];
  std::printf("%zu trees, %zu nodes, %zu features\n", booster.roots.size(), booster.nodes.size(), kStandInFeatures);
  constexpr size_t kCandidates = 10000;
  Synthetic make({.trees = 0, .features = kStandInFeatures}, 1);
  std::vector<float> x(kCandidates * kStandInFeatures), margins(kCandidates, -9.5F), out(kCandidates);
  for (float& v : x) v = make.feature();
  for (int level = -1; level <= host_tree_level(); ++level) {
    const TreeScorer scorer(booster, kStandInFeatures, test_trees(), level);
    const size_t count = scorer.native() ? kCandidates : kCandidates / 10;
    const double rate = static_cast<double>(count) * per_second([&] { scorer.predict(count, x.data(), margins.data(), out.data()); });
    std::printf("%-10s %8.3f million candidates per second\n", level < 0 ? "as data" : kTreeLevels[static_cast<size_t>(level)].data(), rate / 1e6);
  }
  const std::vector<float> row = make.row();
  std::printf("%.0f explanations per second\n", per_second([&] { contributions(booster, kStandInFeatures, row); }));
  return 0;
}
