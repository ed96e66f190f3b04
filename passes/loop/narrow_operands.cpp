// Products whose operands are rounded to bf16 or f16 (build_region) read them as such, and with Knob::parts those of f32 as three
// parts of bf16 whose sum they are, for six products that lose nothing that f32 would keep: a constant is rounded while it is packed,
// anything else in a copy before the product, in the order in which instructions want it. Pairs of the reduction's last
// axis lie beside each other: [rows..., k] and [k/2, lanes, k%2]. An odd k gets a zero at its end.
#include <algorithm>

#include "nest.h"

namespace tenon {

namespace {

constexpr int64_t kLeastInParts = 12;  // terms of a sum: for fewer, six products would round more often than one (docs/accuracy.md)

// x of cast(cast(x, to), f32).
Expr rounded_operand(const ExprPool& pool, Expr factor, DType to) {
  if (pool.op(factor) != SOp::Cast || pool.type(factor) != DType::F32) return {};
  Expr narrow = pool.operands(factor)[0];
  if (pool.op(narrow) != SOp::Cast || pool.type(narrow) != to) return {};
  Expr wide = pool.operands(narrow)[0];
  return pool.type(wide) == DType::F32 ? wide : Expr{};
}

class Narrower {
 public:
  Narrower(Region& region, size_t statement, Store<BufferId, BufferPlace>& places, const std::function<bool(BufferId)>& is_constant)
      : region_(region), pool_(region.pool), index_(statement), places_(places), is_constant_(is_constant) {}

  // `parts`: 3, or 1 for operands that are rounded.
  size_t run(int64_t pack_b, DType type, int64_t parts = 1) {
    type_ = type;
    parts_ = parts;
    auto product = match_product(pool_, statement().accumulators);
    if (!product || statement().scan || statement().condition.valid() || statement().reduce_axes.empty()) return 0;
    Expr a = operand(product->a), b = operand(product->b);
    if (!a.valid() || !b.valid()) return 0;
    const Expr lane = lane_of_one(a, b);
    if (!lane.valid()) return 0;
    if (parts_ > 1 && !pool_.as_int(pool_.var(lane).extent)) return 0;
    if (is_plain_constant(a) || (pack_b == kNever && !is_plain_constant(b))) return 0;
    Expr k = choose_k(a, b);
    if (!k.valid() || (parts_ > 1 && *pool_.as_int(pool_.var(k).extent) < kLeastInParts)) return 0;
    k = make_even(k, a, b);
    const size_t first = index_;
    const Expr left = copy(a, k, {});
    const Expr right = is_plain_constant(b) ? constant(b) : copy(b, k, lane);
    Accumulator& sum = statement().accumulators[0];
    if (parts_ == 1) sum.update = pool_.binary(SOp::Add, sum.var, product_of(left, right));
    else six_products(left, right);
    return index_ - first;
  }

  // What is still to be rounded to f16 is not, but that a constant along the lanes is stored so and read as f32.
  void widen() {
    type_ = DType::F16;
    auto product = match_product(pool_, statement().accumulators);
    if (!product) return;
    Expr a = rounded_operand(pool_, product->a, type_), b = rounded_operand(pool_, product->b, type_);
    if (!a.valid() && !b.valid()) return;
    if (!a.valid()) a = product->a;
    if (!b.valid()) b = product->b;
    if (lane_of_one(a, b).valid() && is_plain_constant(b) && pool_.type(b) == DType::F32) b = pool_.cast(constant(b), DType::F32);
    Accumulator& sum = statement().accumulators[0];
    sum.update = pool_.binary(SOp::Add, sum.var, pool_.binary(SOp::Mul, a, b));
  }

 private:
  Statement& statement() { return region_.statements[index_]; }

  // The vector axis, where one operand alone varies with it: `b` from here on. Invalid: there is none.
  Expr lane_of_one(Expr& a, Expr& b) {
    const Nest nest = flatten(region_, pool_, statement(), places_);
    const Expr lane = unit_stride_axis(pool_, nest.offset, nest.axes);
    if (!lane.valid() || pool_.depends_on(a, lane) == pool_.depends_on(b, lane)) return {};
    if (pool_.depends_on(a, lane)) std::swap(a, b);
    return lane;
  }

  Expr operand(Expr factor) {
    if (parts_ == 1) return rounded_operand(pool_, factor, type_);
    return pool_.type(factor) == DType::F32 && pool_.op(factor) != SOp::Cast ? factor : Expr{};
  }

  Expr product_of(Expr a, Expr b) { return pool_.binary(SOp::Mul, pool_.cast(a, DType::F32), pool_.cast(b, DType::F32)); }

