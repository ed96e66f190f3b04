// A tensor with margins, as a padded copy is: what lies inside is written in runs as long as the layout has them, and so are
// the margins, instead of one choice per element.
#include <algorithm>

#include "nest.h"

namespace tenon {

namespace {

// lo <= axis < hi
struct Range {
  Expr axis, lo, hi;
};

void conjuncts(const ExprPool& pool, Expr e, std::vector<Expr>& into) {
  if (pool.op(e) != SOp::And) return into.push_back(e);
  for (Expr child : pool.operands(e)) conjuncts(pool, child, into);
}

class BorderSplitter {
 public:
  BorderSplitter(ExprPool& pool, const Statement& s, Expr offset) : pool_(pool), s_(s), axes_(s.axes) {
    sort_by_stride(pool_, axes_, offset);
  }

  std::optional<Borders> run(int64_t least_run) {
    if (pool_.op(s_.value) != SOp::Select) return std::nullopt;
    const Expr element = pool_.operands(s_.value)[1], fill = pool_.operands(s_.value)[2];
    if (!pool_.is_const(fill)) return std::nullopt;
    std::vector<Expr> conditions;
    conjuncts(pool_, pool_.operands(s_.value)[0], conditions);
    // The innermost axis along which what is inside makes a run of so many elements; those inside it keep their choice.
    std::optional<Range> split;
    size_t at = axes_.size();
    for (int64_t inner = 1; at-- > 0;) {
      split = range_of(axes_[at], conditions);
      const auto inside = pool_.as_int(pool_.sub(split ? split->hi : pool_.var(axes_[at]).extent, split ? split->lo : pool_.index(0)));
      if (split && (!inside || *inside * inner >= least_run)) break;
      split.reset();
      inner *= inside.value_or(least_run);
    }
    if (!split) return std::nullopt;
    Borders borders;
    borders.loops.assign(axes_.begin(), axes_.begin() + static_cast<ptrdiff_t>(at));
    Expr kept = {};
    for (Expr condition : conditions) {
      if (pool_.depends_on(condition, split->axis) && !is_bound(condition, split->axis)) return std::nullopt;
      const bool outer = !pool_.depends_on(condition, split->axis) && std::ranges::none_of(axes_.begin() + static_cast<ptrdiff_t>(at), axes_.end(), [&](Expr axis) { return pool_.depends_on(condition, axis); });
      if (outer) borders.condition = pool_.all_of(borders.condition, condition);
      else if (!pool_.depends_on(condition, split->axis)) kept = pool_.all_of(kept, condition);
    }
    const Expr extent = pool_.var(split->axis).extent, none = pool_.index(0);
    auto add = [&](std::vector<Statement>& into, Expr begin, Expr end, Expr value) {
      if (begin != end) into.push_back(piece(split->axis, begin, pool_.sub(end, begin), value));
    };
    add(borders.inside, none, split->lo, fill);
    add(borders.inside, split->lo, split->hi, kept.valid() ? pool_.select(kept, element, fill) : element);
    add(borders.inside, split->hi, extent, fill);
    if (borders.condition.valid()) add(borders.outside, none, extent, fill);
    return borders;
  }

 private:
  // Of `axis + c`, with the coefficient 1 and c the same for all axes: c.
  std::optional<Expr> shift(Expr e, Expr axis) {
    const auto by = pool_.type(e) == DType::Index ? pool_.affine(e, axis) : std::nullopt;
    if (!by || !pool_.is_index(by->first, 1)) return std::nullopt;
    if (std::ranges::any_of(axes_, [&](Expr other) { return pool_.depends_on(by->second, other); })) return std::nullopt;
    return by->second;
  }

  bool is_bound(Expr condition, Expr axis) { return lower(condition, axis) || upper(condition, axis); }

  std::optional<Expr> lower(Expr condition, Expr axis) {  // 0 <= axis + c
    if (pool_.op(condition) != SOp::Le || !pool_.is_index(pool_.operands(condition)[0], 0)) return std::nullopt;
    const auto c = shift(pool_.operands(condition)[1], axis);
    return c ? std::optional(pool_.sub(pool_.index(0), *c)) : std::nullopt;
  }

  std::optional<Expr> upper(Expr condition, Expr axis) {  // axis + c < n
    if (pool_.op(condition) != SOp::Lt) return std::nullopt;
    const Expr n = pool_.operands(condition)[1];
    const auto c = shift(pool_.operands(condition)[0], axis);
    if (!c || std::ranges::any_of(axes_, [&](Expr other) { return pool_.depends_on(n, other); })) return std::nullopt;
    return pool_.sub(n, *c);
  }

  // Nothing where the axis has no bounds, or some that may lie beyond its ends.
  std::optional<Range> range_of(Expr axis, const std::vector<Expr>& conditions) {
    const Expr extent = pool_.var(axis).extent;
    Range range{axis, pool_.index(0), extent};
    bool bounded = false;
    for (Expr condition : conditions) {
      if (const auto lo = lower(condition, axis)) range.lo = *lo, bounded = true;
      else if (const auto hi = upper(condition, axis)) range.hi = *hi, bounded = true;
    }
    auto ordered = [&](Expr a, Expr b) { return pool_.provably_nonnegative(pool_.sub(b, a)); };
    return bounded && ordered(pool_.index(0), range.lo) && ordered(range.lo, range.hi) && ordered(range.hi, extent) ? std::optional(range) : std::nullopt;
  }

  // From `begin` on along the axis, without the loops around.
  Statement piece(Expr axis, Expr begin, Expr extent, Expr value) {
    Statement s = s_;
    s.value = value;
    const Expr inner = pool_.axis(pool_.var(axis).name, extent);
    std::ranges::replace(s.axes, axis, inner);
    std::erase_if(s.axes, [&](Expr other) { return other != inner && std::ranges::find(axes_, other) < std::ranges::find(axes_, axis); });
    s.substitute(pool_, {{axis, pool_.add(begin, inner)}});
    drop_unit_axes(pool_, s);
    return s;
  }

  ExprPool& pool_;
  const Statement& s_;
  std::vector<Expr> axes_;  // outermost in memory first
};

}  // namespace

std::optional<Borders> split_borders(ExprPool& pool, const Statement& s, Expr offset, int64_t least_run) {
  if (!s.routine.empty() || !s.accumulators.empty() || !s.reduce_axes.empty() || s.condition.valid() || !s.also.empty()) return std::nullopt;
  return BorderSplitter(pool, s, offset).run(least_run);
}

}  // namespace tenon
