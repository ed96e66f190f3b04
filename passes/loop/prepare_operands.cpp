// Operands of a contraction that its tile could not read well: padding guards become a copy with margins,
// a vector operand that is strided becomes a copy with the lane axis innermost. Constants are never
// copied: they are packed at compile time (lower_region.cpp).
#include <algorithm>
#include <set>

#include "nest.h"

namespace tenon {

std::optional<std::pair<Expr, Expr>> index_range(ExprPool& pool, Expr e, const std::vector<Expr>& axes) {
  Expr low = e, high = e;
  for (Expr axis : axes) {
    const auto step = known_coefficient(pool, e, axis);
    if (!step) return std::nullopt;
    Expr last = pool.sub(pool.var(axis).extent, pool.index(1));
    low = pool.substitute(low, {{axis, *step >= 0 ? pool.index(0) : last}});
    high = pool.substitute(high, {{axis, *step >= 0 ? last : pool.index(0)}});
  }
  return std::pair{low, high};
}

std::vector<Expr> all_axes(const Statement& statement) {
  std::vector<Expr> all = statement.axes;
  all.insert(all.end(), statement.reduce_axes.begin(), statement.reduce_axes.end());
  return all;
}

bool cover(ExprPool& pool, Expr index, const std::vector<Expr>& axes, Expr& dim, Expr& shift) {
  if (pool.provably_nonnegative(index) && pool.provably_less(index, dim)) return true;
  auto range = index_range(pool, index, axes);
  if (!range) return false;
  shift = range->first;
  dim = pool.add(pool.sub(range->second, range->first), pool.index(1));
  return true;
}

Expr and_inside(ExprPool& pool, Expr condition, Expr index, Expr extent) {
  if (!pool.provably_nonnegative(index)) condition = pool.all_of(condition, pool.binary(SOp::Le, pool.index(0), index));
  if (!pool.provably_less(index, extent)) condition = pool.all_of(condition, pool.binary(SOp::Lt, index, extent));
  return condition;
}

namespace {

class Preparer {
 public:
  Preparer(Region& region, size_t statement, Store<BufferId, BufferPlace>& places)
      : region_(region), pool_(region.pool), index_(statement), first_(statement), places_(places) {}

  Statement& statement() { return region_.statements[index_]; }
  size_t inserted() const { return index_ - first_; }

  // `packed`: whether a load is copied in another order anyway, without the margins of what it reads; `stays`: whether a condition
  // is left to the tiles.
  void materialise_padding(Expr factor, const std::function<bool(Expr)>& packed, const std::function<bool(Expr)>& stays) {
    Expr select = strip_casts(pool_, factor);
    if (pool_.op(select) != SOp::Select) return;
    Expr load = strip_casts(pool_, pool_.operands(select)[1]), fill = pool_.operands(select)[2];
    Expr condition = pool_.operands(select)[0];
    if (pool_.op(load) != SOp::Load) return;
    if (!packed(load) && reads_margins(load, fill)) {
      replace(select, pool_.operands(select)[1]);
      return;
    }
    if (stays(select)) return;
    const std::vector<Expr> all = all_axes(statement());
    auto varies = [&](Expr e) { return std::ranges::any_of(all, [&](Expr a) { return pool_.depends_on(e, a); }); };
    if (varies(fill) || !varies(condition)) return;
    BufferId source = pool_.buffer(load);
    std::vector<Expr> indices(pool_.operands(load).begin(), pool_.operands(load).end());
    std::vector<Expr> dims = region_.buffers[source].dims, shift(dims.size(), pool_.index(0));
    for (size_t d = 0; d < dims.size(); ++d)
      if (!cover(pool_, indices[d], all, dims[d], shift[d])) return;
    BufferId padded = temporary(source, "_padded", dims);
    places_[padded].layout = permutation_of(places_[source].layout);

    Statement copy{.out = padded};
    Expr inside = {};
    std::vector<Expr> from;
    for (size_t d = 0; d < dims.size(); ++d) {
      copy.axes.push_back(pool_.axis("p" + std::to_string(d), dims[d]));
      from.push_back(pool_.add(copy.axes[d], shift[d]));
      inside = and_inside(pool_, inside, from[d], region_.buffers[source].dims[d]);
    }
    copy.indices = copy.axes;
    DType type = region_.buffers[source].type;
    Expr element = pool_.load(source, type, from);
    copy.value = inside.valid() ? pool_.select(inside, element, pool_.cast(fill, type)) : element;
    for (size_t d = 0; d < indices.size(); ++d) indices[d] = pool_.sub(indices[d], shift[d]);
    replace(select, pool_.cast(pool_.load(padded, type, indices), pool_.type(select)));
    insert(std::move(copy));
  }

