// What a kernel's statements name: buffers, symbols, functions.
#include <algorithm>

#include "nest.h"
#include "tenon/short_functions.h"

namespace tenon {

namespace {

// Applies f to every expression of the statement itself.
template <class F>
void each_expr(Stmt& s, F&& f) {
  for (Expr* e : {&s.extent, &s.value, &s.lane_limit})
    if (e->valid()) f(*e);
  for (TileReduce& r : s.reduce) f(r.extent);
  for (TilePrefetch& p : s.prefetch) f(p.offset);
  for (Accumulator& a : s.accumulators) {
    f(a.init);
    f(a.update);
  }
  for (TileStore& t : s.stores) {
    f(t.offset);
    f(t.value);
    if (t.condition.valid()) f(t.condition);
  }
  for (Expr& e : s.scalars) f(e);
}

// Applies f to every statement, outer ones first.
template <class F>
void each_statement(std::vector<Stmt>& body, F&& f) {
  for (Stmt& s : body) {
    f(s);
    each_statement(s.body, f);
    each_statement(s.otherwise, f);
  }
}

}  // namespace

BuffersUsed buffers_used(Kernel& kernel, const Region& region) {
  BuffersUsed used{std::vector<bool>(region.buffers.size()), std::vector<bool>(region.buffers.size())};
  auto note = [](std::vector<bool>& of, BufferId b) {  // scratch made on the way comes after the region's
    if (const auto at = static_cast<size_t>(b.index); at < of.size()) of[at] = true;
  };
  each_statement(kernel.body, [&](Stmt& s) {
    std::vector<Expr> loads;
    each_expr(s, [&](Expr e) { kernel.pool.collect_loads(e, loads); });
    for (Expr load : loads) note(used.read, kernel.pool.buffer(load));
    for (const TileStore& t : s.stores) note(used.written, t.buffer);
    for (BufferId b : s.buffers) note(region.buffers[b].is_input ? used.read : used.written, b);  // a routine writes what the region makes
  });
  return used;
}

void rename_buffers(Kernel& kernel, const std::unordered_map<int64_t, int64_t>& to) {
  auto renamed = [&](BufferId b) { return BufferId(static_cast<size_t>(to.at(b.index))); };
  ExprPool& pool = kernel.pool;
  each_statement(kernel.body, [&](Stmt& s) {
    each_expr(s, [&](Expr& e) {
      e = pool.map_loads(e, [&](Expr load, std::span<const Expr> indices) { return pool.load(renamed(pool.buffer(load)), pool.type(load), indices); });
    });
    for (TileStore& t : s.stores) t.buffer = renamed(t.buffer);
    for (TilePrefetch& p : s.prefetch) p.buffer = renamed(p.buffer);
    for (BufferId& b : s.buffers) b = renamed(b);
  });
}

void collect_symbols(Kernel& kernel) {
  const ExprPool& pool = kernel.pool;
  std::vector<Expr> vars;
  each_statement(kernel.body, [&](Stmt& s) { each_expr(s, [&](Expr e) { pool.collect_vars(e, vars); }); });
  for (const LoopBuffer& b : kernel.buffers) pool.collect_vars(b.size, vars);
  for (Expr v : vars)
    if (pool.symbol_named(pool.var(v).name) == v) kernel.symbols.push_back(v);
  std::ranges::sort(kernel.symbols, {}, [&](Expr v) { return pool.var(v).name; });
}

bool has_short_functions(Kernel& kernel) {
  bool found = false;
  each_statement(kernel.body, [&](Stmt& s) { each_expr(s, [&](Expr e) { found = found || has_short_form(kernel.pool, e); }); });
  return found;
}

}  // namespace tenon
