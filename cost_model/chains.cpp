#include "chains.h"

#include <algorithm>

#include "joins.h"
#include "tiles.h"

namespace tenon {

namespace {

int64_t steps(const ExprPool& pool, Expr extent) { return static_cast<int64_t>(known(pool, extent)); }

class ChainJoiner {
  using Chain = RegionMemo::Chain;
  using Blocks = Chain::Blocks;

 public:
  ChainJoiner(const Graph& graph, std::vector<RegionPlan> regions, const Target& target, const Decider& decide, RegionMemo& memo)
      : graph_(graph), regions_(std::move(regions)), target_(target), decide_(decide), memo_(memo), users_(graph.users()), region_of_(region_of_nodes(graph, regions_)) {}

  std::vector<RegionPlan> run() {
    for (size_t r = 0; r < regions_.size(); ++r) {
      while (auto producer = producer_of(r)) {
        auto both = join(regions_[*producer], regions_[r]);
        if (!both) break;
        regions_[r] = std::move(*both);
        regions_[*producer].nodes.clear();
        for (int n : regions_[r].nodes) region_of_[static_cast<size_t>(n)] = static_cast<int>(r);
      }
    }
    std::erase_if(regions_, [](const RegionPlan& r) { return r.nodes.empty(); });
    return std::move(regions_);
  }

 private:
  bool has(const RegionPlan& r, OpKind kind) const {
    return std::ranges::any_of(r.nodes, [&](int n) { return definition(node(n).op).kind == kind; });
  }
  const Node& node(int n) const { return graph_.nodes[static_cast<size_t>(n)]; }

  // The region whose one result the first product or row of `r` alone reads, if it computes something.
  std::optional<size_t> producer_of(size_t r) const {
    if (!has(regions_[r], OpKind::Contraction)) return std::nullopt;
    for (int n : regions_[r].nodes)
      for (size_t i = 0; i < node(n).inputs.size(); ++i) {
        ValueId v = node(n).inputs[i];
        if (!v.valid() || !graph_.values[v].def.valid()) continue;
        int p = region_of_[static_cast<size_t>(graph_.values[v].def.index)];
        if (p < 0 || static_cast<size_t>(p) == r || only_root(regions_[static_cast<size_t>(p)]) != v) continue;
        const RegionPlan& producer = regions_[static_cast<size_t>(p)];
        if (std::ranges::find(graph_.outputs, v) != graph_.outputs.end() || !computes(producer)) continue;
        const auto& readers = users_[static_cast<size_t>(v.index)];
        if (std::ranges::all_of(readers, [&](int u) { return region_of_[static_cast<size_t>(u)] == static_cast<int>(r); }))
          return static_cast<size_t>(p);
      }
    return std::nullopt;
  }

  // Rows (softmax, norms), depthwise convolutions, products of two values.
  bool computes(const RegionPlan& r) const {
    if (has(r, OpKind::Composite)) return true;
    return std::ranges::any_of(r.nodes, [&](int n) {
      if (definition(node(n).op).kind != OpKind::Contraction) return false;
      return is_depthwise(graph_, node(n)) || !graph_.constant(node(n).inputs[1]);
    });
  }

  std::optional<RegionPlan> join(const RegionPlan& producer, const RegionPlan& reader) const {
    if (producer.precision != reader.precision) return std::nullopt;
    const std::optional<Chain>& chain = memo_.chains.get(key_of(graph_, reader) + key_of(graph_, producer), [&] { return chain_of(producer, reader); });
    if (!chain) return std::nullopt;
    const int64_t rows = ask(*only_root(producer), chain->blocks);
    if (rows == 0) return std::nullopt;
    RegionPlan both = joined(reader, producer, chain->placement);
    Knobs& knobs = both.schedule.variants[0].knobs;
    knobs.set(Knob::attach, chain->blocks.axes);
    knobs.set(Knob::attach_block, rows);
    return both;
  }

  std::optional<Chain> chain_of(const RegionPlan& producer, const RegionPlan& reader) const {
    std::optional<Chain> chosen;
    for (Placement placement : {Placement::Inline, Placement::Attached}) {
      Result<Region> region = memo_.build(graph_, joined(reader, producer, placement));
      if (!region || !reads_plainly(*region)) continue;
      const auto found = blocks_of(*region);
      if (!found || (chosen && found->rules == 0)) continue;
      chosen = Chain{.placement = placement, .blocks = *found};
      if (found->rules > 0) break;
    }
    return chosen;
  }

