#include "tenon/contributions.h"

#include <algorithm>
#include <cmath>
#include <deque>

namespace tenon {

namespace {

// A feature on the way to a node: the share of candidates that take this way where it is unknown, whether x does where it is known, and
// the sum of the weights of all sets of so many known features.
struct Step {
  int32_t feature = -1;
  double unknown = 1;
  bool known = true;
  double weight = 1;
};
using Path = std::vector<Step>;

// EXTEND
void extend(Path& path, double unknown, bool known, int32_t feature) {
  const auto length = static_cast<double>(path.size());
  path.push_back({feature, unknown, known, path.empty() ? 1.0 : 0.0});
  for (size_t i = path.size() - 1; i-- > 0;) {
    const auto at = static_cast<double>(i);
    if (known) path[i + 1].weight += path[i].weight * (at + 1) / (length + 1);
    path[i].weight *= unknown * (length - at) / (length + 1);
  }
}

// The weights as they were without step `out`, from the last to the first.
template <class Visit>
void unwound(const Path& path, size_t out, const Visit& visit) {
  const size_t last = path.size() - 1;
  const auto length = static_cast<double>(last);
  const Step& step = path[out];
  double next = path[last].weight;
  for (size_t i = last; i-- > 0;) {
    const auto at = static_cast<double>(i);
    double weight;
    if (step.known) {
      weight = next * (length + 1) / (at + 1);
      next = path[i].weight - weight * step.unknown * (length - at) / (length + 1);
    } else {
      weight = path[i].weight * (length + 1) / (step.unknown * (length - at));
    }
    visit(i, weight);
  }
}

// UNWIND
void unwind(Path& path, size_t out) {
  unwound(path, out, [&](size_t i, double weight) { path[i].weight = weight; });
  for (size_t i = out; i + 1 < path.size(); ++i) path[i].feature = path[i + 1].feature, path[i].unknown = path[i + 1].unknown, path[i].known = path[i + 1].known;
  path.pop_back();
}

class Walk {
 public:
  Walk(const Booster& booster, std::span<const float> x, std::vector<double>& sums) : booster_(booster), x_(x), sums_(sums) {}

  void tree(int32_t root) { node(root, 0, {}, 1, true, -1, 1); }

 private:
  // `reach`: the share of all candidates that come here.
  void node(int32_t at, size_t depth, const Path& above, double unknown, bool known, int32_t feature, double reach) {
    if (depth == paths_.size()) paths_.emplace_back();
    Path& path = paths_[depth];
    path = above;
    extend(path, unknown, known, feature);
    const TreeNode& n = booster_.nodes[static_cast<size_t>(at)];
    if (n.feature < 0) {
      sums_.back() += reach * n.value;
      for (size_t k = 1; k < path.size(); ++k) {
        double weight = 0;
        unwound(path, k, [&](size_t, double w) { weight += w; });
        sums_[static_cast<size_t>(path[k].feature)] += weight * ((path[k].known ? 1 : 0) - path[k].unknown) * n.value;
      }
      return;
    }
    const float v = x_[static_cast<size_t>(n.feature)];
    const bool goes_left = std::isnan(v) ? n.missing_left : v < n.value;
    // A feature that was met before counts once.
    double before = 1;
    bool still = true;
    const auto met = std::ranges::find(path, n.feature, &Step::feature);
    if (met != path.end()) {
      before = met->unknown, still = met->known;
      unwind(path, static_cast<size_t>(met - path.begin()));
    }
    const double left = booster_.nodes[static_cast<size_t>(n.left)].cover, right = booster_.nodes[static_cast<size_t>(n.right)].cover;
    const double share = left / (left + right), rest = right / (left + right);
    node(n.left, depth + 1, path, before * share, still && goes_left, n.feature, reach * share);
    node(n.right, depth + 1, path, before * rest, still && !goes_left, n.feature, reach * rest);
  }

  const Booster& booster_;
  std::span<const float> x_;
  std::vector<double>& sums_;
  std::deque<Path> paths_;  // by depth
};

}  // namespace

std::vector<double> contributions(const Booster& booster, size_t features, std::span<const float> x) {
  std::vector<double> sums(features + 1);
  Walk walk(booster, x, sums);
  for (const int32_t root : booster.roots) walk.tree(root);
  return sums;
}

namespace {

std::vector<double> mean_of(std::span<const Booster> boosters, size_t features, std::span<const float> x) {
  std::vector<double> mean(features + 1);
  for (const Booster& booster : boosters) {
    const std::vector<double> sums = contributions(booster, features, x);
    for (size_t k = 0; k < mean.size(); ++k) mean[k] += sums[k] / static_cast<double>(boosters.size());
  }
  return mean;
}

}  // namespace

std::vector<double> contributions(const CostModel& model, std::span<const float> x) { return mean_of(model.boosters, model.names.size(), x); }

std::vector<Factor> factors(const CostModel& model, const Scheduled& x, const Scheduled& y, const Scheduled& rules) {
  const size_t features = model.names.size();
  std::vector<double> added(features + 1);  // then the prior's
  if (model.order.empty()) {
    const std::vector<double> of_x = contributions(model, x.features), of_y = contributions(model, y.features);
    for (size_t k = 0; k < features; ++k) added[k] = of_x[k] - of_y[k];
    added[features] = std::log(x.prior / y.prior);
  } else {
    auto of = [&](const Scheduled& schedule) {
      std::vector<float> row(order_width(features));
      order_row(schedule.features, schedule.prior, rules, row);
      return mean_of(model.order, row.size(), row);
    };
    const std::vector<double> of_x = of(x), of_y = of(y);
    for (size_t k = 0; k < features; ++k) added[k] = of_x[k] - of_y[k] + of_x[features + k] - of_y[features + k];
    added[features] = of_x[2 * features] - of_y[2 * features] + order_margin(x.prior, rules) - order_margin(y.prior, rules);
  }
  std::vector<std::pair<double, size_t>> deltas;
  for (size_t k = 0; k < added.size(); ++k)
    if (added[k] != 0) deltas.emplace_back(added[k], k);
  std::ranges::stable_sort(deltas, std::greater(), [](const auto& d) { return std::abs(d.first); });
  std::vector<Factor> sorted;
  for (const auto& [delta, feature] : deltas) sorted.push_back({feature, std::exp(delta)});
  return sorted;
}

}  // namespace tenon
