#include "expansions.h"

#include <algorithm>
#include <cmath>

#include "halos.h"
#include "joins.h"
#include "tenon/ops.h"
#include "tiles.h"

namespace tenon {

namespace {

class ExpansionJoiner {
 public:
  ExpansionJoiner(const Graph& graph, std::vector<RegionPlan> regions, const Target& target, std::vector<std::pair<ValueId, Layout>>& layouts,
                  const Decider& decide)
      : graph_(graph), regions_(std::move(regions)), target_(target), layouts_(layouts), decide_(decide), users_(graph.users()), region_of_(region_of_nodes(graph, regions_)) {}

  std::vector<RegionPlan> run() {
    for (RegionPlan& reader : regions_) {
      const auto depthwise = only_convolution(graph_, reader);
      if (!depthwise || !slides(node(*depthwise))) continue;
      const ValueId between = node(*depthwise).inputs[0];
      const auto producer = only_producer(graph_, users_, regions_, region_of_, between, *depthwise);
      if (!producer) continue;
      RegionPlan& made = regions_[*producer];
      const auto expansion = only_convolution(graph_, made);
      if (!expansion || node(*expansion).attrs.get_or<Attr::groups>(1) != 1 || made.precision != DType::F32 || reader.precision != DType::F32) continue;
      const auto wider = with_margins(between, node(*depthwise), reader);
      if (!wider || !lines_hold_tiles(graph_, between) || !lines_hold_tiles(graph_, node(*depthwise).outputs[0])) continue;
      if (const int64_t channels = ask(between, node(*depthwise), node(*expansion).inputs[0]); channels > 0) join(made, reader, between, channels, *wider);
    }
    std::erase_if(regions_, [](const RegionPlan& r) { return r.nodes.empty(); });
    return std::move(regions_);
  }

 private:
  const Node& node(int n) const { return graph_.nodes[static_cast<size_t>(n)]; }

  // Over images of f32, as many channels of results as of the operand.
  bool slides(const Node& conv) const {
    const Value& out = graph_.values[conv.outputs[0]];
    return out.dims.size() == kImageRank && out.type == DType::F32 && is_depthwise(graph_, conv) &&
           graph_.pool.is_index(out.dims[kChannelDim], conv.attrs.get_or<Attr::groups>(1));
  }

  // Channels innermost in both, and margins of zeros beside each line: they keep lines apart.
  std::optional<Layout> with_margins(ValueId v, const Node& depthwise, const RegionPlan& reader) const {
    auto layout = channels_innermost(graph_, v, reader);
    if (!layout) return std::nullopt;
    widen(graph_.pool, layout->halos, depthwise, v);
    std::ranges::sort(layout->halos, {}, &Halo::dim);
    return std::ranges::count(layout->halos, static_cast<int>(kColumnDim), &Halo::dim) ? layout : std::nullopt;
  }

  // Channels at a time: a vector, and no less than a line of the results; two, which halve what is read for them, where the lines
  // that stay fit into the first-level cache and two tasks remain.
  int64_t block(ValueId between, const Node& depthwise) const {
    const int64_t one = narrow(), two = 2 * one;
    const auto& dims = graph_.values[between].dims;
    const double rows = known(graph_.pool, graph_.values[depthwise.inputs[1]].dims[kRowDim]) + 1, columns = known(graph_.pool, dims[kColumnDim]) + 2;
    const double channels = known(graph_.pool, dims[kChannelDim]), bytes = rows * columns * static_cast<double>(two) * bits(DType::F32) / 8;
    return channels > static_cast<double>(two) && bytes <= static_cast<double>(target_.l1d_bytes) ? two : one;
  }

  int64_t narrow() const { return std::max<int64_t>(target_.lanes(DType::F32), target_.line_bytes * 8 / bits(DType::F32)); }

  // What is between would leave the cache, and reading the operand again for each block of channels takes less.
  bool pays(ValueId between, const Node& depthwise, ValueId operand) const {
    const auto made = image_bytes(graph_, between), read = image_bytes(graph_, operand);
    if (!made || !read) return false;
    const double stays = kStays * static_cast<double>(target_.l2_bytes);
    const double blocks = std::ceil(known(graph_.pool, graph_.values[between].dims[kChannelDim]) / static_cast<double>(block(between, depthwise)));
    return stays > 0 && *made > stays && (*read <= stays || (blocks - 1) * *read <= *made);
  }

  // Channels at a time; 0: apart.
  int64_t ask(ValueId between, const Node& depthwise, ValueId operand) const {
    const int64_t rules = block(between, depthwise), one = narrow();
    Question question{.kind = DecisionKind::expand, .subject = between, .answers = {"apart"}};
    std::vector<int64_t> channels = {0, one};
    if (known(graph_.pool, graph_.values[between].dims[kChannelDim]) > static_cast<double>(2 * one)) channels.push_back(2 * one);
    for (size_t k = 1; k < channels.size(); ++k) question.answers.push_back("channels=" + std::to_string(channels[k]));
    if (pays(between, depthwise, operand)) question.rules = static_cast<size_t>(std::ranges::find(channels, rules) - channels.begin());
    return channels[decide_(question)];
  }

  void join(RegionPlan& made, RegionPlan& reader, ValueId between, int64_t channels, const Layout& wider) {
    attach_producer(reader, made, region_of_, {between, wider}, layouts_);
    constexpr int64_t kImagesAndChannels = 2;
    Knobs& knobs = reader.schedule.variants[0].knobs;
    knobs.set(Knob::attach, kImagesAndChannels);
    knobs.set(Knob::attach_inner, 1);
    knobs.set(Knob::attach_block, channels);
    knobs.set(Knob::attach_slide, 1);
  }

  const Graph& graph_;
  std::vector<RegionPlan> regions_;
  const Target& target_;
  std::vector<std::pair<ValueId, Layout>>& layouts_;
  const Decider& decide_;
  std::vector<std::vector<int>> users_;
  std::vector<int> region_of_;
};

}  // namespace

std::vector<RegionPlan> join_expansions(const Graph& graph, std::vector<RegionPlan> regions, const Target& target,
                                        std::vector<std::pair<ValueId, Layout>>& layouts, const Decider& decide) {
  return ExpansionJoiner(graph, std::move(regions), target, layouts, decide).run();
}

}  // namespace tenon