  // Rows; 0: apart.
  int64_t ask(ValueId between, const Blocks& blocks) const {
    Question question{.kind = DecisionKind::chain, .subject = between, .answers = {"apart"}};
    std::vector<int64_t> rows = {0};
    for (const int64_t r : {int64_t{2}, int64_t{4}, int64_t{8}, int64_t{12}, int64_t{24}, int64_t{48}, int64_t{64}})
      if (r <= blocks.most) rows.push_back(r);
    if (blocks.rules > 0 && std::ranges::count(rows, blocks.rules) == 0) rows.insert(std::ranges::upper_bound(rows, blocks.rules), blocks.rules);
    for (size_t k = 1; k < rows.size(); ++k) question.answers.push_back("rows=" + std::to_string(rows[k]));
    question.rules = static_cast<size_t>(std::ranges::find(rows, blocks.rules) - rows.begin());
    return question.answers.size() == 1 ? 0 : rows[decide_(question)];
  }

  // The last statement is a product of plain operands: what was put into it is not computed again per column.
  bool reads_plainly(const Region& region) const {
    const ExprPool& pool = region.pool;
    const Statement& last = region.statements.back();
    auto axes = classify(region, last, layout_of(graph_, region.buffers[last.out]));
    if (!axes || axes->vector_both || axes->n.empty()) return false;
    const Product product = *match_product(pool, last.accumulators);
    return std::ranges::all_of(std::array{product.a, product.b}, [&](Expr factor) {
      while (pool.op(factor) == SOp::Cast) factor = pool.operands(factor)[0];
      return pool.op(factor) == SOp::Load;
    });
  }

  // Nothing: no block is legal.
  std::optional<Blocks> blocks_of(Region& region) const {
    const int64_t most = max_attach(graph_, region);
    if (most == 0) return std::nullopt;
    const size_t last = region.statements.size() - 1;
    std::vector<Expr> axes = leading_axes(graph_, region, last, static_cast<size_t>(most));
    auto attachment = attach(graph_, region, axes);
    if (!attachment || attachment->shared.empty()) return std::nullopt;
    const ExprPool& pool = region.pool;
    // Windows overlap along an axis: only the outermost such axis is shared, so that little is computed twice.
    std::vector<bool> windowed = windowed_axes(region, *attachment);
    auto first = std::ranges::find(windowed, true);
    const bool overlaps = first != windowed.end();
    if (overlaps) {
      attachment->shared.resize(static_cast<size_t>(first - windowed.begin()) + 1);
      axes.erase(std::ranges::find(axes, attachment->shared.back()) + 1, axes.end());
      attachment = attach(graph_, region, axes);
      if (!attachment) return std::nullopt;
    }
    const Expr blocked = attachment->shared.back();
    const int64_t extent = steps(pool, pool.var(blocked).extent);
    constexpr int64_t kFewRows = 4, kMostRows = 64, kRowStep = 6;
    Blocks blocks{.axes = static_cast<int64_t>(axes.size()), .rules = 0, .most = pool.as_int(pool.var(blocked).extent) ? extent : kMostRows};
    // Measured: where what lies between fits the outer cache, computing overlaps twice costs what it saves.
    if (overlaps && (target_.l3_bytes == 0 || largest_bytes(region) <= target_.l3_bytes)) return blocks;
    // One token would read what a group of heads has in common once for each of them, where a product of its own
    // takes the group as rows.
    if (!pool.as_int(pool.var(blocked).extent) && reads_in_groups(region, *attachment)) return blocks;
    const int64_t cache = std::max({target_.l2_bytes, target_.l1d_bytes, kLeastCache});
    if (stationary_bytes(region, *attachment) > cache / 2) return blocks;
    const int64_t fits = cache / 4 / std::max<int64_t>(1, row_bytes(region, *attachment));
    int64_t rows = std::min({fits, extent, overlaps ? extent : kMostRows});
    if (overlaps ? rows < 2 : extent < kFewRows || rows < kFewRows) return blocks;
    const int64_t parts = (extent + rows - 1) / rows;
    rows = (extent + parts - 1) / parts;
    if (!overlaps && !pool.as_int(pool.var(blocked).extent)) rows = kMostRows / 2;
    if (!overlaps && rows > kRowStep) rows = (rows + kRowStep - 1) / kRowStep * kRowStep;
    blocks.rules = rows;
    return blocks;
  }

  template <class F>
  static void each_load(Region& region, size_t statement, F&& f) {
    std::vector<Expr> loads;
    region.statements[statement].each_expr([&](Expr e) { region.pool.collect_loads(e, loads); });
    for (Expr load : loads) f(load);
  }

  // Shared axes along which neighbouring steps read the same elements of an input.
  static std::vector<bool> windowed_axes(Region& region, const Attachment& attachment) {
    ExprPool& pool = region.pool;
    std::vector<bool> windowed(attachment.shared.size());
    for (size_t i = 0; i < region.statements.size(); ++i) {
      const Statement& s = region.statements[i];
      each_load(region, i, [&](Expr load) {
        const std::vector<Expr> indices(pool.operands(load).begin(), pool.operands(load).end());
        for (Expr index : indices)
          for (size_t a = 0; a < s.axes.size(); ++a) {
            const int shared = attachment.axes[i][a].shared;
            if (shared >= 0 && overlaps(pool, index, s.axes[a], s.reduce_axes)) windowed[static_cast<size_t>(shared)] = true;
          }
      });
    }
    return windowed;
  }

