// The results of a tile: their lines are asked for before the sums; at the end one store for each, or one for several where bytes lie
// beside each other.
#include "tile.h"

namespace tenon::gen {

void store_result(Emitter& e, const Stmt& tile, const TileStore& s, const Instance& i) {
  ExprPool& pool = e.pool;
  Expr condition = s.condition.valid() ? pool.substitute(s.condition, i.rename) : Expr{};
  e.store(s.buffer, pool.substitute(s.offset, i.rename), pool.substitute(s.value, i.rename), condition, i.lanes);
  // Another statement of this tile may read what was written here.
  for (const TileStore& other : tile.stores) {
    std::vector<Expr> loads;
    pool.collect_loads(other.value, loads);
    if (std::ranges::any_of(loads, [&](Expr l) { return pool.buffer(l) == s.buffer; })) return e.forget_loads();
  }
}

namespace {

struct Together {
  std::vector<Expr> offsets, values;
  std::vector<const Lanes*> lanes;

  void add(ExprPool& pool, const TileStore& s, const Instance& i) {
    offsets.push_back(pool.substitute(s.offset, i.rename));
    values.push_back(pool.substitute(s.value, i.rename));
    lanes.push_back(i.lanes);
  }
  // Vectors of one width, each where the one before it ends.
  bool follow(ExprPool& pool) const {
    for (size_t k = 1; k < offsets.size(); ++k)
      if (!lanes[k] || lanes[k] != lanes[0] || pool.sub(offsets[k], offsets[k - 1]) != pool.index(lanes[0]->width)) return false;
    return true;
  }
};

// Rows that are the four bytes of a word: every piece at once. False where they are not.
bool store_words(Emitter& e, const Stmt& tile, std::span<const Instance> results, size_t pieces) {
  if (tile.rows.size() != 1 || tile.rows[0].extent != 4) return false;
  const TileStore& s = tile.stores[0];
  for (size_t piece = 0; piece < pieces; ++piece) {
    Together rows;
    for (size_t k = piece; k < results.size(); k += pieces) rows.add(e.pool, s, results[k]);
    const Lanes* lanes = rows.lanes[0];
    if (lanes && (!lanes->mask || e.code.target.masked_memory) && e.store_words(s.buffer, rows.offsets, rows.values, *lanes)) continue;
    if (piece == 0) return false;
    for (size_t k = piece; k < results.size(); k += pieces) store_result(e, tile, s, results[k]);
  }
  return true;
}

// Four or two vectors of bytes that lie one after the other, of one row or several, in one store: how many; 0 where
// they are not of that kind.
size_t store_together(Emitter& e, const TileStore& s, std::span<const Instance> results) {
  for (size_t count : {4, 2}) {
    if (count > results.size()) continue;
    Together vectors;
    for (size_t k = 0; k < count; ++k) vectors.add(e.pool, s, results[k]);
    if (vectors.follow(e.pool) && e.store_quantised(s.buffer, vectors.offsets, vectors.values, vectors.lanes)) return count;
  }
  return 0;
}

}  // namespace

void ask_for_results(Emitter& e, const Stmt& tile, std::span<const Instance> results) {
  if (tile.reduce.empty() || tile.lanes_reduce || !tile.lanes.var.valid()) return;
  struct Line {
    BufferId buffer;
    Expr offset;
    Access access;
  };
  ExprPool& pool = e.pool;
  std::vector<Line> lines;  // of every result; contiguous along the lanes
  auto add = [&](BufferId buffer, Expr offset, Access access) {
    const auto split = pool.affine(offset, tile.lanes.var);
    if (split && pool.is_index(split->first, 1)) lines.push_back({buffer, offset, access});
  };
  for (const TileStore& s : tile.stores) {
    std::vector<Expr> loads;
    pool.collect_loads(s.value, loads);
    std::erase_if(loads, [&](Expr l) { return std::ranges::none_of(tile.rows, [&](const TileAxis& row) { return pool.depends_on(l, row.var); }); });
    for (Expr l : loads) add(pool.buffer(l), pool.operands(l)[0], Access::Read);
    add(s.buffer, s.offset, Access::Write);
  }
  for (const Instance& i : results) {
    ExprPool::Substitution first;
    if (i.lanes) first[i.lanes->var] = pool.index(0);
    const auto lane = pool.as_int(pool.substitute(i.rename.at(tile.lanes.var), first));
    for (const Line& line : lines) {
      const int64_t elements = e.code.target.line_bytes / byte_size(e.type(line.buffer), 1);
      if (!lane || *lane % elements == 0) e.prefetch(line.buffer, pool.substitute(pool.substitute(line.offset, i.rename), first), 1, line.access);
    }
  }
}

void store_results(Emitter& e, const Stmt& tile, std::span<const Instance> results, size_t pieces) {
  const bool bytes = tile.stores.size() == 1 && !tile.stores[0].condition.valid() && bits(e.pool.type(tile.stores[0].value)) == 8;
  if (bytes && store_words(e, tile, results, pieces)) return;
  for (size_t k = 0; k < results.size();) {
    const size_t stored = bytes ? store_together(e, tile.stores[0], results.subspan(k)) : 0;
    if (stored == 0)
      for (const TileStore& s : tile.stores) store_result(e, tile, s, results[k]);
    k += std::max<size_t>(stored, 1);
  }
}

}  // namespace tenon::gen
