// The margins that a layout keeps around a tensor, in boxes that do not overlap: those of a dim span the margins of the
// dims after it, and only the inside of the dims before it.
#include <algorithm>

#include "nest.h"

namespace tenon {

std::vector<Statement> margins(Region& region, BufferId buffer, const Layout& layout, double fill) {
  ExprPool& pool = region.pool;
  const RegionBuffer& b = region.buffers[buffer];
  auto box = [&](size_t halo, Expr first, int64_t extent) {
    Statement s{.out = buffer};
    for (int d = 0; d < static_cast<int>(b.dims.size()); ++d) {
      const auto own = std::ranges::find(layout.halos, d, &Halo::dim);
      const auto position = static_cast<size_t>(own - layout.halos.begin());
      Expr begin = pool.index(0), size = b.dims[static_cast<size_t>(d)];
      if (position == halo) {
        begin = first;
        size = pool.index(extent);
      } else if (own != layout.halos.end() && position > halo) {
        begin = pool.index(-own->before);
        size = pool.add(size, pool.index(own->before + own->after));
      }
      s.axes.push_back(pool.axis("m" + std::to_string(d), size));
      s.indices.push_back(pool.add(begin, s.axes.back()));
    }
    s.value = is_float(b.type) ? pool.constant(b.type, fill) : pool.constant_int(b.type, 0);
    drop_unit_axes(pool, s);
    return s;
  };
  std::vector<Statement> found;
  for (size_t h = 0; h < layout.halos.size(); ++h) {
    const Halo& halo = layout.halos[h];
    if (halo.before > 0) found.push_back(box(h, pool.index(-halo.before), halo.before));
    if (halo.after > 0) found.push_back(box(h, b.dims[static_cast<size_t>(halo.dim)], halo.after));
  }
  return found;
}

std::optional<double> padding_of(const Region& region, BufferId buffer) {
  const ExprPool& pool = region.pool;
  std::optional<double> found;
  auto differs = [&](Expr e) {
    if (pool.op(e) != SOp::Select) return false;
    const Expr load = strip_casts(pool, pool.operands(e)[1]);
    if (pool.op(load) != SOp::Load || pool.buffer(load) != buffer) return false;
    const auto fill = pool.as_double(pool.operands(e)[2]);
    if (!fill || (found && *found != *fill)) return true;
    found = fill;
    return false;
  };
  for (const Statement& s : region.statements)
    for (const Accumulator& a : s.accumulators)
      if (pool.any_part(a.update, differs)) return std::nullopt;
  return found;
}

}  // namespace tenon
