// What the planner works out about regions, kept from plan to plan of one graph on one target: most of two plans that differ in an answer is the same.
#pragma once

#include <optional>
#include <string>
#include <unordered_map>

#include "read_ahead.h"
#include "tenon/region_key.h"

namespace tenon {

// Bytes to results.
template <class T>
class Known {
 public:
  template <class Make>
  const T& get(const std::string& key, Make make) {
    auto found = known_.find(key);
    if (found == known_.end()) found = known_.emplace(key, make()).first;  // make() may ask for others
    return found->second;
  }

 private:
  std::unordered_map<std::string, T> known_;
};

// Each is a function of the region, of the layouts of what its nodes read and make, and of what stays the same from plan to plan.
struct RegionMemo {
  // How a producer and its reader are cut into blocks together.
  struct Chain {
    // Leading axes that are shared, steps of the last of them at a time.
    struct Blocks {
      int64_t axes = 0, rules = 0;       // rules: 0: apart
      int64_t most = 0;                  // steps that the axis has, or as many as are worth trying
    };
    Placement placement{};
    Blocks blocks = {};
  };
  // What becomes of a region once everything around it is decided.
  struct Scheduled {
    DType precision{};
    std::optional<ValueId> view;         // whose memory it is; the others are then empty
    Traffic traffic = {};
    std::vector<Variant> variants = {};
  };

  Known<Result<Region>> regions;         // whatever the layouts
  Known<std::optional<double>> products; // seconds; nothing: there is no such region
  Known<std::optional<double>> by_lines;
  Known<std::optional<bool>> rounded;
  Known<bool> copies;
  Known<std::optional<Chain>> chains;
  Known<Result<Scheduled>> scheduled;

  const Result<Region>& build(const Graph& graph, const RegionPlan& plan) {
    std::string key;
    add_region(key, plan);
    return regions.get(key, [&] { return build_region(graph, plan); });
  }
};

// Of a region where it lies.
inline std::string key_of(const Graph& graph, const RegionPlan& plan) {
  std::string key;
  add_region(key, plan);
  add_layouts(key, graph, plan);
  return key;
}

}  // namespace tenon