  // What a window reads where padding is comes from margins, where there are any.
  void read_padding() {
    const std::vector<Accumulator> accumulators = statement().accumulators;
    for (const Accumulator& a : accumulators)
      for (Expr e : std::vector<Expr>(pool_.operands(a.update).begin(), pool_.operands(a.update).end())) {
        if (pool_.op(e) != SOp::Select || pool_.op(pool_.operands(e)[1]) != SOp::Load) continue;
        const Expr load = pool_.operands(e)[1];
        if (is_padding(pool_.operands(e)[0], load) && reads_margins(load, pool_.operands(e)[2])) replace(e, load);
      }
  }

  // Makes the lane axis the innermost of what the load walks, in panels of so many lanes.
  void materialise_lanes(Expr factor, Expr lane, int64_t lanes) {
    Expr load = strip_casts(pool_, factor);
    if (pool_.op(load) != SOp::Load) return;
    if (auto dim = lane_dim(load, lane)) materialise_permuted(load, *dim, lanes);
    else materialise_packed(load, lane);
  }

 private:
  // What is read outside of the tensor lies in the margins that its layout has.
  bool reads_margins(Expr load, Expr fill) {
    const BufferId source = pool_.buffer(load);
    const Layout& layout = places_[source].layout;
    if (layout.halos.empty() || pool_.as_double(fill) != places_[source].margin) return false;
    const std::vector<Expr> all = all_axes(statement());
    const std::vector<Expr> indices(pool_.operands(load).begin(), pool_.operands(load).end());
    for (size_t d = 0; d < indices.size(); ++d) {
      const auto range = index_range(pool_, indices[d], all);
      if (!range) return false;
      const auto halo = std::ranges::find(layout.halos, static_cast<int>(d), &Halo::dim);
      const int64_t before = halo == layout.halos.end() ? 0 : halo->before, after = halo == layout.halos.end() ? 0 : halo->after;
      if (!pool_.provably_nonnegative(pool_.add(range->first, pool_.index(before)))) return false;
      if (!pool_.provably_less(range->second, pool_.add(region_.buffers[source].dims[d], pool_.index(after)))) return false;
    }
    return true;
  }

  // The condition says that what is loaded lies inside of the tensor, and no more.
  bool is_padding(Expr condition, Expr load) {
    const std::vector<Expr> indices(pool_.operands(load).begin(), pool_.operands(load).end());
    Expr inside = {};
    for (size_t d = 0; d < indices.size(); ++d) inside = pool_.all_of(inside, and_inside(pool_, {}, indices[d], region_.buffers[pool_.buffer(load)].dims[d]));
    return condition == inside;
  }

  // The one dim that the load walks along the lane axis, in steps of one.
  std::optional<int> lane_dim(Expr load, Expr lane) {
    std::optional<int> found;
    const std::vector<Expr> indices(pool_.operands(load).begin(), pool_.operands(load).end());
    for (int d = 0; d < static_cast<int>(indices.size()); ++d) {
      Expr index = indices[static_cast<size_t>(d)];
      if (!pool_.depends_on(index, lane)) continue;
      auto step = coefficient(pool_, index, lane);
      if (found || !step || !pool_.is_index(*step, 1)) return std::nullopt;
      found = d;
    }
    return found;
  }

  // Panels as those of constants: what one tile reads of a step lies together, and the steps one after the other.
  Layout panels(Expr load, int dim, int64_t lanes) {
    const std::vector<Expr>& reduced = region_.statements[index_].reduce_axes;
    const auto indices = pool_.operands(load);
    const int rank = static_cast<int>(indices.size());
    const auto extent = pool_.as_int(region_.buffers[pool_.buffer(load)].dims[static_cast<size_t>(dim)]);
    const bool whole = extent && *extent <= lanes;  // one panel
    auto sums = [&](int d) {
      return !whole && std::ranges::any_of(reduced, [&](Expr r) { return pool_.depends_on(indices[static_cast<size_t>(d)], r); });
    };
    Layout layout;
    for (int d = 0; d < rank; ++d)
      if (d != dim && !sums(d)) layout.parts.push_back({d, 1, 0});
    if (!whole) layout.parts.push_back({dim, lanes, 0});
    for (int d = 0; d < rank; ++d)
      if (d != dim && sums(d)) layout.parts.push_back({d, 1, 0});
    layout.parts.push_back({dim, 1, whole ? 0 : lanes});
    return layout;
  }

