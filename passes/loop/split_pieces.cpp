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
  ExprPool::Substitution map{{axis, pool.add(begin, inner)}};
  std::ranges::replace(s.axes, axis, inner);
  for (Expr& e : s.indices) e = pool.substitute(e, map);
  s.value = pool.substitute(s.value, map);
  if (s.condition.valid()) s.condition = pool.substitute(s.condition, map);
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

}  // namespace tenon
