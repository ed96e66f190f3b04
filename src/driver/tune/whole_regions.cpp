#include "whole_regions.h"

#include <algorithm>

namespace tenon {

WholeRegions whole_regions(const Plan& ours, const Plan& theirs, const std::set<int>& nodes) {
  std::set<int> all = nodes;
  std::set<size_t> in_ours, in_theirs;
  for (bool grew = true; grew;) {
    grew = false;
    auto add = [&](const Plan& of, std::set<size_t>& in) {
      for (size_t r = 0; r < of.regions.size(); ++r)
        if (!in.contains(r) && std::ranges::any_of(of.regions[r].nodes, [&](int n) { return all.contains(n); })) grew = true, in.insert(r), all.insert(of.regions[r].nodes.begin(), of.regions[r].nodes.end());
    };
    add(ours, in_ours), add(theirs, in_theirs);
  }
  return {{in_ours.begin(), in_ours.end()}, {in_theirs.begin(), in_theirs.end()}};
}

}  // namespace tenon