  // A copy of the whole buffer with that dim innermost; a copy that is being made anyway is laid out so.
  void materialise_permuted(Expr load, int dim, int64_t lanes) {
    BufferId source = pool_.buffer(load);
    const int rank = static_cast<int>(region_.buffers[source].dims.size());
    const Layout layout = panels(load, dim, lanes);
    if (made_.contains(source)) {
      places_[source].layout = layout;
      return;
    }
    const std::vector<Expr> dims = region_.buffers[source].dims;
    BufferId copied = temporary(source, "_packed", dims);
    places_[copied].layout = layout;
    Statement copy{.out = copied};
    Expr lane = {};
    for (int d = 0; d < rank; ++d) {
      const Expr extent = dims[static_cast<size_t>(d)];
      const std::string name = "t" + std::to_string(d);
      const bool blocked = d == dim && layout.parts.back().modulo > 0;
      copy.axes.push_back(pool_.axis(name, blocked ? pool_.ceildiv(extent, pool_.index(lanes)) : extent));
      copy.indices.push_back(copy.axes.back());
      if (!blocked) continue;
      lane = pool_.axis(name + "_lane", pool_.index(lanes));
      copy.indices.back() = pool_.add(pool_.mul(copy.axes.back(), pool_.index(lanes)), lane);
    }
    if (lane.valid()) copy.axes.push_back(lane);
    copy.value = pool_.load(source, pool_.type(load), copy.indices);
    // The last panel is filled up with zeros.
    const Expr index = copy.indices[static_cast<size_t>(dim)], extent = dims[static_cast<size_t>(dim)];
    if (lane.valid() && !pool_.provably_less(index, extent))
      copy.value = pool_.select(pool_.binary(SOp::Lt, index, extent), copy.value, zero(pool_.type(load)));
    std::vector<Expr> indices(pool_.operands(load).begin(), pool_.operands(load).end());
    replace(load, pool_.load(copied, pool_.type(load), indices));
    insert(std::move(copy));
  }

  // T[axes the load varies with, lane innermost] = load.
  void materialise_packed(Expr load, Expr lane) {
    const Statement& s = region_.statements[index_];
    std::vector<Expr> axes;
    for (const auto* list : {&s.axes, &s.reduce_axes})
      for (Expr axis : *list)
        if (axis != lane && pool_.depends_on(load, axis)) axes.push_back(axis);
    axes.push_back(lane);
    std::vector<Expr> dims;
    ExprPool::Substitution fresh;
    Statement copy{};
    for (Expr axis : axes) {
      dims.push_back(pool_.var(axis).extent);
      copy.axes.push_back(pool_.axis("t" + pool_.var(axis).name, dims.back()));
      fresh[axis] = copy.axes.back();
    }
    copy.out = temporary(pool_.buffer(load), "_packed", dims);
    copy.indices = copy.axes;
    copy.value = pool_.substitute(load, fresh);
    replace(load, pool_.load(copy.out, pool_.type(load), axes));
    insert(std::move(copy));
  }

  Expr zero(DType type) { return is_float(type) ? pool_.constant(type, 0) : pool_.constant_int(type, 0); }

  BufferId temporary(BufferId of, const char* suffix, std::vector<Expr> dims) {
    const RegionBuffer& b = region_.buffers[of];
    RegionBuffer made{b.name + suffix, {}, b.type, std::move(dims), false, false};
    BufferId id = region_.buffers.push(std::move(made));
    places_.push({});
    made_.insert(id);
    return id;
  }

  static Layout permutation_of(const Layout& layout) {
    Layout plain;
    for (const LayoutPart& part : layout.parts)
      if (part.modulo == 0) plain.parts.push_back({part.dim, 1, 0});
    return plain;
  }

  void replace(Expr from, Expr to) {
    for (Accumulator& a : region_.statements[index_].accumulators) a.update = pool_.substitute(a.update, {{from, to}});
  }