  // The load of another part: the first index says which.
  Expr part(Expr load, int64_t i) {
    std::vector<Expr> indices(pool_.operands(load).begin(), pool_.operands(load).end());
    indices[0] = pool_.index(i);
    return pool_.load(pool_.buffer(load), pool_.type(load), indices);
  }

  // Small terms first, each next product with one operand of the last. Among the parts 0 * inf makes NaN where f32 has none:
  // then the sum of the products of whole numbers counts, which is the second accumulator.
  void six_products(Expr left, Expr right) {
    constexpr std::pair<int64_t, int64_t> kOrder[] = {{0, 2}, {0, 1}, {1, 1}, {1, 0}, {2, 0}, {0, 0}};
    Statement& s = statement();
    Accumulator& sum = s.accumulators[0];
    Accumulator whole = sum;
    whole.var = pool_.new_var({.name = pool_.var(sum.var).name + "_whole", .type = DType::F32});
    auto number = [&](Expr load) {  // small parts first: the large ones alone may overflow
      Expr total = pool_.cast(part(load, parts_ - 1), DType::F32);
      for (int64_t i = parts_ - 1; i-- > 0;) total = pool_.binary(SOp::Add, total, pool_.cast(part(load, i), DType::F32));
      return total;
    };
    whole.update = pool_.binary(SOp::Add, whole.var, pool_.binary(SOp::Mul, number(left), number(right)));
    Expr update = sum.var;
    for (auto [i, j] : kOrder) update = pool_.binary(SOp::Add, update, product_of(part(left, i), part(right, j)));
    sum.update = update;
    const Expr lost = pool_.make(SOp::IsNan, DType::Bool, std::array{sum.var});
    s.value = pool_.substitute(s.value, {{sum.var, pool_.select(lost, whole.var, sum.var)}});
    s.accumulators.push_back(whole);
  }

  // One number of the type, or a part of one of f32 (pack_rounded of layout.h).
  Expr narrowed(Expr x, int64_t part) {
    auto nearest = [&](Expr e) { return pool_.cast(pool_.cast(e, DType::BF16), DType::F32); };
    if (parts_ == 1) return pool_.cast(x, type_);
    auto is_infinite = [&](Expr e) { return pool_.make(SOp::IsInf, DType::Bool, std::array{e}); };
    const Expr bits = pool_.make(SOp::Bitcast, DType::U32, std::array{x}), high = pool_.constant_int(DType::U32, 0xFFFF0000);
    const Expr cut = pool_.make(SOp::Bitcast, DType::F32, std::array{pool_.binary(SOp::And, bits, high)});
    const Expr first = pool_.select(is_infinite(nearest(x)), cut, nearest(x));
    if (part == 0) return pool_.cast(first, DType::BF16);
    const Expr rest = pool_.select(is_infinite(x), pool_.constant(DType::F32, 0), pool_.binary(SOp::Sub, x, first));
    if (part == 1) return pool_.cast(rest, DType::BF16);
    return pool_.cast(pool_.binary(SOp::Sub, rest, nearest(rest)), DType::BF16);
  }

  bool is_plain_constant(Expr e) const { return pool_.op(e) == SOp::Load && is_constant_(pool_.buffer(e)); }

  // A constant's index along k must be k itself.
  bool walks(Expr e, Expr k) {
    if (!is_plain_constant(e)) return pool_.depends_on(e, k);
    int found = 0;
    for (Expr index : pool_.operands(e))
      if (pool_.depends_on(index, k)) found += index == k ? 1 : 2;
    return found == 1;
  }

  // The reduction's axis that becomes the innermost: the longest that both operands walk.
  Expr choose_k(Expr a, Expr b) {
    Expr best = {};
    int64_t longest = 1;
    for (Expr axis : statement().reduce_axes) {
      const auto extent = pool_.as_int(pool_.var(axis).extent);
      if (!extent || *extent <= longest || !walks(a, axis) || !walks(b, axis)) continue;
      best = axis;
      longest = *extent;
    }
    return best;
  }

  // The axis, of even extent, as the last one of the reduction. Where it is longer than it was, copies have zeros there,
  // and so have packed constants.
  Expr make_even(Expr k, Expr& a, Expr& b) {
    const int64_t extent = *pool_.as_int(pool_.var(k).extent);
    Expr even = k;
    extent_ = pool_.var(k).extent;
    if (extent % kPair != 0) {
      even = pool_.axis(pool_.var(k).name, pool_.index(extent + 1));
      a = pool_.substitute(a, {{k, even}});
      b = pool_.substitute(b, {{k, even}});
    }
    std::erase(statement().reduce_axes, k);
    statement().reduce_axes.push_back(even);
    return even;
  }