  // The reduction reaches as far as a step of the axis goes, or farther.
  static bool overlaps(ExprPool& pool, Expr index, Expr axis, const std::vector<Expr>& reduce) {
    auto split = pool.affine(index, axis);
    auto step = split ? pool.as_int(split->first) : std::nullopt;
    if (!step || *step == 0) return false;
    int64_t reach = 0;
    for (Expr r : reduce) {
      auto along = pool.affine(index, r);
      auto each = along ? pool.as_int(along->first) : std::nullopt;
      if (each) reach += std::abs(*each) * (steps(pool, pool.var(r).extent) - 1);
    }
    return reach >= std::abs(*step);
  }

  // Several steps of a shared axis read the same of an input, as heads that share their keys.
  static bool reads_in_groups(Region& region, const Attachment& attachment) {
    bool found = false;
    for (size_t i = 0; i < region.statements.size(); ++i)
      each_load(region, i, [&](Expr load) {
        const std::vector<Expr> indices(region.pool.operands(load).begin(), region.pool.operands(load).end());
        for (Expr index : indices)
          for (size_t a = 0; a < region.statements[i].axes.size(); ++a)
            found |= attachment.axes[i][a].shared >= 0 && !region.pool.affine(index, region.statements[i].axes[a]);
      });
    return found;
  }

  // What every block reads again: of operands that do not vary with the blocked axis, the part that the loops
  // around it leave.
  static int64_t stationary_bytes(Region& region, const Attachment& attachment) {
    const ExprPool& pool = region.pool;
    const int blocked = static_cast<int>(attachment.shared.size()) - 1;
    int64_t total = 0;
    for (size_t i = 0; i < region.statements.size(); ++i) {
      const Statement& s = region.statements[i];
      each_load(region, i, [&](Expr load) {
        const RegionBuffer& b = region.buffers[pool.buffer(load)];
        if (!b.is_input) return;
        int64_t bytes = bits(b.type) / 8;
        auto indices = pool.operands(load);
        for (size_t d = 0; d < indices.size(); ++d) {
          bool fixed = false;
          for (size_t a = 0; a < s.axes.size(); ++a) {
            const int shared = attachment.axes[i][a].shared;
            if (shared < 0 || !pool.depends_on(indices[d], s.axes[a])) continue;
            if (shared == blocked) return;
            fixed = true;
          }
          if (!fixed) bytes *= steps(pool, b.dims[d]);
        }
        total += bytes;
      });
    }
    return total;
  }

  // The largest temporary's as a whole; at the least, where a symbol says how much.
  static int64_t largest_bytes(const Region& region) {
    int64_t largest = 0;
    for (const RegionBuffer& buffer : region.buffers) {
      if (buffer.is_input || buffer.is_output || std::ranges::none_of(region.statements, [&](const Statement& s) { return &region.buffers[s.out] == &buffer; })) continue;
      int64_t bytes = bits(buffer.type) / 8;
      for (Expr d : buffer.dims) bytes *= region.pool.as_int(d).value_or(1);
      largest = std::max(largest, bytes);
    }
    return largest;
  }

  // The largest temporary's, for one step of the blocked axis.
  static int64_t row_bytes(const Region& region, const Attachment& attachment) {
    int64_t largest = 0;
    for (size_t b = 0; b < region.buffers.size(); ++b) {
      const RegionBuffer& buffer = region.buffers[BufferId(b)];
      const std::vector<Span>& spans = attachment.buffers[b];
      if (buffer.is_input || buffer.is_output || spans.empty()) continue;
      int64_t bytes = bits(buffer.type) / 8;
      for (size_t d = 0; d < spans.size(); ++d)
        bytes *= spans[d].shared < 0 ? steps(region.pool, buffer.dims[d]) : 1;
      largest = std::max(largest, bytes);
    }
    return largest;
  }

  static constexpr int64_t kLeastCache = 32 << 10;
  const Graph& graph_;
  std::vector<RegionPlan> regions_;
  const Target& target_;
  const Decider& decide_;
  RegionMemo& memo_;
  std::vector<std::vector<int>> users_;
  std::vector<int> region_of_;
};

}  // namespace

std::vector<RegionPlan> join_chains(const Graph& graph, std::vector<RegionPlan> regions, const Target& target, const Decider& decide, RegionMemo& memo) {
  return ChainJoiner(graph, std::move(regions), target, decide, memo).run();
}

}  // namespace tenon
