#include "tenon/tree_scorer.h"

#include <algorithm>
#include <cstring>

#include "tenon/tree_code.h"

namespace tenon {

// Of a level's features those that code of trees can use.
int host_tree_level() {
#if defined(__x86_64__)
  auto all = [](auto... has) { return (... && (has != 0)); };
  if (!all(__builtin_cpu_supports("ssse3"), __builtin_cpu_supports("sse4.1"), __builtin_cpu_supports("sse4.2"), __builtin_cpu_supports("popcnt"))) return -1;
  if (!all(__builtin_cpu_supports("avx2"), __builtin_cpu_supports("fma"), __builtin_cpu_supports("bmi"), __builtin_cpu_supports("bmi2"))) return 0;
  if (!all(__builtin_cpu_supports("avx512f"), __builtin_cpu_supports("avx512bw"), __builtin_cpu_supports("avx512dq"), __builtin_cpu_supports("avx512vl"), __builtin_cpu_supports("avx512cd")))
    return 1;
  return 2;
#else
  return -1;
#endif
}

TreeScorer::TreeScorer(const Booster& booster, size_t features, std::span<const NativeTrees> compiled, int most_level) : booster_(booster), features_(features) {
  if (compiled.empty()) return;
  const auto found = std::ranges::find(compiled, tree_hash(booster, features), &NativeTrees::hash);
  const int level = std::min({most_level, host_tree_level(), static_cast<int>(kTreeLevels.size()) - 1});
  if (found != compiled.end() && level >= 0) code_ = found->code[static_cast<size_t>(level)];
}

void TreeScorer::predict(size_t candidates, const float* features, const float* margins, float* out) const {
  if (code_) return predict_blocks(candidates, features, margins, out);
  std::vector<float> row(features_);
  for (size_t k = 0; k < candidates; ++k) {
    for (size_t f = 0; f < features_; ++f) row[f] = features[f * candidates + k];
    out[k] = booster_.predict(row, margins[k]);
  }
}

// Some blocks at a time, which stay in the second level of the cache while every kernel goes over them. The last block's other lanes hold whatever was there.
void TreeScorer::predict_blocks(size_t candidates, const float* features, const float* margins, float* out) const {
  constexpr size_t kAtATime = 16, kWidth = kTreeBlock;
  struct alignas(64) Line {
    float lanes[kWidth];
  };
  const size_t most = std::min(kAtATime, (candidates + kWidth - 1) / kWidth);
  std::vector<Line> x(most * features_), sums(most), start(most);
  for (size_t first = 0; first < candidates; first += most * kWidth) {
    const size_t count = std::min(most * kWidth, candidates - first);
    const auto blocks = static_cast<int64_t>((count + kWidth - 1) / kWidth);
    auto lanes = [&](size_t at) { return std::min(kWidth, count - at) * sizeof(float); };
    for (size_t f = 0; f < features_; ++f)
      for (size_t at = 0; at < count; at += kWidth) std::memcpy(&x[at / kWidth * features_ + f], features + f * candidates + first + at, lanes(at));
    std::memcpy(start.data(), margins + first, count * sizeof(float));
    code_(blocks, x[0].lanes, start[0].lanes, sums[0].lanes);
    std::memcpy(out + first, sums.data(), count * sizeof(float));
  }
}

}  // namespace tenon
