// Sums whose channels fill less than a vector: lanes run along columns as well. What depends on channels alone repeats along
// them.
#include <algorithm>

#include "nest.h"

namespace tenon {

namespace {

constexpr int64_t kColumns = 2;  // of a pair

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

namespace {

// With channels in half of the lanes: every channel for a column and the next one, so that a pair of columns, neighbours in
// memory, is loaded once and repeated. Nothing where the left operand's columns are no neighbours.
std::optional<Nest> paired(ExprPool& pool, Nest nest, Expr column, Expr channel, Expr lane) {
  const auto product = match_product(pool, nest.accumulators);
  const Expr left = strip_casts(pool, pool.depends_on(product->a, channel) ? product->b : product->a);
  const auto step = pool.op(left) == SOp::Load ? coefficient(pool, pool.operands(left)[0], column) : std::nullopt;
  const Expr two = pool.index(kColumns), pair = pool.axis(pool.var(column).name + "_pair", pool.floordiv(pool.var(column).extent, two));
  if (!step || !pool.is_index(*step, 1)) return std::nullopt;
  nest.substitute(pool, {{column, pool.add(pool.mul(pair, two), pool.mod(lane, two))}, {channel, pool.floordiv(lane, two)}});
  std::ranges::replace(nest.axes, column, pair);
  std::ranges::replace(nest.axes, channel, lane);
  return nest;
}

}  // namespace

void pair_columns(ExprPool& pool, Nest& nest, TileShape& shape) {
  const auto product = shape.atom_k == 1 && !shape.lanes_reduce && shape.lane.valid() ? match_product(pool, nest.accumulators) : std::nullopt;
  if (!product || pool.type(nest.accumulators[0].var) != DType::F32 || shape.lanes != shape.width || nest.condition.valid() || !nest.also.empty()) return;
  if (pool.depends_on(product->a, shape.lane) == pool.depends_on(product->b, shape.lane)) return;
  if (!pool.is_index(pool.mul(pool.var(shape.lane).extent, pool.index(kColumns)), shape.width)) return;
  const auto across = coefficient(pool, nest.offset, shape.lane);
  if (!across || !pool.is_index(*across, 1)) return;
  for (Expr column : nest.axes) {
    const auto columns = pool.as_int(pool.var(column).extent);
    const auto by = coefficient(pool, nest.offset, column);
    if (column == shape.lane || !columns || *columns % kColumns != 0 || !by || *by != pool.var(shape.lane).extent) continue;
    const Expr lane = pool.axis(pool.var(column).name + pool.var(shape.lane).name, pool.index(shape.width));
    auto pairs = paired(pool, nest, column, shape.lane, lane);
    if (!pairs) continue;
    nest = std::move(*pairs);
    shape.lane = lane;
    shape.paired = true;
    return;
  }
}

}  // namespace tenon
