// Tasks: the outermost loop of a kernel, joined with the one inside where that gives more of them, several iterations
// per task where one is too little work.
#include <algorithm>

#include "nest.h"

namespace tenon {

namespace {

// Least work of a task, and most outer iterations that are worth joining with the loop inside.
constexpr int64_t kTaskMicroseconds = 20;
constexpr double kOpsPerMicrosecond = 1000;
constexpr int64_t kFewTasks = 64;
constexpr int64_t kInBands = 2;  // of Knob::parallel

// Element operations, roughly; unknown extents count as 64.
double work(const ExprPool& pool, const Stmt& s) {
  auto extent = [&](Expr e) { return static_cast<double>(pool.as_int(e).value_or(64)); };
  double inside = s.kind == StmtKind::Tile || s.kind == StmtKind::Store || s.kind == StmtKind::Call ? 1 : 0;
  for (const Stmt& child : s.body) inside += work(pool, child);
  if (s.kind == StmtKind::For) return inside * extent(s.extent);
  for (const TileAxis& row : s.rows) inside *= static_cast<double>(row.extent);
  if (s.kind == StmtKind::Tile) inside *= static_cast<double>(s.lanes.extent);
  for (const TileReduce& r : s.reduce) inside *= extent(r.extent);
  return inside;
}

// Bands of the loop inside, each of which goes through all of the outer one: what neighbouring bands share lies in the
// cache of one core, also for the kernels before and after.
void band(ExprPool& pool, Stmt& outer) {
  constexpr int64_t kBands = 8;
  Stmt& inner = outer.body[0];
  const Expr size = pool.ceildiv(inner.extent, pool.index(kBands));
  const Expr count = pool.ceildiv(inner.extent, pool.max(size, pool.index(1)));
  Stmt bands{.kind = StmtKind::For, .var = pool.axis(pool.var(inner.var).name + "_band", count), .extent = count};
  const Expr first = pool.mul(bands.var, size), left = pool.sub(inner.extent, first);
  Stmt inside{.kind = StmtKind::For, .extent = pool.min(size, left)};
  inside.var = pool.axis(pool.var(inner.var).name + "_in_band", inside.extent);
  inside.body.push_back({.kind = StmtKind::Let, .var = inner.var, .value = pool.add(first, inside.var)});
  for (Stmt& s : inner.body) inside.body.push_back(std::move(s));
  outer.body.clear();
  outer.body.push_back(std::move(inside));
  bands.body.push_back(std::move(outer));
  outer = std::move(bands);
}

// t: the joined loop of outer and inner.
void join(ExprPool& pool, Stmt& outer) {
  Stmt inner = std::move(outer.body[0]);
  Expr task = pool.axis("task", pool.mul(outer.extent, inner.extent));
  std::vector<Stmt> joined;
  joined.push_back({.kind = StmtKind::Let, .var = outer.var, .value = pool.floordiv(task, inner.extent)});
  joined.push_back({.kind = StmtKind::Let, .var = inner.var, .value = pool.mod(task, inner.extent)});
  for (Stmt& s : inner.body) joined.push_back(std::move(s));
  outer.var = task;
  outer.extent = pool.var(task).extent;
  outer.body = std::move(joined);
}

// Several iterations per task.
void strip(ExprPool& pool, Stmt& outer, int64_t grain) {
  Expr g = pool.index(grain);
  Expr task = pool.axis("task", pool.ceildiv(outer.extent, g));
  Expr left = pool.sub(outer.extent, pool.mul(task, g));
  Stmt inner{.kind = StmtKind::For, .extent = pool.min(g, left)};
  inner.var = pool.axis(pool.var(outer.var).name + "_in_task", inner.extent);
  inner.body.push_back({.kind = StmtKind::Let, .var = outer.var, .value = pool.add(pool.mul(task, g), inner.var)});
  for (Stmt& s : outer.body) inner.body.push_back(std::move(s));
  outer.var = task;
  outer.extent = pool.var(task).extent;
  outer.body.clear();
  outer.body.push_back(std::move(inner));
}

}  // namespace

void make_tasks(ExprPool& pool, std::vector<Stmt>& body, const Knobs& knobs) {
  if (knobs[Knob::parallel] == 0) return;
  const int64_t grain = knobs[Knob::grain];
  const double least = kOpsPerMicrosecond * static_cast<double>(grain < 0 ? 0 : grain > 0 ? grain : kTaskMicroseconds);
  if (body.size() != 1 || body[0].kind != StmtKind::For) return;
  Stmt& outer = body[0];
  if (pool.as_int(outer.extent) && work(pool, outer) < least) return;
  auto is_nested = [&] {
    return outer.body.size() == 1 && outer.body[0].kind == StmtKind::For && !pool.depends_on(outer.body[0].extent, outer.var);
  };
  if (knobs[Knob::parallel] == kInBands && is_nested()) band(pool, outer);
  outer.parallel = true;
  const bool nested = is_nested();
  if (nested && pool.as_int(outer.extent).value_or(1) < kFewTasks) join(pool, outer);
  double iteration = 0;
  for (const Stmt& s : outer.body) iteration += work(pool, s);
  if (iteration < least) strip(pool, outer, static_cast<int64_t>(least / std::max(iteration, 1.0)) + 1);
}

}  // namespace tenon
