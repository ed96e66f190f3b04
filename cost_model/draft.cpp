// A model's first booster, made small.
#include <algorithm>

#include "tenon/trees.h"

namespace tenon {

namespace {

constexpr size_t kMostTrees = 200, kMostNodes = 25'400;  // of 200 trees of depth 6
constexpr int kMostDepth = 6;

class Cutter {
 public:
  explicit Cutter(const Booster& from) : from_(from) {}

  Booster run() {
    Booster cut;
    for (size_t t = 0; t < std::min(from_.roots.size(), kMostTrees); ++t) {
      cut.roots.push_back(static_cast<int32_t>(cut.nodes.size()));
      copy(cut, from_.roots[t], kMostDepth);
    }
    return cut;
  }

 private:
  const TreeNode& node(int32_t at) const { return from_.nodes[static_cast<size_t>(at)]; }

  // The mean of the leaves below, by their covers.
  double mean(int32_t at) const {
    const TreeNode& n = node(at);
    if (n.feature < 0) return n.value;
    const double left = node(n.left).cover, right = node(n.right).cover;
    return (left * mean(n.left) + right * mean(n.right)) / (left + right);
  }

  int32_t copy(Booster& to, int32_t at, int depth) const {
    const size_t made = to.nodes.size();
    to.nodes.push_back(node(at));
    TreeNode copied = node(at);
    if (copied.feature >= 0 && depth == 0) copied = {.value = static_cast<float>(mean(at)), .cover = copied.cover};
    if (copied.feature >= 0) copied.left = copy(to, copied.left, depth - 1), copied.right = copy(to, copied.right, depth - 1);
    to.nodes[made] = copied;
    return static_cast<int32_t>(made);
  }

  const Booster& from_;
};

}  // namespace

Booster draft_booster(const CostModel& model) {
  const std::vector<Booster>& all = model.order.empty() ? model.boosters : model.order;
  if (all.empty()) return {};
  const Booster& first = all[0];
  return first.nodes.size() <= kMostNodes ? first : Cutter(first).run();
}

}  // namespace tenon
