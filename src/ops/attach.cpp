// Producers computed at an axis: which part of every temporary a block of the shared axes needs. From the last
// statement back to the first: its axes are the shared ones; what a statement reads of a temporary says which part
// of it must be there, and so which positions the statement that makes it goes through.
#include <algorithm>

#include "tenon/plan.h"

namespace tenon {

namespace {

class Attacher {
 public:
  Attacher(const Graph& graph, Region& region, std::vector<Expr> shared, bool copies_first)
      : graph_(graph), region_(region), pool_(region.pool), copies_first_(copies_first), needed_(region.buffers.size()) {
    found_.shared = std::move(shared);
    drop_units(found_.shared);
    found_.buffers.resize(region.buffers.size());
    found_.axes.resize(region.statements.size());
    found_.before.resize(region.statements.size());
    for (Statement& s : region.statements) copy_.push_back(is_copy(s));
  }

  Result<Attachment> run() {
    for (size_t i = region_.statements.size(); i-- > 0;) {
      Statement& s = region_.statements[i];
      if (!s.routine.empty()) return misfit("has a routine, which shares no axes");
      found_.axes[i].resize(s.axes.size());
      TENON_DO(bind(i, s));
      if (!found_.before[i]) TENON_DO(need_operands(i, s));
    }
    return std::move(found_);
  }

 private:
  std::unexpected<Diags> misfit(const std::string& why) {
    return fail(Code::E0403, "region " + region_.name + " " + why, "choose a smaller `attach` for it");
  }
  static size_t at(BufferId b) { return static_cast<size_t>(b.index); }
  const std::string& name(BufferId b) const { return region_.buffers[b].name; }
  static bool exact(const Span& s) { return s.step == 1 && s.first == 0 && s.reach == 0; }
  Expr extent(Expr axis) const { return pool_.var(axis).extent; }

  // An axis of extent 1 is no loop.
  void drop_units(std::vector<Expr>& axes) const {
    std::erase_if(axes, [&](Expr axis) { return pool_.is_index(extent(axis), 1); });
  }

  std::vector<Expr> loads(Statement& s) {
    std::vector<Expr> found;
    s.each_expr([&](Expr e) { pool_.collect_loads(e, found); });
    return found;
  }

  // A copy of an operand may be made once, for all blocks.
  bool is_copy(Statement& s) {
    return s.accumulators.empty() && s.routine.empty() && !region_.buffers[s.out].value.valid() &&
           std::ranges::all_of(loads(s), [&](Expr load) { return region_.buffers[pool_.buffer(load)].is_input; });
  }

  bool makes_copy(BufferId b) const {
    for (size_t i = 0; i < region_.statements.size(); ++i)
      if (region_.statements[i].out == b) return copy_[i];
    return false;
  }

  // Which positions of its axes the statement goes through.
  Result<void> bind(size_t i, Statement& s) {
    const bool last = i + 1 == region_.statements.size(), output = region_.buffers[s.out].is_output;
    std::vector<Span>& axes = found_.axes[i];
    if (last || (output && !needed_[at(s.out)])) {
      std::vector<Expr> own = last ? found_.shared : leading_axes(graph_, region_, i, s.axes.size());
      drop_units(own);
      if (own.size() > found_.shared.size()) own.resize(found_.shared.size());
      if (own.size() != found_.shared.size()) return misfit("has a statement that shares no axes");
      for (size_t k = 0; k < own.size(); ++k) {
        if (extent(own[k]) != extent(found_.shared[k])) return misfit("has statements of unequal extents");
        auto axis = std::ranges::find(s.axes, own[k]);
        if (axis == s.axes.end()) return misfit("has a statement that shares no axes");
        axes[static_cast<size_t>(axis - s.axes.begin())] = {.shared = static_cast<int>(k)};
      }
      return {};
    }
    if (!needed_[at(s.out)]) return misfit("makes " + name(s.out) + ", which nothing reads after it");
    std::vector<bool> bound(found_.shared.size());
    const std::vector<Span>& spans = found_.buffers[at(s.out)];
    for (size_t d = 0; d < spans.size(); ++d) {
      if (spans[d].shared < 0) continue;
      auto axis = std::ranges::find(s.axes, s.indices[d]);
      if (axis == s.axes.end()) return misfit("does not write " + name(s.out) + " along its axes");
      if (output && (!exact(spans[d]) || extent(*axis) != extent(found_.shared[static_cast<size_t>(spans[d].shared)])))
        return misfit("reads its output " + name(s.out) + " beyond a block");
      axes[static_cast<size_t>(axis - s.axes.begin())] = spans[d];
      bound[static_cast<size_t>(spans[d].shared)] = true;
    }
    if (std::ranges::all_of(bound, std::identity{}) && !(copies_first_ && copy_[i])) return {};
    if (!copy_[i]) return misfit("has a temporary, " + name(s.out) + ", that is read across the shared axes");
    found_.before[i] = true;
    found_.buffers[at(s.out)].assign(spans.size(), {});
    axes.assign(axes.size(), {});
    return {};
  }

