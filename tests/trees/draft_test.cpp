#include <gtest/gtest.h>

#include "synthetic.h"
#include "tenon/tree_code.h"

namespace tenon {
namespace {

constexpr size_t kFeatures = 20;

CostModel model_of(TreeShape shape) {
  CostModel model{.features = "draft", .names = std::vector<std::string>(kFeatures, "f"), .provenance = {}, .boosters = {}};
  model.boosters.push_back(Synthetic(shape, 3).booster());
  return model;
}

// Of the tree below `at`: the mean of its leaves by their covers, and its levels.
std::pair<double, int> mean_and_depth(const Booster& b, int32_t at) {
  const TreeNode& n = b.nodes[static_cast<size_t>(at)];
  if (n.feature < 0) return {n.value, 0};
  const auto [left, l] = mean_and_depth(b, n.left);
  const auto [right, r] = mean_and_depth(b, n.right);
  const double lc = b.nodes[static_cast<size_t>(n.left)].cover, rc = b.nodes[static_cast<size_t>(n.right)].cover;
  return {(left * lc + right * rc) / (lc + rc), 1 + std::max(l, r)};
}

TEST(Draft, SmallBoostersAreTheirOwn) {
  const CostModel model = model_of({.trees = 200, .depth = 6, .features = kFeatures, .full = true});
  EXPECT_EQ(draft_booster(model), model.boosters[0]);
  EXPECT_EQ(draft_booster(CostModel{}), Booster{});
}

TEST(Draft, LargeOnesAreCut) {
  const CostModel model = model_of({.trees = 230, .depth = 9, .features = kFeatures, .full = true});
  const Booster draft = draft_booster(model);
  ASSERT_EQ(draft.roots.size(), 200u);
  EXPECT_TRUE(fits_code(draft));
  // A model file's rules hold of it: parents before their children, covers that add up.
  CostModel as_model = model;
  as_model.boosters = {draft};
  EXPECT_TRUE(parse_cost_model(print(as_model)));
  for (size_t t = 0; t < draft.roots.size(); ++t) {
    const auto [mean, depth] = mean_and_depth(draft, draft.roots[t]);
    EXPECT_EQ(depth, 6);
    EXPECT_NEAR(mean, mean_and_depth(model.boosters[0], model.boosters[0].roots[t]).first, 1e-6);
  }
}

// Trees that are many but not deep are the first of them.
TEST(Draft, ManyTreesKeepTheFirst) {
  const CostModel model = model_of({.trees = 300, .depth = 6, .features = kFeatures, .full = true});
  const Booster draft = draft_booster(model);
  Booster first = model.boosters[0];
  first.roots.resize(200);
  Synthetic make({.trees = 0, .features = kFeatures}, 9);
  for (int k = 0; k < 100; ++k) {
    const std::vector<float> row = make.row();
    EXPECT_EQ(draft.predict(row, -7), first.predict(row, -7));
  }
}

}  // namespace
}  // namespace tenon
