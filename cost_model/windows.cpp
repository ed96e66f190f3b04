#include "windows.h"

#include <algorithm>

#include "halos.h"
#include "joins.h"
#include "tenon/ops.h"
#include "tiles.h"
#include "winograd.h"

namespace tenon {

namespace {

// A window over rows, in rows of its operand.
struct Rows {
  int64_t step, reach;  // of the next result; rows that one reads
  int64_t results, made;
};

class WindowJoiner {
 public:
  WindowJoiner(const Graph& graph, std::vector<RegionPlan> regions, const Target& target, Precision precision, std::vector<std::pair<ValueId, Layout>>& layouts,
               const Decider& decide, RegionMemo& memo)
      : graph_(graph), regions_(std::move(regions)), target_(target), precision_(precision), layouts_(layouts), decide_(decide), memo_(memo), users_(graph.users()), region_of_(region_of_nodes(graph, regions_)) {}

  std::vector<RegionPlan> run() {
    for (RegionPlan& reader : regions_) {
      const auto window = only_work(graph_, reader);
      const auto rows = window ? rows_of(node(*window)) : std::nullopt;
      if (!rows) continue;
      const ValueId between = node(*window).inputs[0];
      const auto producer = only_producer(graph_, users_, regions_, region_of_, between, *window);
      if (!producer) continue;
      RegionPlan& made = regions_[*producer];
      const auto conv = only_convolution(graph_, made);
      if (!conv || made.precision != DType::F32 || reader.precision != DType::F32) continue;
      const auto wider = with_margins(between, node(*window), reader);
      if (!wider) continue;
      if (const int64_t parts = ask(made, between, node(*conv), *rows); parts > 0) join(made, reader, between, *wider, (rows->results + parts - 1) / parts);
    }
    std::erase_if(regions_, [](const RegionPlan& r) { return r.nodes.empty(); });
    return std::move(regions_);
  }

 private:
  const Node& node(int n) const { return graph_.nodes[static_cast<size_t>(n)]; }

  // Of a pooling window over images of f32, whose lines are longer than a tile has rows.
  std::optional<Rows> rows_of(const Node& n) const {
    if ((n.op != Op::window_max && n.op != Op::window_sum) || n.outputs.size() != 1) return std::nullopt;
    const Value &in = graph_.values[n.inputs[0]], &out = graph_.values[n.outputs[0]];
    const std::vector<int64_t>& kernel = n.attrs.get<Attr::kernel>();
    if (in.dims.size() != kImageRank || kernel.size() != 2 || in.type != DType::F32) return std::nullopt;
    if (!lines_hold_tiles(graph_, n.inputs[0]) || !lines_hold_tiles(graph_, n.outputs[0])) return std::nullopt;
    const auto strides = n.attrs.get_or<Attr::strides>({1, 1}), dilations = n.attrs.get_or<Attr::dilations>({1, 1});
    const Rows rows{.step = strides[0], .reach = (kernel[0] - 1) * dilations[0] + 1, .results = *graph_.pool.as_int(out.dims[kRowDim]), .made = *graph_.pool.as_int(in.dims[kRowDim])};
    return rows.made > rows.reach + rows.step ? std::optional(rows) : std::nullopt;
  }

  // Channels innermost in both, and margins of what the window takes for padding.
  std::optional<Layout> with_margins(ValueId v, const Node& window, const RegionPlan& reader) const {
    auto layout = channels_innermost(graph_, v, reader);
    if (!layout) return std::nullopt;
    widen_by(graph_.pool, layout->halos, window.attrs.get_or<Attr::pads_begin>({}), window.attrs.get_or<Attr::pads_end>({}), static_cast<int>(kRowDim));
    std::ranges::sort(layout->halos, {}, &Halo::dim);
    return layout;
  }

