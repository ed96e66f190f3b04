// Depthwise sums of bytes whose channels fill less than a vector: columns and channels, which lie one after the other, are
// one vector axis. What depends on channels alone repeats along it.
#include <algorithm>

#include "nest.h"

namespace tenon {

namespace {

class Widener {
 public:
  Widener(ExprPool& pool, Expr column, Expr channel) : pool_(pool), column_(column), channel_(channel), channels_(pool.var(channel).extent) {}

  // Nothing where some access steps otherwise.
  std::optional<Nest> run(Nest nest) {
    lane_ = pool_.axis(pool_.var(column_).name + pool_.var(channel_).name, pool_.mul(pool_.var(column_).extent, channels_));
    bool fits = true;
    auto offset = [&](Expr e) {
      if (!pool_.depends_on(e, column_)) return pool_.substitute(e, {{channel_, pool_.mod(lane_, channels_)}});
      const auto by_column = coefficient(pool_, e, column_), by_channel = coefficient(pool_, e, channel_);
      fits &= by_column && by_channel && pool_.is_index(*by_channel, 1) && *by_column == channels_;
      return pool_.substitute(e, {{column_, pool_.index(0)}, {channel_, lane_}});
    };
    auto load = [&](Expr e, std::span<const Expr> indices) { return pool_.load(pool_.buffer(e), pool_.type(e), std::array{offset(indices[0])}); };
    nest.offset = offset(nest.offset);
    auto loads = [&](Expr& e) {
      e = pool_.map_loads(e, load);
      fits &= !pool_.depends_on(e, column_) && !pool_.depends_on(e, channel_);
    };
    for (Accumulator& a : nest.accumulators) loads(a.init), loads(a.update);
    loads(nest.value);
    if (!fits || nest.condition.valid() || !nest.also.empty()) return std::nullopt;
    std::ranges::replace(nest.axes, channel_, lane_);
    std::erase(nest.axes, column_);
    return nest;
  }

  Expr lane() const { return lane_; }

 private:
  ExprPool& pool_;
  Expr column_, channel_, channels_;
  Expr lane_ = {};
};

}  // namespace

void widen_taps(ExprPool& pool, Nest& nest, TileShape& shape) {
  const auto product = shape.atom_k > 1 ? match_product(pool, nest.accumulators) : std::nullopt;
  if (!product || !pool.depends_on(product->a, shape.lane) || !pool.depends_on(product->b, shape.lane)) return;
  const auto channels = pool.as_int(pool.var(shape.lane).extent);
  if (!channels || *channels >= shape.width || shape.width % *channels != 0) return;
  for (Expr column : nest.axes) {
    const auto columns = pool.as_int(pool.var(column).extent);
    if (column == shape.lane || !columns || *columns * *channels % shape.width != 0) continue;
    Widener widener(pool, column, shape.lane);
    auto wide = widener.run(nest);
    if (!wide) continue;
    nest = std::move(*wide);
    shape.lane = widener.lane();
    shape.rows = 1;
    return;
  }
}

}  // namespace tenon
