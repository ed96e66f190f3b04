// The code that the build made of the stand-in predicts what its trees do, bit by bit, at every level of this machine.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>

#include "synthetic.h"
#include "tenon/tree_code.h"
#include "tenon/tree_scorer.h"

namespace tenon {

std::span<const NativeTrees> test_trees();  // written by the build
std::span<const NativeTrees> no_trees();

namespace {

struct Candidates {
  size_t count;
  std::vector<float> features, margins;  // [feature][candidate]
};

Candidates candidates(size_t count, uint32_t seed) {
  Synthetic make({.trees = 0, .features = kStandInFeatures}, seed);
  Candidates c{count, std::vector<float>(count * kStandInFeatures), {}};
  for (float& v : c.features) v = make.feature();
  for (size_t k = 0; k < count; ++k) c.margins.push_back(make.number() * 30);
  return c;
}

// Of all candidates, by the trees as data.
std::vector<float> expected(const Booster& booster, const Candidates& c) {
  std::vector<float> all;
  for (size_t k = 0; k < c.count; ++k) {
    std::vector<float> x;
    for (size_t f = 0; f < kStandInFeatures; ++f) x.push_back(c.features[f * c.count + k]);
    all.push_back(booster.predict(x, c.margins[k]));
  }
  return all;
}

TEST(TreeScorer, SameBitsAtEveryLevel) {
  const CostModel model = stand_in();
  const Candidates some = candidates(700, 1);
  for (const Booster& booster : model.boosters) {
    const std::vector<float> wanted = expected(booster, some);
    for (int level = -1; level <= host_tree_level(); ++level) {
      const TreeScorer scorer(booster, kStandInFeatures, test_trees(), level);
      EXPECT_EQ(scorer.native(), level >= 0);
      std::vector<float> out(some.count);
      scorer.predict(some.count, some.features.data(), some.margins.data(), out.data());
      for (size_t k = 0; k < some.count; ++k)
        ASSERT_EQ(std::bit_cast<uint32_t>(out[k]), std::bit_cast<uint32_t>(wanted[k])) << booster.roots.size() << " trees, level " << level << ", candidate " << k << ": " << out[k] << ", not " << wanted[k];
    }
  }
}

TEST(TreeScorer, AnyNumberOfCandidates) {
  const CostModel model = stand_in();
  const Booster& booster = model.boosters[1];
  const TreeScorer scorer(booster, kStandInFeatures, test_trees());
  for (const size_t count : {0, 1, 15, 16, 17, 255, 256, 257, 300}) {
    const Candidates some = candidates(count, static_cast<uint32_t>(count));
    std::vector<float> out = some.margins;
    out.push_back(7);
    scorer.predict(count, some.features.data(), out.data(), out.data());  // in place
    EXPECT_EQ(out.back(), 7);
    out.pop_back();
    EXPECT_EQ(out, expected(booster, some)) << count;
  }
}

TEST(TreeScorer, CodeOfOtherTreesIsNotTaken) {
  CostModel model = stand_in();
  Booster& booster = model.boosters[1];
  EXPECT_EQ(TreeScorer(booster, kStandInFeatures, test_trees()).native(), host_tree_level() >= 0);
  EXPECT_FALSE(TreeScorer(booster, kStandInFeatures, no_trees()).native());
  EXPECT_FALSE(TreeScorer(booster, kStandInFeatures + 1, test_trees()).native());
  const auto leaf = std::ranges::find(booster.nodes, -1, &TreeNode::feature);
  leaf->cover *= 2;  // of no account
  EXPECT_EQ(TreeScorer(booster, kStandInFeatures, test_trees()).native(), host_tree_level() >= 0);
  leaf->value = std::nextafter(leaf->value, 1.0F);
  EXPECT_FALSE(TreeScorer(booster, kStandInFeatures, test_trees()).native());
  const Candidates some = candidates(40, 3);
  std::vector<float> out(some.count);
  TreeScorer(booster, kStandInFeatures, test_trees()).predict(some.count, some.features.data(), some.margins.data(), out.data());
  EXPECT_EQ(out, expected(booster, some));
}

}  // namespace
}  // namespace tenon