  Expr constant(Expr load) {
    const RegionBuffer& source = region_.buffers[pool_.buffer(load)];
    RegionBuffer narrow = source;
    narrow.name += '_' + std::string(spelling(type_));
    narrow.type = type_;
    if (parts_ > 1) narrow.dims.insert(narrow.dims.begin(), pool_.index(parts_));
    const BufferId id = region_.buffers.push(std::move(narrow));
    places_.push({places_[pool_.buffer(load)].layout});
    std::vector<Expr> indices(pool_.operands(load).begin(), pool_.operands(load).end());
    if (parts_ > 1) indices.insert(indices.begin(), pool_.index(0));
    return pool_.load(id, type_, indices);
  }

  // T[axes that e varies with] = e as the type, k innermost; with a lane, [..., k/2, lane, k%2].
  Expr copy(Expr e, Expr k, Expr lane) {
    const Statement& s = statement();
    std::vector<Expr> axes;
    for (const auto* list : {&s.axes, &s.reduce_axes})
      for (Expr axis : *list)
        if (axis != k && axis != lane && pool_.depends_on(e, axis)) axes.push_back(axis);
    const bool direct = pool_.op(e) == SOp::Load || pool_.op(e) == SOp::Select;
    if (!lane.valid() && direct)
      if (Expr load = copy_whole(e, k); load.valid()) return load;
    Statement made{};
    ExprPool::Substitution fresh;
    std::vector<Expr> dims, indices;
    auto add = [&](Expr axis, Expr extent) {
      dims.push_back(extent);
      made.axes.push_back(pool_.axis("t" + pool_.var(axis).name, extent));
      fresh[axis] = made.axes.back();
      indices.push_back(axis);
    };
    for (Expr axis : axes) add(axis, pool_.var(axis).extent);
    const Expr k_extent = pool_.var(k).extent;
    if (lane.valid()) {
      // Three dims: pairs, lanes, and the two of a pair.
      const Expr two = pool_.index(kPair), pairs = pool_.floordiv(k_extent, two);
      dims.insert(dims.end(), {pairs, pool_.var(lane).extent, two});
      const Expr p = pool_.axis("tp", pairs), n = pool_.axis("t" + pool_.var(lane).name, pool_.var(lane).extent), q = pool_.axis("tq", two);
      made.axes.insert(made.axes.end(), {p, n, q});
      fresh[lane] = n;
      fresh[k] = pool_.add(pool_.mul(p, two), q);
      indices.insert(indices.end(), {pool_.floordiv(k, two), lane, pool_.mod(k, two)});
    } else {
      add(k, k_extent);
    }
    made.value = padded(pool_.substitute(e, fresh), fresh[k], k_extent);
    return store(std::move(made), std::move(dims), indices, e);
  }

  // The operand's whole buffer, with margins where it is read outside: windows overlap, and a copy of what each row reads
  // would be several times as large.
  Expr copy_whole(Expr e, Expr k) {
    Expr load = e, condition = {}, fill = {};
    if (pool_.op(e) == SOp::Select) {
      condition = pool_.operands(e)[0];
      load = pool_.operands(e)[1];
      fill = pool_.operands(e)[2];
      if (pool_.as_double(fill) != 0.0) return {};
    }
    if (pool_.op(load) != SOp::Load) return {};
    const BufferId source = pool_.buffer(load);
    std::vector<Expr> indices(pool_.operands(load).begin(), pool_.operands(load).end());
    std::vector<Expr> dims = region_.buffers[source].dims, shift(dims.size(), pool_.index(0));
    const std::vector<Expr> all = all_axes(statement());
    int along = -1;
    for (size_t d = 0; d < dims.size(); ++d) {
      if (pool_.depends_on(indices[d], k)) {
        if (along >= 0 || indices[d] != k) return {};
        along = static_cast<int>(d);
        dims[d] = pool_.var(k).extent;
        continue;
      }
      if (condition.valid() && !cover(pool_, indices[d], all, dims[d], shift[d])) return {};
    }
    if (along < 0) return {};
    Statement made{};
    Expr inside = {};
    std::vector<Expr> from;
    for (size_t d = 0; d < dims.size(); ++d) {
      made.axes.push_back(pool_.axis("p" + std::to_string(d), dims[d]));
      from.push_back(pool_.add(made.axes[d], shift[d]));
      if (static_cast<int>(d) != along) inside = and_inside(pool_, inside, from[d], region_.buffers[source].dims[d]);
    }
    Expr value = pool_.load(source, DType::F32, from);
    if (inside.valid()) value = pool_.select(inside, value, fill);
    const auto a = static_cast<size_t>(along);
    made.value = padded(value, from[a], dims[a]);
    // The source's order, k last.
    Layout order;
    std::vector<LayoutPart> parts = places_[source].layout.parts;
    for (size_t d = 0; parts.empty() && d < dims.size(); ++d) order.parts.push_back({static_cast<int>(d), 1, 0});
    for (const LayoutPart& part : parts)
      if (part.modulo == 0) order.parts.push_back({part.dim, 1, 0});
    std::erase_if(order.parts, [&](const LayoutPart& part) { return part.dim == along; });
    order.parts.push_back({along, 1, 0});
    if (parts_ > 1) {
      for (LayoutPart& part : order.parts) ++part.dim;
      order.parts.insert(order.parts.begin(), {0, 1, 0});
    }
    for (size_t d = 0; d < indices.size(); ++d) indices[d] = pool_.sub(indices[d], shift[d]);
    const Expr made_load = store(std::move(made), std::move(dims), indices, load);
    places_[pool_.buffer(made_load)].layout = order;
    return made_load;
  }

