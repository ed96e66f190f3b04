#include "tenon/differences.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <string_view>
#include <unordered_set>

#include "tenon/region_key.h"

namespace tenon {

std::string signature(const Graph& laid_out, const RegionPlan& region) {
  constexpr Knob kOfAll[] = {Knob::beyond, Knob::beyond_from};
  std::string key;
  add_region(key, region);
  add_layouts(key, laid_out, region);
  add_schedule(key, region.schedule, kOfAll);
  return key;
}

std::vector<std::string> signatures(const Graph& laid_out, const Plan& plan) {
  std::vector<std::string> all;
  for (const RegionPlan& region : plan.regions) all.push_back(signature(laid_out, region));
  return all;
}

std::vector<Difference> differences(const Graph& graph, const Plan& one, const Plan& other) {
  return differences(graph.nodes.size(), one, signatures(laid_out(graph, one), one), other, signatures(laid_out(graph, other), other));
}

std::vector<Difference> differences(size_t nodes, const Plan& one, const std::vector<std::string>& of_one, const Plan& other, const std::vector<std::string>& of_other) {
  const Plan* plans[] = {&one, &other};
  const std::vector<std::string>* signatures[] = {&of_one, &of_other};
  std::unordered_set<std::string_view> first_has(of_one.begin(), of_one.end()), both;
  for (const std::string& text : of_other)
    if (first_has.contains(text)) both.insert(text);
  // Nodes of regions that are not in both hang together.
  std::vector<int> first(nodes);
  std::iota(first.begin(), first.end(), 0);
  auto find = [&](int n) {
    while (first[static_cast<size_t>(n)] != n) n = first[static_cast<size_t>(n)] = first[static_cast<size_t>(first[static_cast<size_t>(n)])];
    return n;
  };
  auto differs = [&](size_t side, size_t r) { return !both.contains((*signatures[side])[r]); };
  for (size_t side = 0; side < 2; ++side)
    for (size_t r = 0; r < plans[side]->regions.size(); ++r)
      if (differs(side, r))
        for (const int n : plans[side]->regions[r].nodes) first[static_cast<size_t>(std::max(find(n), find(plans[side]->regions[r].nodes[0])))] = std::min(find(n), find(plans[side]->regions[r].nodes[0]));
  std::map<int, Difference> found;
  for (size_t side = 0; side < 2; ++side)
    for (size_t r = 0; r < plans[side]->regions.size(); ++r) {
      if (!differs(side, r)) continue;
      const std::vector<int>& of = plans[side]->regions[r].nodes;
      Difference& d = found[find(of[0])];
      (side == 0 ? d.before : d.after).push_back(r);
      d.nodes.insert(d.nodes.end(), of.begin(), of.end());
    }
  std::vector<Difference> all;
  for (auto& [root, d] : found) {
    std::ranges::sort(d.nodes);
    d.nodes.erase(std::ranges::unique(d.nodes).begin(), d.nodes.end());
    all.push_back(std::move(d));
  }
  return all;
}

}  // namespace tenon
