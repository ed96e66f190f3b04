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
constexpr int64_t kBands = 8;

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

// The loops just inside of the outer one, one per branch where blocks and what is left of them differ; empty: there are none, or
// their extents differ or change with the outer loop.
std::vector<Stmt*> loops_inside(const ExprPool& pool, Stmt& outer) {
  std::vector<Stmt*> found;
  auto collect = [&](auto& self, std::vector<Stmt>& body) -> bool {
    if (body.size() != 1) return false;
    Stmt& s = body[0];
    if (s.kind == StmtKind::If) return self(self, s.body) && (s.otherwise.empty() || self(self, s.otherwise));
    if (s.kind != StmtKind::For || pool.depends_on(s.extent, outer.var) || (!found.empty() && found[0]->extent != s.extent)) return false;
    found.push_back(&s);
    return true;
  };
  return collect(collect, outer.body) ? found : std::vector<Stmt*>{};
}

// The steps of a loop that are the band's. Any half or quarter of the bands has as many as another, but for one.
void narrow(ExprPool& pool, Stmt& loop, Expr band, Expr count) {
  const Expr extent = loop.extent, divisor = pool.max(count, pool.index(1)), each = pool.floordiv(extent, divisor);
  const bool even = pool.as_int(pool.mod(extent, divisor)) == 0;
  auto begin = [&](Expr k) { return even ? pool.mul(k, each) : pool.floordiv(pool.mul(k, extent), divisor); };
  const Expr first = begin(band), size = even ? each : pool.sub(begin(pool.add(band, pool.index(1))), first);
  const Expr step = pool.axis(pool.var(loop.var).name + "_in_band", size);
  loop.body.insert(loop.body.begin(), {.kind = StmtKind::Let, .var = loop.var, .value = pool.add(first, step)});
  loop.var = step;
  loop.extent = size;
}

// Bands of the loops inside, each of which goes through all of the outer one: what neighbouring bands share lies in the
// cache of one core, also for the kernels before and after.
void band(ExprPool& pool, Stmt& outer, const std::vector<Stmt*>& inside) {
  const Expr count = pool.min(pool.index(kBands), inside[0]->extent);
  Stmt bands{.kind = StmtKind::For, .extent = count};
  bands.var = pool.axis(pool.var(inside[0]->var).name + "_band", count);
  for (Stmt* loop : inside) narrow(pool, *loop, bands.var, count);
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
  if (knobs[Knob::parallel] == kInBands)
    if (const std::vector<Stmt*> inside = loops_inside(pool, outer); !inside.empty()) band(pool, outer, inside);
  outer.parallel = true;
  const bool nested = is_nested();
  if (nested && pool.as_int(outer.extent).value_or(1) < kFewTasks) join(pool, outer);
  double iteration = 0;
  for (const Stmt& s : outer.body) iteration += work(pool, s);
  if (iteration < least) strip(pool, outer, static_cast<int64_t>(least / std::max(iteration, 1.0)) + 1);
}

std::vector<Stmt> margin_tasks(ExprPool& pool, std::vector<std::vector<Stmt>> boxes, const Layout& layout, const Knobs& knobs) {
  constexpr double kLeastElements = 4096;  // a task more costs as much as writing a few hundred of them
  const bool by_channels = knobs[Knob::parallel] == 1 && knobs[Knob::order] == 0;
  const Expr count = pool.index(kBands), band = pool.axis("band", count);
  const size_t above = layout.halos[0].before > 0 ? 0 : boxes.size();
  const size_t below = layout.halos[0].after > 0 ? (above == 0 ? 1 : 0) : boxes.size();
  Stmt tasks{.kind = StmtKind::For, .var = band, .extent = count, .parallel = true};
  std::vector<Stmt> serial;
  double elements = 0;
  bool cut = knobs[Knob::parallel] != 0;
  for (size_t k = 0; k < boxes.size(); ++k) {
    for (const Stmt& s : boxes[k]) elements += work(pool, s);
    std::ranges::copy(boxes[k], std::back_inserter(serial));
    if (!by_channels && (k == above || k == below)) {
      Stmt own{.kind = StmtKind::If, .value = k == above ? pool.binary(SOp::Lt, band, pool.index(1)) : pool.binary(SOp::Le, pool.index(kBands - 1), band)};
      own.body = std::move(boxes[k]);
      tasks.body.push_back(std::move(own));
      continue;
    }
    for (Stmt& s : boxes[k]) {
      std::vector<Stmt*> loops;
      if (s.kind == StmtKind::For && by_channels) loops = loops_inside(pool, s);
      else if (s.kind == StmtKind::For) loops = {&s};
      cut &= !loops.empty();
      for (Stmt* loop : loops) narrow(pool, *loop, band, count);
      tasks.body.push_back(std::move(s));
    }
  }
  if (!cut || (elements < kLeastElements && knobs[Knob::grain] >= 0)) return serial;
  serial.clear();
  serial.push_back(std::move(tasks));
  return serial;
}

}  // namespace tenon
