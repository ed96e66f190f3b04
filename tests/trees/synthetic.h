// Boosters and candidates out of a generator: trees of any shape, and features that lie on their bounds.
#pragma once

#include <cmath>
#include <limits>
#include <random>

#include "tenon/trees.h"

namespace tenon {

struct TreeShape {
  int trees = 10, depth = 6;
  size_t features = 20;
  bool full = false;  // every leaf at `depth`; else where it pleases
};

class Synthetic {
 public:
  Synthetic(TreeShape shape, uint32_t seed) : shape_(shape), dice_(seed) {}

  Booster booster() {
    Booster made;
    for (int t = 0; t < shape_.trees; ++t) {
      made.roots.push_back(static_cast<int32_t>(made.nodes.size()));
      grow(made, shape_.depth);
    }
    return made;
  }

  // A bound or a value of a feature: zeros, subnormals and what others have as well.
  float value() {
    static constexpr float kSpecial[] = {0.0F, -0.0F, 1e-40F, -1e-40F, std::numeric_limits<float>::min(), 1, -1, 64, 3e38F, -3e38F};
    if (dice_() % 4 == 0) return kSpecial[dice_() % std::size(kSpecial)];
    return static_cast<float>(dice_() % 512) / 8 - 32;
  }
  float feature() {
    switch (dice_() % 16) {
      case 0: return NAN;
      case 1: return dice_() % 2 ? INFINITY : -INFINITY;
      case 2: return std::nextafter(value(), dice_() % 2 ? INFINITY : -INFINITY);
      default: return value();
    }
  }
  std::vector<float> row() {
    std::vector<float> x(shape_.features);
    for (float& v : x) v = feature();
    return x;
  }
  float number() { return static_cast<float>(static_cast<int>(dice_() % 2000001) - 1000000) / 3e6F; }

 private:
  int32_t grow(Booster& b, int depth) {
    const size_t at = b.nodes.size();
    b.nodes.emplace_back();
    TreeNode node;
    if (depth == 0 || (!shape_.full && dice_() % 5 == 0)) {
      node.value = dice_() % 50 == 0 ? 1e-41F : number(), node.cover = static_cast<float>(1 + dice_() % 40);
    } else {
      node.feature = static_cast<int32_t>(dice_() % shape_.features), node.value = value(), node.missing_left = dice_() % 2 == 0;
      node.left = grow(b, depth - 1), node.right = grow(b, depth - 1);
      node.cover = b.nodes[static_cast<size_t>(node.left)].cover + b.nodes[static_cast<size_t>(node.right)].cover;
    }
    b.nodes[at] = node;
    return static_cast<int32_t>(at);
  }

  TreeShape shape_;
  std::mt19937 dice_;
};

// What the build compiles for tests/trees: a draft booster as it ships, and small ones of any shape.
inline constexpr size_t kStandInFeatures = 142;
inline CostModel stand_in() {
  CostModel model{.features = "stand-in", .names = {}, .provenance = {}, .boosters = {}};
  for (size_t f = 0; f < kStandInFeatures; ++f) model.names.push_back("f" + std::to_string(f));
  for (const TreeShape& shape : {TreeShape{200, 6, kStandInFeatures, true}, {30, 8, kStandInFeatures, false}, {1, 0, kStandInFeatures, true}, {0, 0, kStandInFeatures, true}})
    model.boosters.push_back(Synthetic(shape, static_cast<uint32_t>(model.boosters.size())).booster());
  return model;
}

}  // namespace tenon
