#include "tenon/region_key.h"

#include <algorithm>

namespace tenon {

namespace {

constexpr char kEnd = '\xff';  // no knob has this number

void add(std::string& key, int64_t number) { key.append(reinterpret_cast<const char*>(&number), sizeof number); }

void add(std::string& key, const std::string& text) {
  add(key, static_cast<int64_t>(text.size()));
  key += text;
}

// Most values are row-major.
void add(std::string& key, const Layout& layout) {
  if (layout.row_major()) {
    key += '.';
    return;
  }
  key += ':';
  for (const size_t count : {layout.parts.size(), layout.halos.size(), layout.capacities.size(), layout.within.size()}) add(key, static_cast<int64_t>(count));
  for (const LayoutPart& p : layout.parts) add(key, p.dim), add(key, p.divide), add(key, p.modulo);
  for (const Halo& h : layout.halos) add(key, h.dim), add(key, h.before), add(key, h.after);
  for (const Capacity& c : layout.capacities) add(key, c.dim), add(key, c.extent);
  for (const Within& w : layout.within) add(key, w.dim), add(key, w.begin), add(key, w.extent);
}

}  // namespace

void add_region(std::string& key, const RegionPlan& region) {
  key += static_cast<char>(region.precision);
  key += static_cast<char>(region.provider);
  for (const size_t count : {region.nodes.size(), region.placed.size()}) add(key, static_cast<int64_t>(count));
  for (const int n : region.nodes) add(key, n);
  for (const auto& [value, placement] : region.placed) add(key, value.index), key += static_cast<char>(placement);
}

void add_layouts(std::string& key, const Graph& graph, const RegionPlan& region) {
  for (const int n : region.nodes)
    for (const auto* values : {&graph.nodes[static_cast<size_t>(n)].inputs, &graph.nodes[static_cast<size_t>(n)].outputs})
      for (const ValueId v : *values)
        if (v.valid()) add(key, graph.values[v].layout);
}

void add_knobs(std::string& key, const Knobs& knobs, std::span<const Knob> without) {
  for (const auto& [knob, value] : knobs.changed())
    if (std::ranges::find(without, knob) == without.end()) key += static_cast<char>(knob), add(key, value);
  key += kEnd;
}

void add_schedule(std::string& key, const Schedule& schedule, std::span<const Knob> without) {
  add(key, static_cast<int64_t>(schedule.variants.size()));
  for (const Variant& variant : schedule.variants) {
    add(key, variant.predicate);
    add_knobs(key, variant.knobs, without);
    add(key, static_cast<int64_t>(variant.producers.size()));
    for (const auto& [value, of] : variant.producers) add(key, value.index), add_knobs(key, of, without);
  }
}

}  // namespace tenon
