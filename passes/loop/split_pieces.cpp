// Index-set splitting: a statement that chooses between expressions by where it is along one axis, as a
// concatenation does, becomes one statement per piece, so that no piece tests anything per element.
#include <algorithm>

#include "nest.h"

namespace tenon {

namespace {

struct Choice {  // one expression where axis < bound, another beyond
  Expr axis, bound;
};

std::optional<Choice> choice_of(ExprPool& pool, const Statement& s) {
  Expr value = strip_casts(pool, s.value);
  if (pool.op(value) != SOp::Select) return std::nullopt;
  auto parts = pool.operands(value);
  if (pool.op(parts[0]) != SOp::Lt) return std::nullopt;
  Expr axis = pool.operands(parts[0])[0], bound = pool.operands(parts[0])[1];
  if (std::ranges::find(s.axes, axis) == s.axes.end()) return std::nullopt;
  if (std::ranges::any_of(s.axes, [&](Expr a) { return pool.depends_on(bound, a); })) return std::nullopt;
  if (!pool.provably_nonnegative(bound) || !pool.provably_nonnegative(pool.sub(pool.var(axis).extent, bound))) return std::nullopt;
  return Choice{axis, bound};
}

Statement piece(ExprPool& pool, Statement s, Expr axis, Expr begin, Expr extent) {
  Expr inner = pool.axis(pool.var(axis).name, extent);
  std::ranges::replace(s.axes, axis, inner);
  s.substitute(pool, {{axis, pool.add(begin, inner)}});
  return s;
}

}  // namespace

void split_pieces(Region& region) {
  ExprPool& pool = region.pool;
  for (size_t i = 0; i < region.statements.size();) {
    const Statement& s = region.statements[i];
    auto choice = s.routine.empty() && s.reduce_axes.empty() ? choice_of(pool, s) : std::nullopt;
    if (!choice) {
      ++i;
      continue;
    }
    Expr rest = pool.sub(pool.var(choice->axis).extent, choice->bound);
    Statement first = piece(pool, s, choice->axis, pool.index(0), choice->bound);
    Statement second = piece(pool, s, choice->axis, choice->bound, rest);
    region.statements[i] = std::move(second);
    region.statements.insert(region.statements.begin() + static_cast<ptrdiff_t>(i), std::move(first));
  }
}

namespace {

// The divisor c of some floordiv(axis, c) or mod(axis, c) in e.
std::optional<int64_t> divisor_of(const ExprPool& pool, Expr e, Expr axis) {
  if ((pool.op(e) == SOp::FloorDiv || pool.op(e) == SOp::Mod) && pool.type(e) == DType::Index && pool.operands(e)[0] == axis)
    return pool.as_int(pool.operands(e)[1]);
  for (Expr child : pool.operands(e))
    if (auto c = divisor_of(pool, child, axis)) return c;
  return std::nullopt;
}

// No load takes its places in several dims from one axis of the sum, as a flattened tensor does: their order in memory may be
// another one.
bool stay_in_order(const ExprPool& pool, const Statement& s) {
  std::vector<Expr> loads;
  for (const Accumulator& acc : s.accumulators) pool.collect_loads(acc.update, loads);
  return std::ranges::all_of(s.reduce_axes, [&](Expr axis) {
    return std::ranges::all_of(loads, [&](Expr load) {
      return std::ranges::count_if(pool.operands(load), [&](Expr index) { return pool.depends_on(index, axis); }) <= 1;
    });
  });
}

}  // namespace

void split_divided_axes(Region& region, bool results) {
  ExprPool& pool = region.pool;
  auto split = [&](Statement& s, std::vector<Expr>& axes) {
    for (size_t a = 0; a < axes.size(); ++a) {
      auto extent = pool.as_int(pool.var(axes[a]).extent);
      std::optional<int64_t> block;
      for (const Accumulator& acc : s.accumulators) block = block ? block : divisor_of(pool, acc.update, axes[a]);
      if (!extent || !block || *extent % *block != 0 || *block == *extent) continue;
      Expr outer = pool.axis(pool.var(axes[a]).name + "_group", pool.index(*extent / *block));
      Expr inner = pool.axis(pool.var(axes[a]).name, pool.index(*block));
      s.substitute(pool, {{axes[a], pool.add(pool.mul(outer, pool.index(*block)), inner)}});
      axes[a] = inner;
      axes.insert(axes.begin() + static_cast<ptrdiff_t>(a), outer);
      ++a;
    }
  };
  for (Statement& s : region.statements) {
    if (!s.routine.empty() || s.accumulators.empty() || s.scan) continue;
    if (results) split(s, s.axes);
    // Integers add up to the same in any order, and several at a time where they lie beside each other. Floats are summed in the
    // same order, group by group.
    const bool integers = std::ranges::all_of(s.accumulators, [&](const Accumulator& a) { return is_integer(pool.type(a.var)); });
    if (integers || (results && stay_in_order(pool, s))) split(s, s.reduce_axes);
  }
}

}  // namespace tenon
