#include "tenon/differences.h"

#include <algorithm>
#include <map>
#include <numeric>

namespace tenon {

std::string signature(const Graph& laid_out, const RegionPlan& region) {
  std::string text = std::string(spelling(region.precision)) + (region.provider == Provider::Own ? " own" : " library");
  auto add = [&](ValueId v) {
    if (v.valid()) text += ' ' + std::to_string(v.index) + print(laid_out.values[v].layout);
  };
  for (const int n : region.nodes) {
    text += " n" + std::to_string(n);
    for (ValueId v : laid_out.nodes[static_cast<size_t>(n)].inputs) add(v);
    for (ValueId v : laid_out.nodes[static_cast<size_t>(n)].outputs) add(v);
  }
  for (const auto& [value, placement] : region.placed) text += " p" + std::to_string(value.index) + ' ' + std::to_string(static_cast<int>(placement));
  auto knobs = [&](const Knobs& all) {
    for (const auto& [knob, value] : all.values)
      if (knob != Knob::beyond && knob != Knob::beyond_from) text += ' ' + std::to_string(static_cast<int>(knob)) + '=' + std::to_string(value);
  };
  for (const Variant& variant : region.schedule.variants) {
    text += " if " + variant.predicate + ':';
    knobs(variant.knobs);
    for (const auto& [value, of] : variant.producers) {
      text += " of " + std::to_string(value.index);
      knobs(of);
    }
  }
  return text;
}

std::vector<Difference> differences(const Graph& graph, const Plan& one, const Plan& other) {
  const Graph graphs[] = {laid_out(graph, one), laid_out(graph, other)};
  const Plan* plans[] = {&one, &other};
  std::map<std::string, int> known;  // signatures of the one
  std::vector<std::vector<std::string>> signatures(2);
  for (size_t side = 0; side < 2; ++side)
    for (const RegionPlan& region : plans[side]->regions) signatures[side].push_back(signature(graphs[side], region));
  for (const std::string& text : signatures[0]) ++known[text];
  std::map<std::string, int> both;
  for (const std::string& text : signatures[1])
    if (known.contains(text)) ++both[text];
  // Nodes of regions that are not in both hang together.
  std::vector<int> first(graph.nodes.size());
  std::iota(first.begin(), first.end(), 0);
  auto find = [&](int n) {
    while (first[static_cast<size_t>(n)] != n) n = first[static_cast<size_t>(n)] = first[static_cast<size_t>(first[static_cast<size_t>(n)])];
    return n;
  };
  auto differs = [&](size_t side, size_t r) { return !both.contains(signatures[side][r]); };
  for (size_t side = 0; side < 2; ++side)
    for (size_t r = 0; r < plans[side]->regions.size(); ++r)
      if (differs(side, r))
        for (const int n : plans[side]->regions[r].nodes) first[static_cast<size_t>(std::max(find(n), find(plans[side]->regions[r].nodes[0])))] = std::min(find(n), find(plans[side]->regions[r].nodes[0]));
  std::map<int, Difference> found;
  for (size_t side = 0; side < 2; ++side)
    for (size_t r = 0; r < plans[side]->regions.size(); ++r) {
      if (!differs(side, r)) continue;
      const std::vector<int>& nodes = plans[side]->regions[r].nodes;
      Difference& d = found[find(nodes[0])];
      (side == 0 ? d.before : d.after).push_back(r);
      d.nodes.insert(d.nodes.end(), nodes.begin(), nodes.end());
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