  // Seconds of the convolution for one image; nothing: it is computed in a way that does not go line by line.
  std::optional<double> seconds_by_lines(const RegionPlan& made, ValueId between) const {
    Result<Region> region = memo_.build(graph_, made);
    if (!region) return std::nullopt;
    double seconds = 0;
    for (size_t i = 0; i < region->statements.size(); ++i) {
      const auto tile = best_tile(graph_, *region, i, target_);
      if (!tile) continue;
      if (tile->knobs[Knob::matrix] == 1 || (precision_ == Precision::Fast && winograd_tile(graph_, *region, i, target_, *tile))) return std::nullopt;
      seconds += tile->seconds / known(graph_.pool, graph_.values[between].dims[0]);
    }
    return seconds;
  }

  // Parts; 0: apart.
  int64_t ask(const RegionPlan& made, ValueId between, const Node& conv, const Rows& rows) const {
    const auto seconds = memo_.by_lines.get(key_of(graph_, made), [&] { return seconds_by_lines(made, between); });
    if (!seconds || !image_bytes(graph_, between)) return 0;
    const int64_t rules = parts_that_pay(*seconds, between, conv, rows);
    std::vector<int64_t> parts = {0};
    for (const int64_t p : {int64_t{1}, int64_t{2}, int64_t{4}, int64_t{8}})
      if (2 * p <= rows.results) parts.push_back(p);
    if (rules > 0 && std::ranges::count(parts, rules) == 0) parts.insert(std::ranges::upper_bound(parts, rules), rules);
    Question question{.kind = DecisionKind::window, .subject = between, .answers = {"apart"}, .rules = static_cast<size_t>(std::ranges::find(parts, rules) - parts.begin())};
    for (size_t k = 1; k < parts.size(); ++k) question.answers.push_back("parts=" + std::to_string(parts[k]));
    return parts[decide_(question)];
  }

  // In how many parts rows go together, so that what is computed by two of them takes little of what is gained where the value
  // between stays in the cache; 0: it stays anyway, or too little is gained for as many parts as there should be tasks.
  int64_t parts_that_pay(double seconds, ValueId between, const Node& conv, const Rows& rows) const {
    constexpr double kOfGain = 0.25, kTransfers = 4;  // its lines are fetched to be written, put out, fetched to be read, put out
    constexpr int64_t kFewest = 4, kMost = 8;
    const auto bytes = image_bytes(graph_, between);
    const double weights = bits(DType::F32) / 8.0 * elements(graph_.pool, graph_.values[conv.inputs[1]].dims);
    const double stays = kStays * static_cast<double>(target_.l2_bytes);
    if (!bytes || stays <= 0 || *bytes <= stays || weights > stays || target_.l2_gb_per_s <= 0) return 0;
    const double gain = kTransfers * *bytes / copy_rate(target_, *bytes);
    const double again = static_cast<double>(std::max<int64_t>(0, rows.reach - rows.step)) * seconds / static_cast<double>(rows.made);
    const double most = again > 0 ? kOfGain * gain / again : static_cast<double>(kMost);
    const auto parts = static_cast<int64_t>(std::min({most, static_cast<double>(kMost), static_cast<double>(rows.results) / 2}));
    return parts >= kFewest ? parts : 0;
  }

  void join(RegionPlan& made, RegionPlan& reader, ValueId between, const Layout& wider, int64_t rows) {
    attach_producer(reader, made, region_of_, {between, wider}, layouts_);
    Knobs& knobs = reader.schedule.variants[0].knobs;
    for (Knob one : {Knob::attach, Knob::attach_block, Knob::attach_slide}) knobs.set(one, 1);  // under images
    knobs.set(Knob::attach_rows, rows);
  }

  const Graph& graph_;
  std::vector<RegionPlan> regions_;
  const Target& target_;
  Precision precision_;
  std::vector<std::pair<ValueId, Layout>>& layouts_;
  const Decider& decide_;
  RegionMemo& memo_;
  std::vector<std::vector<int>> users_;
  std::vector<int> region_of_;
};

}  // namespace

std::vector<RegionPlan> join_windows(const Graph& graph, std::vector<RegionPlan> regions, const Target& target, Precision precision,
                                     std::vector<std::pair<ValueId, Layout>>& layouts, const Decider& decide, RegionMemo& memo) {
  return WindowJoiner(graph, std::move(regions), target, precision, layouts, decide, memo).run();
}

}  // namespace tenon
