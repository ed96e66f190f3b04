// A nest that is no tile: plain loops with the state of the reduction in memory.
#include <algorithm>

#include "nest.h"

namespace tenon {

std::vector<Stmt> scan_nest(Kernel& kernel, Nest nest) {
  ExprPool& pool = kernel.pool;
  std::vector<Stmt> outside, inside;
  ExprPool::Substitution state;
  std::vector<BufferId> cells;
  auto store = [](BufferId b, Expr offset, Expr value, Expr condition = {}) {
    Stmt s{.kind = StmtKind::Store};
    s.stores.push_back({b, offset, value, condition});
    return s;
  };
  Expr zero = pool.index(0);
  for (const Accumulator& a : nest.accumulators) {
    DType type = pool.type(a.var);
    BufferId cell = kernel.buffers.push({pool.var(a.var).name + "_state", type, pool.index(1), Space::Scratch, true, 0});
    cells.push_back(cell);
    state[a.var] = pool.load(cell, type, std::array{zero});
    outside.push_back(store(cell, zero, a.init));
  }
  // All updates read the state before any of them is stored.
  std::vector<Expr> next;
  for (const Accumulator& a : nest.accumulators) {
    next.push_back(pool.new_var({.name = pool.var(a.var).name + "_next", .type = pool.type(a.var), .lo = -kIndexMax}));
    inside.push_back({.kind = StmtKind::Let, .var = next.back(), .value = pool.substitute(a.update, state)});
  }
  for (size_t i = 0; i < cells.size(); ++i) inside.push_back(store(cells[i], zero, next[i]));
  Expr condition = nest.condition.valid() ? pool.substitute(nest.condition, state) : nest.condition;
  inside.push_back(store(nest.out, nest.offset, pool.substitute(nest.value, state), condition));
  auto wrap = [](const std::vector<Expr>& axes, std::vector<Stmt> body, const ExprPool& p) {
    for (size_t i = axes.size(); i-- > 0;) {
      Stmt loop{.kind = StmtKind::For, .var = axes[i], .extent = p.var(axes[i]).extent};
      loop.body = std::move(body);
      body.clear();
      body.push_back(std::move(loop));
    }
    return body;
  };
  for (Stmt& s : wrap(nest.reduce_axes, std::move(inside), pool)) outside.push_back(std::move(s));
  std::vector<Expr> axes = nest.axes;
  std::erase_if(axes, [&](Expr a) { return std::ranges::find(nest.reduce_axes, a) != nest.reduce_axes.end(); });
  return wrap(axes, std::move(outside), pool);
}

}  // namespace tenon
