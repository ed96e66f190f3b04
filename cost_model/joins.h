// What policies that join regions have in common.
#pragma once

#include "tenon/plan.h"

namespace tenon {

// By node: which region it is in; -1: none.
std::vector<int> region_of_nodes(const Graph& graph, const std::vector<RegionPlan>& regions);

// The one result of a region; nothing where it has several.
std::optional<ValueId> only_root(const RegionPlan& region);

// A convolution of each channel by itself.
bool is_depthwise(const Graph& graph, const Node& node);

// The region that makes the value as its one result, where nothing but the node, of another region, reads it.
std::optional<size_t> only_producer(const Graph& graph, const std::vector<RegionPlan>& regions, const std::vector<int>& region_of, ValueId v, int reader);

// Bytes of one image, or of what else the first dim counts, if they are known.
std::optional<double> image_bytes(const Graph& graph, ValueId v);

// The reader with the producer's nodes; the producer's result is placed as said.
RegionPlan joined(RegionPlan reader, const RegionPlan& producer, Placement placement);

}  // namespace tenon
