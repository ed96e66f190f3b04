// What a run did before it comes to a region: how far away is what the region reads.
#include <algorithm>

#include "tenon/features.h"
#include "tiles.h"

namespace tenon {

namespace {

constexpr double kBitsPerByte = 8, kKiB = 1024;

double bytes_of(const Graph& graph, ValueId v) { return elements(graph.pool, graph.values[v].dims) * bits(graph.values[v].type) / kBitsPerByte; }

// Values that the region reads and does not make, each once.
std::vector<ValueId> read_by(const Graph& graph, const RegionPlan& region) {
  std::vector<ValueId> read;
  for (int n : region.nodes)
    for (ValueId v : graph.nodes[static_cast<size_t>(n)].inputs)
      if (v.valid() && std::ranges::find(read, v) == read.end() && std::ranges::find(region.placed, v, &std::pair<ValueId, Placement>::first) == region.placed.end()) read.push_back(v);
  return read;
}

double constants_of(const Graph& graph, const RegionPlan& region) {
  double bytes = 0;
  for (ValueId v : read_by(graph, region)) bytes += graph.constant(v) ? bytes_of(graph, v) : 0;
  return bytes;
}

}  // namespace

Surroundings surroundings(const Graph& graph, const Plan& plan, size_t at) {
  Surroundings around;
  around.parts = plan.parts;
  for (const Constant& c : graph.constants) around.constants += static_cast<double>(c.bytes.size);
  double behind = 0, own = constants_of(graph, plan.regions[at]);  // bytes of constants of the regions from the one below up to this one
  // From the region before backwards; what is nearest counts.
  double since = 0;
  auto put = [&](ValueId v, double distance) {
    if (std::ranges::find(around.distances, v, &std::pair<ValueId, double>::first) == around.distances.end()) around.distances.emplace_back(v, distance);
  };
  for (size_t r = at; r-- > 0;) {
    const RegionPlan& region = plan.regions[r];
    const std::vector<ValueId> read = read_by(graph, region);
    double touched = 0;
    for (ValueId v : read) touched += bytes_of(graph, v);
    for (const auto& [value, placement] : region.placed) touched += placement == Placement::Root ? bytes_of(graph, value) : 0;
    // What it makes comes all along: half of what it touches comes later than the mean of it.
    for (const auto& [value, placement] : region.placed)
      if (placement == Placement::Root) {
        put(value, since + touched / 2);
        if (r + 1 == at) around.previous.push_back(value);
      }
    if (r + 1 == at) around.before = touched;
    since += touched;
    for (ValueId v : read)
      if (!graph.constant(v)) put(v, since);
    // Most of the region's constants, which lie `behind` the end of those of this one, are asked for here.
    constexpr double kMost = 0.5;
    const double constants = constants_of(graph, region), from = static_cast<double>(region.schedule.variants.back().knobs[Knob::beyond_from]) * kKiB;
    const double to = from + static_cast<double>(region.schedule.variants.back().knobs[Knob::beyond]) * constants;
    if (own > 0 && around.since_asked == 0 && std::min(to, behind + own) - std::max(from, behind) > kMost * own) around.since_asked = since;
    behind += constants;
  }
  for (ValueId v : graph.inputs) since += bytes_of(graph, v);
  for (ValueId v : graph.inputs) put(v, since);
  // What lies in the memory of another is as near as that, and a whole as near as its farthest part.
  for (const auto& [value, of] : plan.views)
    if (auto found = std::ranges::find(around.distances, of, &std::pair<ValueId, double>::first); found != around.distances.end()) {
      const double distance = found->second;
      around.distances.emplace_back(value, distance);
      if (std::ranges::find(around.previous, of) != around.previous.end()) around.previous.push_back(value);
    }
  for (const Part& part : plan.parts)
    if (auto found = std::ranges::find(around.distances, part.value, &std::pair<ValueId, double>::first); found != around.distances.end()) {
      const double distance = found->second;
      auto whole = std::ranges::find(around.distances, part.whole, &std::pair<ValueId, double>::first);
      if (whole == around.distances.end()) around.distances.emplace_back(part.whole, distance);
      else if (whole->second == 0) whole->second = distance;
    }
  return around;
}

}  // namespace tenon
