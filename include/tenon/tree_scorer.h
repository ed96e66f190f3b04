// Predictions of many candidates at once, as native code where there is some.
#pragma once

#include <array>
#include <span>
#include <string_view>

#include "tenon/trees.h"

namespace tenon {

// Instruction sets that trees are compiled for, in ascending order: x86-64-v2, v3, v4.
inline constexpr std::array<std::string_view, 3> kTreeLevels = {"x86-64-v2", "x86-64-v3", "x86-64-v4"};
int host_tree_level();  // index of the highest that this machine has; -1: none

// Code of a booster that tools/tree_code made: tree_module per level.
using TreeCode = void (*)(int64_t blocks, const float* x, const float* margins, float* sums);
struct NativeTrees {
  std::string_view hash;  // tree_hash
  std::array<TreeCode, kTreeLevels.size()> code{};
};

// The boosters of the weights that ship with Tenon; empty where none ship, or this is no x86-64.
std::span<const NativeTrees> shipped_trees();

// Predicts as Booster::predict does, bit by bit, by whichever way. The booster must outlive it.
class TreeScorer {
 public:
  // By the code that is the booster's, for the highest level of this machine and of `most_level`; else by the trees as data.
  TreeScorer(const Booster& booster, size_t features, std::span<const NativeTrees> compiled, int most_level = static_cast<int>(kTreeLevels.size()) - 1);

  bool native() const { return code_ != nullptr; }
  // features[f * candidates + k] is feature f of candidate k; out may be margins. Any number of threads may call it.
  void predict(size_t candidates, const float* features, const float* margins, float* out) const;

 private:
  void predict_blocks(size_t candidates, const float* features, const float* margins, float* out) const;

  const Booster& booster_;
  size_t features_;
  TreeCode code_ = nullptr;
};

}  // namespace tenon