  Expr padded(Expr e, Expr at, Expr extent) {
    if (extent == extent_) return e;
    return pool_.select(pool_.binary(SOp::Lt, at, extent_), e, pool_.constant(DType::F32, 0));
  }

  // `made` computes the number in f32.
  Expr store(Statement made, std::vector<Expr> dims, std::vector<Expr> indices, Expr of) {
    if (parts_ > 1) {
      dims.insert(dims.begin(), pool_.index(parts_));
      indices.insert(indices.begin(), pool_.index(0));
    }
    std::vector<Expr> loads;
    pool_.collect_loads(of, loads);
    RegionBuffer buffer{(loads.empty() ? "x" : region_.buffers[pool_.buffer(loads[0])].name) + '_' + std::string(spelling(type_)), {}, type_, std::move(dims), false, false};
    made.out = region_.buffers.push(std::move(buffer));
    places_.push({});
    const BufferId id = made.out;
    for (int64_t i = 0; i < parts_; ++i, ++index_) {
      Statement one = made;
      one.value = narrowed(made.value, i);
      one.indices = made.axes;
      if (parts_ > 1) one.indices.insert(one.indices.begin(), pool_.index(i));
      region_.statements.insert(region_.statements.begin() + static_cast<ptrdiff_t>(index_), std::move(one));
    }
    return pool_.load(id, type_, indices);
  }

  Region& region_;
  ExprPool& pool_;
  size_t index_;
  Store<BufferId, BufferPlace>& places_;
  const std::function<bool(BufferId)>& is_constant_;
  DType type_ = DType::BF16;
  int64_t parts_ = 1;
  Expr extent_ = {};  // of k, before it was made even
};

}  // namespace

size_t narrow_operands(Region& region, size_t statement, Store<BufferId, BufferPlace>& places, const Narrowing& how,
                       const std::function<bool(BufferId)>& is_constant) {
  size_t inserted = 0;
  auto narrower = [&] { return Narrower(region, statement + inserted, places, is_constant); };
  if (how.halves) inserted += narrower().run(how.pack_b, DType::F16);
  narrower().widen();
  inserted += narrower().run(how.pack_b, DType::BF16);
  if (how.parts > 1 && !is_narrow_product(region.pool, region.statements[statement + inserted].accumulators))
    inserted += narrower().run(how.pack_b, DType::BF16, how.parts);
  return inserted;
}

std::optional<Product> narrow_product(const ExprPool& pool, std::span<const Accumulator> accumulators) {
  if (accumulators.empty() || accumulators.size() > 2 || pool.type(accumulators[0].var) != DType::F32) return std::nullopt;
  auto product = match_product(pool, accumulators.last(1));
  if (!product) return std::nullopt;
  const size_t parts = accumulators.size() == 1 ? 1 : 3;
  Expr loads[2];
  for (size_t f = 0; f < 2; ++f) {
    const Expr factor = f == 0 ? product->a : product->b;
    std::vector<Expr> found;
    pool.collect_loads(factor, found);
    if (found.size() != parts || std::ranges::any_of(found, [&](Expr load) { return pool.type(load) != DType::BF16; })) return std::nullopt;
    if (parts == 1 && (pool.op(factor) != SOp::Cast || pool.operands(factor)[0] != found[0])) return std::nullopt;
    loads[f] = found[0];
  }
  return Product{loads[0], loads[1]};
}

bool is_narrow_product(const ExprPool& pool, std::span<const Accumulator> accumulators) {
  return narrow_product(pool, accumulators).has_value();
}

}  // namespace tenon
