// Knob attach_slide: a window slides over what a producer makes. Rows of the producer are computed when the row of the reader
// that is the first to need them comes, and no more of them are kept than one row of the reader reads: they take turns in
// scratch that the nearest cache holds. Knob attach_rows: parts of the reader's rows, each a task, whose first window is computed
// by itself.
#include <algorithm>

#include "nest.h"
#include "tenon/plan.h"

namespace tenon {

std::optional<Window> sliding_window(const Graph& graph, Region& region, const std::vector<Expr>& shared) {
  ExprPool& pool = region.pool;
  if (region.statements.size() < 2) return std::nullopt;
  Statement &reader = region.statements.back(), &producer = region.statements[region.statements.size() - 2];
  const std::vector<Expr> axes = leading_axes(graph, region, region.statements.size() - 1, reader.axes.size());
  const auto row = std::ranges::find_if(axes, [&](Expr axis) { return std::ranges::find(shared, axis) == shared.end(); });
  if (row == axes.end()) return std::nullopt;
  std::vector<Expr> loads;
  reader.each_expr([&](Expr e) { pool.collect_loads(e, loads); });
  std::optional<Window> found;
  for (Expr load : loads) {
    if (pool.buffer(load) != producer.out) continue;
    const std::vector<Expr> indices(pool.operands(load).begin(), pool.operands(load).end());
    for (size_t d = 0; d < indices.size(); ++d) {
      if (!pool.depends_on(indices[d], *row)) continue;
      const auto split = pool.affine(indices[d], *row);
      const auto step = split ? pool.as_int(split->first) : std::nullopt;
      if (!step || *step < 1 || std::ranges::find(producer.axes, producer.indices[d]) == producer.axes.end()) return std::nullopt;
      const auto [low, high] = pool.bounds(split->second);
      if (low <= -kIndexMax || high >= kIndexMax || (found && (found->dim != d || found->step != *step))) return std::nullopt;
      if (!found) found = {producer.out, d, *row, producer.indices[d], *step, low, high};
      found->low = std::min(found->low, low);
      found->high = std::max(found->high, high);
    }
  }
  return found;
}

bool is_below(ExprPool& pool, const Window& window, const Statement& s) {
  return s.out == window.buffer && s.reduce_axes.empty() && pool.provably_nonnegative(pool.sub(s.indices[window.dim], pool.var(window.made).extent));
}

namespace {

// Rows that the reader's first row needs beside those that each row adds.
int64_t rows_before(const Window& window) { return std::max<int64_t>(0, window.high + 1 - window.step); }

}  // namespace

void take_turns(ExprPool& pool, const Window& window, const std::vector<Expr>& dims, BufferPlace& place) {
  int64_t before = 0, after = 0;
  if (auto halo = std::ranges::find(place.layout.halos, static_cast<int>(window.dim), &Halo::dim); halo != place.layout.halos.end()) {
    before = halo->before;
    after = halo->after;
  }
  // From the first row that one of the reader needs to the last that is there by then, and the zeros below.
  int64_t rows = std::max(window.high, rows_before(window) + window.step - 1) - window.low + 1 + after;
  if (window.step % rows == 0) ++rows;  // where a row lies says which it is: tiles do not take several as the same
  if (auto extent = pool.as_int(dims[window.dim]); extent && *extent + before + after <= rows) return;
  std::erase_if(place.layout.halos, [&](const Halo& h) { return h.dim == static_cast<int>(window.dim); });
  if (place.extents.empty()) place.extents = dims;
  place.extents[window.dim] = pool.index(rows);
  place.turns = {static_cast<int>(window.dim), before, rows};
}

void beside_kept_rows(ExprPool& pool, const Window& window, const BufferPlace& place, std::vector<Statement>& body) {
  const int64_t rows = place.turns.rows;
  for (size_t i = 0; place.turns.dim >= 0 && i + 2 < body.size(); ++i) {
    Statement& s = body[i];
    if (s.out != window.buffer) continue;
    const auto axis = std::ranges::find(s.axes, s.indices[window.dim]);
    if (axis == s.axes.end() || pool.as_int(pool.var(*axis).extent).value_or(rows) <= rows) continue;
    const Expr all = *axis, kept = pool.axis(pool.var(all).name, pool.index(rows));
    *axis = kept;
    s.substitute(pool, {{all, kept}});
  }
}

bool slide(ExprPool& pool, const Window& window, std::vector<Stmt>& nests, std::vector<Stmt> below, int64_t rows_per_part) {
  if (nests.size() < 2) return false;
  Stmt reads = std::move(nests.back());
  nests.pop_back();
  Stmt makes = std::move(nests.back());
  nests.pop_back();
  if (reads.kind != StmtKind::For || makes.kind != StmtKind::For || reads.var != window.row || makes.var != window.made) return false;
  const Expr rows = reads.extent, zero = pool.index(0), step = pool.index(window.step), before = pool.index(rows_before(window));
  const bool parted = rows_per_part > 0 && pool.as_int(rows).value_or(kIndexMax) > rows_per_part;
  // Rows that the part's first needs, beside those that each row adds.
  Stmt first{.kind = StmtKind::For, .var = makes.var, .extent = pool.min(makes.extent, before), .body = makes.body};
  Stmt parts{.kind = StmtKind::For};
  std::vector<Stmt> body;
  if (parted) {
    const Expr size = pool.index(rows_per_part);
    parts.extent = pool.ceildiv(rows, size);
    parts.var = pool.axis(pool.var(reads.var).name + "_part", parts.extent);
    const Expr at = pool.mul(parts.var, size), lowest = pool.mul(at, step);
    const Expr begin = pool.max(zero, pool.add(lowest, pool.index(window.low))), end = pool.min(makes.extent, pool.add(lowest, before));
    first.extent = pool.max(zero, pool.sub(end, begin));
    first.var = pool.axis(pool.var(makes.var).name + "_first", first.extent);
    first.body.insert(first.body.begin(), {.kind = StmtKind::Let, .var = makes.var, .value = pool.add(begin, first.var)});
    reads.extent = pool.min(size, pool.sub(rows, at));
    reads.var = pool.axis(pool.var(window.row).name + "_in_part", reads.extent);
    body.push_back({.kind = StmtKind::Let, .var = window.row, .value = pool.add(at, reads.var)});
  }
  if (!pool.is_index(first.extent, 0)) nests.push_back(std::move(first));
  const Expr next = pool.add(before, pool.mul(step, window.row));
  Stmt more{.kind = StmtKind::For, .extent = pool.min(step, pool.max(zero, pool.sub(makes.extent, next)))};
  more.var = pool.axis(pool.var(makes.var).name + "_next", more.extent);
  more.body.push_back({.kind = StmtKind::Let, .var = makes.var, .value = pool.add(next, more.var)});
  std::ranges::move(makes.body, std::back_inserter(more.body));
  body.push_back(std::move(more));
  const Expr ended = pool.sub(pool.add(next, step), makes.extent), last = pool.sub(rows, pool.index(1));
  if (!below.empty() && !pool.provably_nonnegative(pool.sub(zero, pool.substitute(ended, {{window.row, last}})))) {
    Stmt ends{.kind = StmtKind::If, .value = pool.binary(SOp::Lt, zero, ended)};
    ends.body = std::move(below);
    body.push_back(std::move(ends));
  }
  std::ranges::move(reads.body, std::back_inserter(body));
  reads.body = std::move(body);
  nests.push_back(std::move(reads));
  if (!parted) return true;
  parts.body = std::move(nests);
  nests.clear();
  nests.push_back(std::move(parts));
  return true;
}

}  // namespace tenon