  void insert(Statement copy) {
    region_.statements.insert(region_.statements.begin() + static_cast<ptrdiff_t>(index_), std::move(copy));
    ++index_;
  }

  Region& region_;
  ExprPool& pool_;
  size_t index_, first_;
  std::set<BufferId> made_;
  Store<BufferId, BufferPlace>& places_;

};

}  // namespace

namespace {

// So few rows would share a packed copy that the product is cheaper along the reduction, where the operand lies in
// long runs.
bool few_rows(ExprPool& pool, const Nest& nest, Expr load, Expr lane) {
  constexpr int64_t kFewRows = 8, kLongRun = 16;  // rows: as in cost_model/few_rows.h
  int64_t rows = 1;
  for (Expr axis : nest.axes)
    if (axis != lane && !pool.depends_on(load, axis)) rows *= pool.as_int(pool.var(axis).extent).value_or(kFewRows);
  if (nest.axes.size() == 1) return true;
  return rows < kFewRows && std::ranges::any_of(nest.reduce_axes, [&](Expr axis) {
    auto step = coefficient(pool, pool.operands(load)[0], axis);
    return step && pool.is_index(*step, 1) && pool.as_int(pool.var(axis).extent).value_or(kLongRun) >= kLongRun;
  });
}

}  // namespace

size_t prepare_operands(Region& region, size_t index, Store<BufferId, BufferPlace>& places, const Knobs& knobs, int64_t lanes,
                        const std::function<bool(BufferId)>& is_constant) {
  constexpr int64_t kAlways = 1;
  const int64_t pack_b = knobs[Knob::pack_b];
  ExprPool& pool = region.pool;
  Preparer prepare(region, index, places);
  auto product = [&] { return match_product(pool, prepare.statement().accumulators); };
  auto factor = [](const Product& p, int i) { return i == 0 ? p.a : p.b; };
  if (!product()) prepare.read_padding();
  if (!product() || prepare.statement().scan) return 0;
  // The lane axis is where the store has unit stride; a factor that varies with it must have it too.
  const Nest before = flatten(region, pool, prepare.statement(), places);
  const Expr lane = unit_stride_axis(pool, before.offset, before.axes);
  auto packed = [&](Expr load) {
    if (pack_b == kNever || !lane.valid() || is_constant(pool.buffer(load)) || !pool.depends_on(load, lane)) return false;
    const std::vector<Expr> indices(pool.operands(load).begin(), pool.operands(load).end());
    const auto step = coefficient(pool, physical_offset(pool, places[pool.buffer(load)].layout, region.buffers[pool.buffer(load)].dims, indices), lane);
    return pack_b == kAlways || !step || !pool.is_index(*step, 1);
  };
  // Of f32 that comes from elsewhere and is the same for all lanes.
  auto stays = [&](Expr select) {
    const Expr load = pool.operands(select)[1];
    return knobs[Knob::padding] == 1 && lane.valid() && !pool.depends_on(select, lane) && pool.as_double(pool.operands(select)[2]) == 0.0 &&
           pool.type(prepare.statement().accumulators[0].var) == DType::F32 && pool.type(select) == DType::F32 && pool.op(load) == SOp::Load &&
           std::ranges::find(region.statements, pool.buffer(load), &Statement::out) == region.statements.end();
  };
  for (int i = 0; i < 2; ++i)
    if (auto p = product()) prepare.materialise_padding(factor(*p, i), packed, stays);

  Nest nest = flatten(region, pool, prepare.statement(), places);
  for (int i = 0; lane.valid() && pack_b != kNever && i < 2; ++i) {
    auto flat = match_product(pool, flatten(region, pool, prepare.statement(), places).accumulators);
    auto logical = product();
    if (!flat || !logical) break;
    Expr load = strip_casts(pool, factor(*flat, i));
    if (pool.op(load) != SOp::Load || is_constant(pool.buffer(load)) || !pool.depends_on(load, lane)) continue;
    if (pack_b != kAlways && few_rows(pool, nest, load, lane)) continue;
    auto step = coefficient(pool, pool.operands(load)[0], lane);
    if (pack_b == kAlways || !step || !pool.is_index(*step, 1)) prepare.materialise_lanes(factor(*logical, i), lane, lanes);
  }
  return prepare.inserted();
}

}  // namespace tenon
