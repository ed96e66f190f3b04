#include "tenon/workload.h"

#include <algorithm>
#include <unordered_map>

#include "tenon/hash.h"
#include "tenon/policy.h"

namespace tenon {

Result<std::string> workload_text(const Graph& graph, const RegionPlan& plan) {
  TENON_TRY(Region region, build_region(graph, plan));
  region.name.clear();
  region.origins.clear();
  std::string layouts;
  for (size_t b = 0; b < region.buffers.size(); ++b) {
    RegionBuffer& buffer = region.buffers[BufferId(b)];
    buffer.name = "b" + std::to_string(b);
    if (!buffer.value.valid()) continue;
    layouts += buffer.name + ' ' + print(graph.values[buffer.value].layout) + (graph.constant(buffer.value) ? " constant\n" : "\n");
  }
  std::string blocks;
  for (const Variant& variant : plan.schedule.variants) {
    blocks += variant.predicate + ':';
    for (Knob knob : kBlockKnobs) blocks += ' ' + std::to_string(variant.knobs[knob]);
    blocks += '\n';
  }
  return print(region) + layouts + blocks + std::string(spelling(plan.precision));
}

void leave_out(RegionSpace& space, std::span<const Knob> knobs) {
  for (TileSpace& tile : space.tiles) std::erase_if(tile.knobs, [&](const KnobValues& k) { return std::ranges::count(knobs, k.knob) > 0; });
}

void keep_form(RegionSpace& space, const Graph& graph, const RegionPlan& region) {
  if (packs_constants(graph, region)) leave_out(space, form_knobs());
}

Result<std::vector<RegionGroup>> group_regions(const Graph& source, const Plan& plan, const Target& target, Precision precision) {
  TENON_TRY(std::vector<RegionSpace> spaces, schedule_spaces(source, plan, target, precision));
  const Graph graph = laid_out(source, plan);
  std::vector<RegionGroup> groups;
  std::unordered_map<std::string, size_t> known;  // groups by workload
  for (size_t r = 0; r < plan.regions.size(); ++r) {
    if (spaces[r].tiles.empty() || spaces[r].size() <= 1) continue;
    TENON_TRY(const std::string text, workload_text(graph, plan.regions[r]));
    const std::string workload = hex(blake3(text));
    // Where a region stands among the others decides what it asks for beyond its own constants.
    leave_out(spaces[r], {Knob::beyond, Knob::beyond_from});
    const auto [group, fresh] = known.emplace(workload, groups.size());
    if (fresh) groups.push_back({.workload = workload, .regions = {}, .space = std::move(spaces[r])});
    groups[group->second].regions.push_back(r);
  }
  return groups;
}

namespace {

// Where the tile's knobs are in a variant: its own, or of the producer at the same place among those of the space.
template <class V>
auto* place_of(V& variant, const RegionSpace& space, size_t tile) {
  if (!space.tiles[tile].of.valid()) return &variant.knobs;
  size_t producer = 0;
  for (size_t t = 0; t < tile; ++t) producer += space.tiles[t].of.valid();
  return producer < variant.producers.size() ? &variant.producers[producer].second : nullptr;
}

}  // namespace

Knobs knobs_of(const Variant& variant, const RegionSpace& space, size_t tile) {
  const Knobs* knobs = place_of(variant, space, tile);
  return knobs ? *knobs : Knobs{};
}

void set_knobs(Variant& variant, const RegionSpace& space, size_t tile, const Knobs& knobs) {
  Knobs* place = place_of(variant, space, tile);
  if (!place) return;
  for (const KnobValues& k : space.tiles[tile].knobs) place->set(k.knob, knobs[k.knob]);
}

}  // namespace tenon
