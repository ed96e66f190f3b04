// What policies that join regions have in common.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "tenon/plan.h"

namespace tenon {

// Dims of an image.
constexpr size_t kImageRank = 4, kChannelDim = 1, kRowDim = 2, kColumnDim = 3;

// Of the second-level cache, what lies between two kernels and stays there: measured on Emerald Rapids (2 MiB), to compute both
// together gains nothing at 0.8 MB between them, at 0.9 MB it does.
constexpr double kStays = 0.4;

// By node: which region it is in; -1: none.
std::vector<int> region_of_nodes(const Graph& graph, const std::vector<RegionPlan>& regions);

// The one result of a region; nothing where it has several.
std::optional<ValueId> only_root(const RegionPlan& region);

// A convolution of each channel by itself.
bool is_depthwise(const Graph& graph, const Node& node);

// The region's only node that does not work element by element.
std::optional<int> only_work(const Graph& graph, const RegionPlan& region);
// The same, where it is a convolution by constants.
std::optional<int> only_convolution(const Graph& graph, const RegionPlan& region);

// The region that makes the value as its one result, where nothing but the node, of another region, reads it. `users`: the graph's.
std::optional<size_t> only_producer(const Graph& graph, const std::vector<std::vector<int>>& users, const std::vector<RegionPlan>& regions,
                                    const std::vector<int>& region_of, ValueId v, int reader);

// The value's layout, where channels are innermost in it and, in the same order, in what the reader makes.
std::optional<Layout> channels_innermost(const Graph& graph, ValueId v, const RegionPlan& reader);

// Lines of an image are known and longer than a tile has rows, which are then of one line.
bool lines_hold_tiles(const Graph& graph, ValueId v);

// Bytes of one image, or of what else the first dim counts, if they are known.
std::optional<double> image_bytes(const Graph& graph, ValueId v);

// The reader with the producer's nodes; the producer's result is placed as said.
RegionPlan joined(RegionPlan reader, const RegionPlan& producer, Placement placement);

// Attaches the producer, which then has no nodes; the value between gets the layout.
void attach_producer(RegionPlan& reader, RegionPlan& producer, std::vector<int>& region_of, const std::pair<ValueId, Layout>& between,
                     std::vector<std::pair<ValueId, Layout>>& layouts);

}  // namespace tenon
