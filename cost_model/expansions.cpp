#include "expansions.h"

#include <algorithm>
#include <cmath>

#include "halos.h"
#include "joins.h"
#include "tenon/ops.h"
#include "tiles.h"

namespace tenon {

namespace {

constexpr int kChannels = 1, kRows = 2, kColumns = 3;  // dims of an image
constexpr size_t kRank = 4;
// Of the second-level cache: measured on Emerald Rapids (2 MiB), 0.8 MB between the two gain nothing, 0.9 MB do.
constexpr double kStays = 0.4;

class ExpansionJoiner {
 public:
  ExpansionJoiner(const Graph& graph, std::vector<RegionPlan> regions, const Target& target, std::vector<std::pair<ValueId, Layout>>& layouts)
      : graph_(graph), regions_(std::move(regions)), target_(target), layouts_(layouts), region_of_(region_of_nodes(graph, regions_)) {}

  std::vector<RegionPlan> run() {
    for (RegionPlan& reader : regions_) {
      const auto depthwise = only_product(reader);
      if (!depthwise || !slides(node(*depthwise))) continue;
      const ValueId between = node(*depthwise).inputs[0];
      const auto producer = only_producer(graph_, regions_, region_of_, between, *depthwise);
      if (!producer) continue;
      RegionPlan& made = regions_[*producer];
      const auto expansion = only_product(made);
      if (!expansion || node(*expansion).attrs.get_or<Attr::groups>(1) != 1 || made.precision != DType::F32 || reader.precision != DType::F32) continue;
      const auto wider = with_margins(between, node(*depthwise), reader);
      if (!wider || !has_rows(node(*depthwise)) || !pays(between, node(*depthwise), node(*expansion).inputs[0])) continue;
      join(made, reader, between, node(*depthwise), *wider);
    }
    std::erase_if(regions_, [](const RegionPlan& r) { return r.nodes.empty(); });
    return std::move(regions_);
  }

 private:
  const Node& node(int n) const { return graph_.nodes[static_cast<size_t>(n)]; }

  // The region's convolution, if all else works element by element.
  std::optional<int> only_product(const RegionPlan& region) const {
    std::optional<int> found;
    for (int n : region.nodes) {
      const OpKind kind = definition(node(n).op).kind;
      if (kind == OpKind::Elementwise) continue;
      if (found || node(n).op != Op::conv || !graph_.constant(node(n).inputs[1])) return std::nullopt;
      found = n;
    }
    return found;
  }

  // Over images of f32, as many channels of results as of the operand.
  bool slides(const Node& conv) const {
    const Value& out = graph_.values[conv.outputs[0]];
    return out.dims.size() == kRank && out.type == DType::F32 && is_depthwise(graph_, conv) &&
           graph_.pool.is_index(out.dims[kChannels], conv.attrs.get_or<Attr::groups>(1));
  }

  // Channels innermost in both, and margins of zeros beside each line: they keep lines apart.
  std::optional<Layout> with_margins(ValueId v, const Node& depthwise, const RegionPlan& reader) const {
    const auto root = std::ranges::find(reader.placed, Placement::Root, &std::pair<ValueId, Placement>::second);
    Layout layout = graph_.values[v].layout;
    if (layout.parts.empty() || layout.parts.back().dim != kChannels || graph_.values[root->first].layout.parts != layout.parts) return std::nullopt;
    widen(graph_.pool, layout.halos, depthwise, v);
    std::ranges::sort(layout.halos, {}, &Halo::dim);
    return std::ranges::count(layout.halos, kColumns, &Halo::dim) ? std::optional(layout) : std::nullopt;
  }

  // Channels at a time: a vector, and no less than a line of the results; two, which halve what is read for them, where the lines
  // that stay fit into the first-level cache and two tasks remain.
  int64_t block(ValueId between, const Node& depthwise) const {
    const int64_t one = std::max<int64_t>(target_.lanes(DType::F32), target_.line_bytes * 8 / bits(DType::F32)), two = 2 * one;
    const auto& dims = graph_.values[between].dims;
    const double rows = known(graph_.pool, graph_.values[depthwise.inputs[1]].dims[kRows]) + 1, columns = known(graph_.pool, dims[kColumns]) + 2;
    const double channels = known(graph_.pool, dims[kChannels]), bytes = rows * columns * static_cast<double>(two) * bits(DType::F32) / 8;
    return channels > static_cast<double>(two) && bytes <= static_cast<double>(target_.l1d_bytes) ? two : one;
  }

  // Lines of operand and result are longer than a tile has rows, which are then of one line.
  bool has_rows(const Node& depthwise) const {
    constexpr int64_t kMostRows = 14, kFewest = 2;
    auto extent = [&](ValueId v, int dim) { return graph_.pool.as_int(graph_.values[v].dims[static_cast<size_t>(dim)]).value_or(0); };
    for (ValueId v : {depthwise.inputs[0], depthwise.outputs[0]})
      if (extent(v, kRows) < kFewest || extent(v, kColumns) < kMostRows) return false;
    return true;
  }

  // What is between would leave the cache, and reading the operand again for each block of channels takes less.
  bool pays(ValueId between, const Node& depthwise, ValueId operand) const {
    const auto made = image_bytes(graph_, between), read = image_bytes(graph_, operand);
    if (!made || !read) return false;
    const double stays = kStays * static_cast<double>(target_.l2_bytes);
    const double blocks = std::ceil(known(graph_.pool, graph_.values[between].dims[kChannels]) / static_cast<double>(block(between, depthwise)));
    return stays > 0 && *made > stays && (*read <= stays || (blocks - 1) * *read <= *made);
  }

  void join(RegionPlan& made, RegionPlan& reader, ValueId between, const Node& depthwise, const Layout& wider) {
    reader = joined(std::move(reader), made, Placement::Attached);
    for (int n : made.nodes) region_of_[static_cast<size_t>(n)] = region_of_[static_cast<size_t>(reader.nodes.back())];
    made.nodes.clear();
    constexpr int64_t kImagesAndChannels = 2;
    Knobs& knobs = reader.schedule.variants[0].knobs;
    knobs.set(Knob::attach, kImagesAndChannels);
    knobs.set(Knob::attach_inner, 1);
    knobs.set(Knob::attach_block, block(between, depthwise));
    knobs.set(Knob::attach_slide, 1);
    for (auto& [v, layout] : layouts_)
      if (v == between) layout = wider;
  }

  const Graph& graph_;
  std::vector<RegionPlan> regions_;
  const Target& target_;
  std::vector<std::pair<ValueId, Layout>>& layouts_;
  std::vector<int> region_of_;
};

}  // namespace

std::vector<RegionPlan> join_expansions(const Graph& graph, std::vector<RegionPlan> regions, const Target& target,
                                        std::vector<std::pair<ValueId, Layout>>& layouts) {
  return ExpansionJoiner(graph, std::move(regions), target, layouts).run();
}

}  // namespace tenon
