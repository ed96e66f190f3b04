// A product of two tensors of bytes that only the run knows: instructions sum four products at a time, so the operand along the
// lanes is copied with four steps of the reduction beside each other: [..., k/4, lanes, k%4], as constants are packed.
#include <algorithm>

#include "nest.h"

namespace tenon {

namespace {

bool is_byte_load(const ExprPool& pool, Expr e) { return pool.op(e) == SOp::Load && is_integer(pool.type(e)) && bits(pool.type(e)) == 8; }

int64_t extent_of(const ExprPool& pool, Expr axis) {
  constexpr int64_t kTypical = 64;
  return pool.as_int(pool.var(axis).extent).value_or(kTypical);
}

}  // namespace

size_t pack_words(Region& region, size_t index, Store<BufferId, BufferPlace>& places, const std::function<bool(BufferId)>& is_constant) {
  constexpr int64_t kFewRows = 8;  // as in cost_model/few_rows.h: they are not worth a copy
  ExprPool& pool = region.pool;
  const Statement& s = region.statements[index];
  const auto product = match_product(pool, s.accumulators);
  if (!product || s.scan || s.condition.valid() || s.reduce_axes.size() != 1 || pool.type(s.accumulators[0].var) != DType::I32) return 0;
  Expr a = strip_casts(pool, product->a), b = strip_casts(pool, product->b);
  const Nest nest = flatten(region, pool, s, places);
  const Expr lane = unit_stride_axis(pool, nest.offset, nest.axes), k = s.reduce_axes[0];
  if (!lane.valid() || !is_byte_load(pool, a) || !is_byte_load(pool, b) || pool.depends_on(a, lane) == pool.depends_on(b, lane)) return 0;
  if (pool.depends_on(a, lane)) std::swap(a, b);
  const auto steps = pool.as_int(pool.var(k).extent);
  if (is_constant(pool.buffer(a)) || is_constant(pool.buffer(b)) || !steps || *steps % kBytesPerWord != 0 || !pool.depends_on(b, k)) return 0;
  const auto indices_of_a = pool.operands(a);
  const auto step = coefficient(pool, physical_offset(pool, places[pool.buffer(a)].layout, region.buffers[pool.buffer(a)].dims, {indices_of_a.begin(), indices_of_a.end()}), k);
  if (!step || !pool.is_index(*step, 1)) return 0;
  int64_t rows = 1;
  for (Expr axis : s.axes)
    if (!pool.depends_on(b, axis)) rows *= extent_of(pool, axis);
  if (rows < kFewRows) return 0;

  const Expr four = pool.index(kBytesPerWord), words = pool.index(*steps / kBytesPerWord);
  Statement copy{};
  std::vector<Expr> dims, indices;
  ExprPool::Substitution fresh;
  auto add = [&](const std::string& name, Expr extent, Expr at) {
    dims.push_back(extent);
    copy.axes.push_back(pool.axis(name, extent));
    indices.push_back(at);
    return copy.axes.back();
  };
  for (Expr axis : s.axes)
    if (axis != lane && pool.depends_on(b, axis)) fresh[axis] = add("t" + pool.var(axis).name, pool.var(axis).extent, axis);
  const Expr word = add("tk", words, pool.floordiv(k, four));
  fresh[lane] = add("t" + pool.var(lane).name, pool.var(lane).extent, lane);
  fresh[k] = pool.add(pool.mul(word, four), add("tq", four, pool.mod(k, four)));
  copy.indices = copy.axes;
  copy.value = pool.substitute(b, fresh);
  copy.out = region.buffers.push({region.buffers[pool.buffer(b)].name + "_words", {}, pool.type(b), std::move(dims), false, false});
  places.push({});
  const Expr packed = pool.load(copy.out, pool.type(b), indices);
  Accumulator& sum = region.statements[index].accumulators[0];
  sum.update = pool.substitute(sum.update, {{b, packed}});
  region.statements.insert(region.statements.begin() + static_cast<ptrdiff_t>(index), std::move(copy));
  return 1;
}

}  // namespace tenon