  // Which part of what the region makes the statement reads.
  Result<void> need_operands(size_t i, Statement& s) {
    for (Expr load : loads(s)) {
      const BufferId b = pool_.buffer(load);
      if (region_.buffers[b].is_input) continue;
      std::vector<Span> spans;
      const std::vector<Expr> indices(pool_.operands(load).begin(), pool_.operands(load).end());
      for (size_t d = 0; d < indices.size(); ++d) {
        TENON_TRY(Span span, span_of(i, s, indices[d], b, d));
        spans.push_back(span);
      }
      std::vector<Span>& known = found_.buffers[at(b)];
      if (!needed_[at(b)]) known = std::move(spans);
      else
        for (size_t d = 0; d < spans.size(); ++d)
          if (!join(known[d], spans[d])) {
            if (!makes_copy(b)) return misfit("reads " + name(b) + " at unlike places");
            known[d] = {};
          }
      needed_[at(b)] = true;
    }
    return {};
  }

  Result<Span> span_of(size_t i, const Statement& s, Expr index, BufferId b, size_t dim) {
    const bool copy = makes_copy(b);  // else as a whole
    Span found;
    for (size_t a = 0; a < s.axes.size(); ++a) {
      const Span& span = found_.axes[i][a];
      if (span.shared < 0 || !pool_.depends_on(index, s.axes[a])) continue;
      auto split = pool_.affine(index, s.axes[a]);
      auto step = split ? pool_.as_int(split->first) : std::nullopt;
      if (found.shared >= 0 || !step || *step < 1) {
        if (copy) return Span{};
        return misfit("reads " + name(b) + " across the shared axes");
      }
      auto [low, high] = pool_.bounds(split->second);
      // A guard may keep it from reading outside; the part that is computed has none.
      const bool within = index == s.axes[a] ||
                          (pool_.provably_nonnegative(index) && pool_.provably_less(index, region_.buffers[b].dims[dim]));
      if (low <= -kIndexMax || high >= kIndexMax || !within) {
        if (copy) return Span{};
        return misfit("reads " + name(b) + (within ? " at unlike places" : " beyond its ends"));
      }
      found = {span.shared, *step * span.step, *step * span.first + low, *step * span.reach + high - low};
    }
    return found;
  }

  static bool join(Span& a, const Span& b) {
    if (a.shared != b.shared || a.step != b.step) return false;
    const int64_t first = std::min(a.first, b.first);
    a.reach = std::max(a.first + a.reach, b.first + b.reach) - first;
    a.first = first;
    return true;
  }

  const Graph& graph_;
  Region& region_;
  ExprPool& pool_;
  Attachment found_;
  bool copies_first_;
  std::vector<bool> copy_;    // per statement
  std::vector<bool> needed_;  // per buffer: a later statement reads it
};

}  // namespace

std::vector<Expr> leading_axes(const Graph& graph, const Region& region, size_t statement, size_t count) {
  const Statement& s = region.statements[statement];
  const RegionBuffer& out = region.buffers[s.out];
  std::vector<int> order;
  if (out.value.valid())
    for (const LayoutPart& part : graph.values[out.value].layout.parts)
      if (std::ranges::find(order, part.dim) == order.end()) order.push_back(part.dim);
  for (int d = static_cast<int>(order.size()); d < static_cast<int>(out.dims.size()); ++d) order.push_back(d);
  std::vector<Expr> axes;
  for (int dim : order) {
    if (axes.size() == count || static_cast<size_t>(dim) >= s.indices.size()) break;
    Expr index = s.indices[static_cast<size_t>(dim)];
    if (region.pool.is_index(index, 0)) continue;  // an axis of one step that has been dropped
    if (std::ranges::find(s.axes, index) == s.axes.end() || std::ranges::find(axes, index) != axes.end()) break;
    axes.push_back(index);
  }
  return axes;
}

std::vector<Expr> shared_axes(const Graph& graph, const Region& region, const Knobs& knobs) {
  const auto count = static_cast<size_t>(knobs[Knob::attach]);
  const size_t last = region.statements.size() - 1;
  if (count == 0 || knobs[Knob::attach_inner] == 0) return leading_axes(graph, region, last, count);
  std::vector<Expr> axes = leading_axes(graph, region, last, count - 1);
  const Statement& s = region.statements[last];
  if (s.indices.empty()) return axes;
  const ValueId out = region.buffers[s.out].value;
  const Layout layout = out.valid() ? graph.values[out].layout : Layout{};
  const Expr inner = innermost_index(s, layout);
  if (std::ranges::find(s.axes, inner) != s.axes.end() && std::ranges::find(axes, inner) == axes.end()) axes.push_back(inner);
  return axes;
}

Result<Attachment> attach(const Graph& graph, Region& region, std::vector<Expr> shared, bool copies_first) {
  return Attacher(graph, region, std::move(shared), copies_first).run();
}

// A node's temporaries follow its outputs: build_region.cpp.
ValueId owner_of(const Region& region, BufferId buffer) {
  for (size_t b = static_cast<size_t>(buffer.index) + 1; b-- > 0;)
    if (const RegionBuffer& made = region.buffers[BufferId(b)]; made.value.valid())
      return made.is_input ? ValueId{} : made.value;
  return {};
}

int64_t max_attach(const Graph& graph, const Region& source) {
  if (source.statements.size() < 2) return 0;
  Region region = source;
  std::vector<Expr> axes = leading_axes(graph, region, region.statements.size() - 1, region.buffers[region.statements.back().out].dims.size());
  for (; !axes.empty(); axes.pop_back())
    if (attach(graph, region, axes)) return static_cast<int64_t>(axes.size());
  return 0;
}

}  // namespace tenon
