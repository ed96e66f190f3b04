// The Tile statement. Rows and vectors of lanes become instances, each with its accumulators in registers;
// one emission of the update per instance and step, everything shared falls out of the memo.
#include <bit>
#include <cmath>

#include <llvm/IR/Intrinsics.h>

#include "joined_halves.h"
#include "taps.h"
#include "tile.h"

namespace tenon::gen {

namespace {

// Lanes [offset, offset + count) of a tile; null lanes: one scalar.
struct Piece {
  int64_t offset = 0;
  const Lanes* lanes = nullptr;
};

class TileEmitter {
 public:
  TileEmitter(Emitter& emitter, const Stmt& tile) : e_(emitter), pool_(emitter.pool), code_(emitter.code), tile_(tile) {}

  void run() {
    if (!tile_.reduce.empty() && tile_.reduce.back().kind == ReduceKind::Atom && !tile_.lanes_reduce)
      if (!(dot_ = match_word_dot(pool_, tile_))) taps_ = match_taps(pool_, tile_, code_.target);
    if (!tile_.lanes.var.valid()) {
      block({Piece{}}, pool_.index(0));
      return;
    }
    widest_ = vector_width();
    if (tile_.lanes_reduce) return reduce_lanes();
    Expr extent = pool_.index(tile_.lanes.extent), limit = tile_.lane_limit;
    if (!limit.valid() || pool_.provably_nonnegative(pool_.sub(limit, extent)))
      return block(pieces(tile_.lanes.extent), pool_.index(0));
    Value* full = e_.emit(pool_.make(SOp::Ge, DType::Bool, std::array{limit, extent}));
    e_.if_else(full, [&] { block(pieces(tile_.lanes.extent), pool_.index(0)); }, [&] { partial(limit); });
  }

 private:
  // Elements per vector: what fits of the widest type that is computed with.
  unsigned vector_width() {
    int widest = 8;
    std::vector<bool> seen(pool_.size());
    auto visit = [&](auto& self, Expr x) -> void {
      if (!x.valid() || seen[static_cast<size_t>(x.index)]) return;
      seen[static_cast<size_t>(x.index)] = true;
      DType type = pool_.type(x);
      if (type == DType::Index) return;
      bool narrow = is_float(type) && bits(type) < 32;
      if (!narrow && !pool_.is_const(x) && pool_.op(x) != SOp::Load) widest = std::max(widest, bits(type));
      if (pool_.op(x) == SOp::Load) return;
      for (Expr child : pool_.operands(x)) self(self, child);
    };
    for (const Accumulator& a : tile_.accumulators) visit(visit, a.update), visit(visit, a.init);
    for (const TileStore& s : tile_.stores) {
      visit(visit, s.value);
      if (pool_.op(s.value) == SOp::Load) widest = std::max(widest, bits(pool_.type(s.value)));
    }
    fits_ = std::max(1, code_.target.vector_bytes * 8 / widest);
    return static_cast<unsigned>(std::bit_floor(static_cast<uint64_t>(std::min(fits_, tile_.lanes.extent))));
  }

  const Lanes* full_lanes(unsigned width) {
    if (width == 1) return nullptr;
    const Lanes*& lanes = full_[width];
    if (!lanes) lanes = e_.new_lanes(width, nullptr);
    return lanes;
  }

  Value* mask_below(unsigned width, Value* count) {
    std::vector<llvm::Constant*> counts;
    for (unsigned i = 0; i < width; ++i) counts.push_back(code_.b.getInt32(i));
    Value* all = code_.b.CreateVectorSplat(width, code_.b.CreateTrunc(count, code_.b.getInt32Ty()));
    return code_.b.CreateICmpULT(llvm::ConstantVector::get(counts), all);
  }

  // Whole vectors, then powers of two; or one masked vector where that saves instructions.
  std::vector<Piece> pieces(int64_t extent) {
    std::vector<Piece> result;
    int64_t at = 0;
    if (!code_.target.masked_memory || extent > fits_)
      for (; at + widest_ <= extent; at += widest_) result.push_back({at, full_lanes(widest_)});
    auto rest = static_cast<uint64_t>(extent - at);
    if (code_.target.masked_memory && std::popcount(rest) > 1) {
      auto width = static_cast<unsigned>(std::bit_ceil(rest));
      result.push_back({at, e_.new_lanes(width, mask_below(width, code_.index(static_cast<int64_t>(rest))))});
      return result;
    }
    for (; rest != 0; rest -= std::bit_floor(rest)) {
      auto width = static_cast<unsigned>(std::bit_floor(rest));
      result.push_back({at, full_lanes(width)});
      at += width;
    }
    return result;
  }

  // Fewer lanes than the tile has: vector by vector, the last one masked, or lane by lane.
  void partial(Expr limit) {
    Expr whole = pool_.index(0);
    if (tile_.lanes.extent > widest_) {
      whole = pool_.mul(pool_.floordiv(limit, pool_.index(widest_)), pool_.index(widest_));
      over_lanes(whole, widest_, pool_.index(0), [&](Expr at) { block({Piece{0, full_lanes(widest_)}}, at); });
    }
    if (!code_.target.masked_memory || widest_ == 1) {
      over_lanes(limit, 1, whole, [&](Expr at) { block({Piece{}}, at); });
      return;
    }
    Value* rest = e_.emit(pool_.sub(limit, whole));
    e_.if_else(code_.b.CreateICmpSGT(rest, code_.index(0)), [&] {
      block({Piece{0, e_.new_lanes(widest_, mask_below(widest_, rest))}}, whole);
    }, nullptr);
  }

  void over_lanes(Expr end, int64_t step, Expr begin, llvm::function_ref<void(Expr)> body) {
    Expr at = pool_.new_var({.name = "lane0"});
    e_.loop(at, begin, end, step, {}, [&](const Emitter::Values&) {
      body(at);
      return Emitter::Values{};
    });
  }

  // Instances: rows outside, pieces inside.
  void expand(const std::vector<Piece>& parts, Expr first_lane) {
    instances_.clear();
    std::vector<int64_t> row(tile_.rows.size(), 0);
    while (true) {
      for (const Piece& part : parts) {
        Instance instance{.lanes = part.lanes};
        for (size_t i = 0; i < row.size(); ++i) instance.rename[tile_.rows[i].var] = pool_.index(row[i]);
        if (tile_.lanes.var.valid()) instance.rename[tile_.lanes.var] = lane_of(part, first_lane);
        instances_.push_back(std::move(instance));
      }
      size_t i = row.size();
      while (i > 0 && ++row[i - 1] == tile_.rows[i - 1].extent) row[--i] = 0;
      if (i == 0) break;
    }
  }

  Expr lane_of(const Piece& part, Expr first_lane) {
    Expr lane = pool_.add(first_lane, pool_.index(part.offset));
    return part.lanes ? pool_.add(lane, part.lanes->var) : lane;
  }

  void block(const std::vector<Piece>& parts, Expr first_lane) {
    expand(parts, first_lane);
    for (Instance& i : instances_)
      for (const Accumulator& a : tile_.accumulators)
        i.state.push_back(e_.emit_as(pool_.substitute(a.init, i.rename), i.lanes));
    const size_t results = instances_.size();
    if (tile_.results_ahead && code_.steps == Steps::All) ask_for_results(e_, tile_, instances_);
    if (dot_) add_offsets(parts.size());
    JoinedHalves halves(e_, tile_, instances_, dot_ || taps_ ? 0 : parts.size(), fits_);
    halves.begin();
    reduce(0, {}, [&](const ExprPool::Substitution& steps) {
      if (code_.steps != Steps::Arithmetic) prefetch(steps);
      one_step([&] {
        if (taps_) return update_taps(steps, parts.size());
        for (size_t k = 0; k < instances_.size(); ++k) {
          if (dot_) update_dot(instances_[k], steps, k >= results);
          else if (halves.completes(k)) halves.update(k, steps);
          else if (!halves.waits(k)) update(instances_[k], steps, nullptr);
        }
      });
    });
    halves.end();
    if (dot_) subtract_offsets(results, parts.size());
    for (Instance& i : instances_) name_state(i);
    store_results(e_, tile_, std::span(instances_).first(results), parts.size());
  }

  // One step of the reduction, or the half of it that the code is for: without its arithmetic the sums stay as they are.
  void one_step(llvm::function_ref<void()> body) {
    const bool reduces = !tile_.reduce.empty() || tile_.lanes_reduce;
    if (code_.steps == Steps::All || !reduces) return body();
    const Emitter::Values before = take_state();
    e_.step(body);
    if (code_.steps == Steps::Loads) put_state(before);
  }

  // Once for all rows and lanes.
  void prefetch(const ExprPool::Substitution& steps) {
    ExprPool::Substitution rename = steps;
    for (const TileAxis& row : tile_.rows) rename[row.var] = pool_.index(0);
    for (const TileReduce& r : tile_.reduce)
      if (r.kind == ReduceKind::Atom && !rename.contains(r.var)) rename[r.var] = pool_.index(0);
    for (const TilePrefetch& f : tile_.prefetch) e_.prefetch(f.buffer, pool_.substitute(f.offset, rename), f.level, Access::Read);
  }

  // Gives the accumulators' present values new variables: equal expressions must have equal values.
  void name_state(Instance& i) {
    for (size_t a = 0; a < tile_.accumulators.size(); ++a) {
      Expr fresh = pool_.new_var({.name = "acc", .type = pool_.type(tile_.accumulators[a].var)});
      e_.bind(fresh, i.state[a], i.lanes);
      i.rename[tile_.accumulators[a].var] = fresh;
    }
  }

  // Loops from `depth` inwards around `innermost`, with all state in phis.
  void reduce(size_t depth, ExprPool::Substitution steps, llvm::function_ref<void(const ExprPool::Substitution&)> innermost) {
    if (depth == tile_.reduce.size()) return innermost(steps);
    const TileReduce& r = tile_.reduce[depth];
    Expr extent = pool_.substitute(r.extent, steps);
    if (r.kind == ReduceKind::Atom && (dot_ || taps_)) return innermost(steps);
    if (r.kind != ReduceKind::Loop) {
      auto count = pool_.as_int(extent);
      TENON_CHECK(count.has_value(), "the extent of an unrolled reduction is not a constant");
      for (int64_t i = 0; i < *count; ++i) {
        steps[r.var] = pool_.index(i);
        reduce(depth + 1, steps, innermost);
      }
      return;
    }
    if (r.partial > 0) return partial_sums(depth, extent, std::move(steps), innermost);
    reduce_range(depth, pool_.index(0), extent, std::move(steps), innermost);
  }

  // The loop at `depth` over [begin, end).
  void reduce_range(size_t depth, Expr begin, Expr end, ExprPool::Substitution steps,
                    llvm::function_ref<void(const ExprPool::Substitution&)> innermost) {
    const TileReduce& r = tile_.reduce[depth];
    auto run = [&](Expr from, Expr to, int64_t unroll) {
      put_state(e_.loop(r.var, from, to, unroll, take_state(), [&](const Emitter::Values& carried) {
        put_state(carried);
        for (int64_t u = 0; u < unroll; ++u) {
          steps[r.var] = pool_.add(r.var, pool_.index(u));
          reduce(depth + 1, steps, innermost);
        }
        return take_state();
      }));
    };
    int64_t unroll = std::max<int64_t>(r.unroll, 1);
    Expr whole = pool_.mul(pool_.floordiv(pool_.sub(end, begin), pool_.index(unroll)), pool_.index(unroll));
    Expr main = pool_.add(begin, whole);
    run(begin, main, unroll);
    if (main != end) run(main, end, 1);
  }

  // Each part is summed from 0 and then added to what there is. The totals are idle meanwhile, so that the
  // accumulators keep the registers.
  void partial_sums(size_t depth, Expr extent, ExprPool::Substitution steps,
                    llvm::function_ref<void(const ExprPool::Substitution&)> innermost) {
    auto part = [&](Expr begin, Expr end) {
      const bool halves = dot_ && dot_->sums_halves;
      Emitter::Values totals = take_state(), zero = totals;
      for (Value*& v : zero) v = llvm::Constant::getNullValue(halves ? half_sums_type(code_, v) : v->getType());
      put_state(zero);
      reduce_range(depth, begin, end, steps, innermost);
      Emitter::Values sums = take_state();
      if (halves)
        for (Value*& v : sums) v = emit_half_sums(code_, v);
      for (size_t i = 0; i < sums.size(); ++i)
        sums[i] = combine(tile_.accumulators[i % tile_.accumulators.size()], totals[i], sums[i]);
      put_state(sums);
    };
    Expr size = pool_.index(tile_.reduce[depth].partial);
    Expr whole = pool_.mul(pool_.floordiv(extent, size), size);
    Expr at = pool_.new_var({.name = pool_.var(tile_.reduce[depth].var).name + "_part"});
    put_state(e_.loop(at, pool_.index(0), whole, tile_.reduce[depth].partial, take_state(), [&](const Emitter::Values& carried) {
      put_state(carried);
      part(at, pool_.add(at, size));
      return take_state();
    }));
    if (whole != extent) part(whole, extent);
  }

  Emitter::Values take_state() {
    Emitter::Values all;
    for (const Instance& i : instances_) all.insert(all.end(), i.state.begin(), i.state.end());
    return all;
  }

  void put_state(const Emitter::Values& all) {
    size_t at = 0;
    for (Instance& i : instances_)
      for (Value*& v : i.state) v = all[at++];
  }

  // One step of the reduction. Lanes outside of the mask keep their state.
  void update(Instance& i, const ExprPool::Substitution& steps, Value* mask) {
    name_state(i);
    ExprPool::Substitution rename = i.rename;
    rename.insert(steps.begin(), steps.end());
    std::vector<Value*> next;
    for (const Accumulator& a : tile_.accumulators) next.push_back(e_.emit_as(pool_.substitute(a.update, rename), i.lanes));
    for (size_t a = 0; a < next.size(); ++a) i.state[a] = mask ? code_.b.CreateSelect(mask, next[a], i.state[a]) : next[a];
  }

  // Where a byte product flips the sign of `a`, one more accumulator per piece sums what that adds: it is the same
  // for all rows.
  void add_offsets(size_t pieces) {
    for (size_t k = 0; k < pieces; ++k) {
      if (!wants_flipped(code_, *dot_, width(instances_[k].state[0]))) continue;
      Instance offset = instances_[k];
      offset.state[0] = llvm::ConstantInt::get(offset.state[0]->getType(), 0);
      offset_of_[k] = instances_.size();
      instances_.push_back(std::move(offset));
    }
  }

  void subtract_offsets(size_t results, size_t pieces) {
    for (size_t k = 0; k < results; ++k)
      if (auto it = offset_of_.find(k % pieces); it != offset_of_.end())
        instances_[k].state[0] = code_.b.CreateSub(instances_[k].state[0], instances_[it->second].state[0]);
    instances_.resize(results);
    offset_of_.clear();
  }

  void update_dot(Instance& i, const ExprPool::Substitution& steps, bool offset) {
    ExprPool::Substitution rename = i.rename;
    rename.insert(steps.begin(), steps.end());
    Value* b = e_.emit_as(pool_.substitute(dot_->b, rename), i.lanes);
    WordDot dot = *dot_;
    Value* a = offset ? sign_offset(code_, width(b)) : e_.emit_as(pool_.substitute(dot.a, rename), i.lanes);
    if (wants_flipped(code_, dot, width(b))) {
      if (!offset) a = flip_sign(code_, a);
      dot.a_signed = !dot.a_signed;
    }
    i.state[0] = emit_word_dot(code_, dot, a, b, i.state[0]);
  }

  // All taps of a row of the window, for all rows: vectors of bytes that lie beside each other share their columns.
  void update_taps(const ExprPool::Substitution& steps, size_t pieces) {
    constexpr size_t kMostWords = 4;
    for (size_t first = 0, count; first < pieces; first += count) {
      const Lanes* lanes = instances_[first].lanes;
      count = 1;
      while (count < kMostWords && first + count < pieces && instances_[first + count].lanes == lanes) ++count;
      if (lanes && !lanes->mask && lanes->width >= 4) tap_words(steps, pieces, first, count);
      else tap_by_tap(steps, pieces, first, count);
    }
  }

  void tap_words(const ExprPool::Substitution& steps, size_t pieces, size_t first, size_t count) {
    const unsigned w = instances_[first].lanes->width;
    const auto rows = static_cast<int64_t>(instances_.size() / pieces);
    Expr offset = pool_.substitute(pool_.operands(taps_->columns)[0], with(steps, instances_[first].rename));
    offset = pool_.substitute(offset, {{instances_[first].lanes->var, pool_.index(0)}});
    auto* type = llvm::FixedVectorType::get(code_.b.getInt32Ty(), static_cast<unsigned>(count) * w / 4);
    auto load = [&](int64_t column) {
      Expr at = pool_.substitute(offset, {{tile_.reduce.back().var, pool_.index(column)}});
      return e_.load_as(pool_.buffer(taps_->columns), at, type);
    };
    TapWords words(code_, static_cast<unsigned>(count), (rows - 1) * taps_->stride + taps_->count, load);
    for (int64_t row = 0; row < rows; ++row) {
      const int64_t start = row * taps_->stride, odd = start % 2;
      const auto& columns = words.at(start - odd);
      for (size_t j = 0; j < count; ++j) {
        Instance& i = instances_[static_cast<size_t>(row) * pieces + first + j];
        Value* weights = e_.emit_as(pool_.substitute(taps_->weights, with(steps, i.rename)), i.lanes);
        if (odd) weights = code_.b.CreateShl(weights, llvm::ConstantInt::get(weights->getType(), 8));
        i.state[0] = emit_word_dot(code_, {.a = {}, .b = {}, .halves = false, .a_signed = false, .b_signed = true}, columns[j], weights, i.state[0]);
      }
    }
  }

  void tap_by_tap(const ExprPool::Substitution& steps, size_t pieces, size_t first, size_t count) {
    for (size_t k = first; k < instances_.size(); ++k)
      for (int64_t tap = 0; k % pieces >= first && k % pieces < first + count && tap < taps_->count; ++tap)
        update(instances_[k], with({{tile_.reduce.back().var, pool_.index(tap)}}, steps), nullptr);
  }

  static ExprPool::Substitution with(ExprPool::Substitution map, const ExprPool::Substitution& more) {
    map.insert(more.begin(), more.end());
    return map;
  }

  // The lanes are the innermost reduction: each keeps a partial result, the tail has one of its own.
  void reduce_lanes() {
    Expr extent = tile_.lane_limit.valid() ? tile_.lane_limit : pool_.index(tile_.lanes.extent);
    std::vector<Piece> parts = pieces(tile_.lanes.extent);
    bool masked = code_.target.masked_memory && widest_ > 1;
    size_t whole = parts.size();
    if (!masked) parts.push_back({});
    expand(parts, pool_.index(0));
    size_t per_row = parts.size();
    for (Instance& i : instances_)
      for (const Accumulator& a : tile_.accumulators) i.state.push_back(e_.spread(identity(a), i.lanes ? i.lanes->width : 0));

    reduce(0, {}, [&](const ExprPool::Substitution& steps) { sweep(extent, parts, whole, masked, steps); });

    for (size_t row = 0; row < instances_.size(); row += per_row) {
      Instance total{.rename = instances_[row].rename};
      for (size_t a = 0; a < tile_.accumulators.size(); ++a) {
        const Accumulator& accumulator = tile_.accumulators[a];
        Value* sum = horizontal(accumulator, std::span(instances_).subspan(row, per_row), a);
        total.state.push_back(combine(accumulator, e_.emit(pool_.substitute(accumulator.init, total.rename)), sum));
      }
      name_state(total);
      for (const TileStore& s : tile_.stores) store_result(e_, tile_, s, total);
    }
  }

  void sweep(Expr extent, const std::vector<Piece>& parts, size_t whole, bool masked, ExprPool::Substitution steps) {
    auto over = [&](Expr begin, Expr end, int64_t step, size_t first, size_t last) {
      if (begin == end) return;
      Expr at = pool_.new_var({.name = "lane0"});
      put_state(e_.loop(at, begin, end, step, take_state(), [&](const Emitter::Values& carried) {
        put_state(carried);
        one_step([&] {
          for (size_t i = 0; i < instances_.size(); ++i) {
            size_t part = i % parts.size();
            if (part < first || part >= last) continue;
            instances_[i].rename[tile_.lanes.var] = lane_of(parts[part], at);
            update(instances_[i], steps, nullptr);
          }
        });
        return take_state();
      }));
    };
    auto whole_steps = [&](int64_t step) { return pool_.mul(pool_.floordiv(extent, pool_.index(step)), pool_.index(step)); };
    Expr main = whole_steps(tile_.lanes.extent), vectors = whole_steps(widest_);
    over(pool_.index(0), main, tile_.lanes.extent, 0, whole);
    if (tile_.lanes.extent > widest_) over(main, vectors, widest_, 0, 1);
    else vectors = main;
    if (vectors == extent) return;
    if (!masked) return over(vectors, extent, 1, whole, whole + 1);
    Value* rest = e_.emit(pool_.sub(extent, vectors));
    masked_step(parts, vectors, rest, steps);
  }

  void masked_step(const std::vector<Piece>& parts, Expr at, Value* rest, const ExprPool::Substitution& steps) {
    auto& b = code_.b;
    auto *before = b.GetInsertBlock(), *some = e_.block("tail"), *done = e_.block("tail.done");
    b.CreateCondBr(b.CreateICmpSGT(rest, code_.index(0)), some, done);
    b.SetInsertPoint(some);
    Emitter::Values old = take_state();
    e_.scoped([&] {
      const Lanes* lanes = e_.new_lanes(widest_, mask_below(widest_, rest));
      one_step([&] {
        for (size_t i = 0; i < instances_.size(); i += parts.size()) {
          Instance tail = instances_[i];
          tail.lanes = lanes;
          tail.rename[tile_.lanes.var] = pool_.add(at, lanes->var);
          update(tail, steps, lanes->mask);
          instances_[i].state = tail.state;
        }
      });
    });
    Emitter::Values updated = take_state();
    auto* last = b.GetInsertBlock();
    b.CreateBr(done);
    b.SetInsertPoint(done);
    for (size_t i = 0; i < old.size(); ++i) {
      if (old[i] == updated[i]) continue;
      llvm::PHINode* phi = b.CreatePHI(old[i]->getType(), 2);
      phi->addIncoming(old[i], before);
      phi->addIncoming(updated[i], last);
      updated[i] = phi;
    }
    put_state(updated);
  }

  Value* identity(const Accumulator& a) {
    DType type = pool_.type(a.var);
    auto constant = [&](double f, int64_t i) {
      return e_.emit(is_float(type) ? pool_.constant(type, f) : pool_.constant_int(type, i));
    };
    unsigned n = static_cast<unsigned>(bits(type));
    bool s = is_signed(type);
    switch (a.monoid) {
      case Monoid::Sum: return constant(0, 0);
      case Monoid::Prod: return constant(1, 1);
      case Monoid::Max: return constant(-HUGE_VAL, s ? llvm::APInt::getSignedMinValue(n).getSExtValue() : 0);
      case Monoid::Min:
        return constant(HUGE_VAL, s ? llvm::APInt::getSignedMaxValue(n).getSExtValue()
                                    : static_cast<int64_t>(llvm::APInt::getMaxValue(n).getZExtValue()));
      case Monoid::Custom: break;
    }
    internal_error(__FILE__, __LINE__, "a reduction over lanes needs a monoid");
  }

  Value* combine(const Accumulator& a, Value* x, Value* y) {
    constexpr SOp ops[] = {SOp::Add, SOp::Mul, SOp::Max, SOp::Min};
    DType type = pool_.type(a.var);
    SOp op = ops[static_cast<size_t>(a.monoid)];
    if (type == DType::Bool) op = op == SOp::Add || op == SOp::Max ? SOp::Or : SOp::And;
    return emit_arith(code_, op, type, x, y, nullptr);
  }

  // Pieces of equal width pairwise, then halves of a vector, in one fixed order.
  Value* horizontal(const Accumulator& a, std::span<const Instance> row, size_t index) {
    std::vector<Value*> parts;
    for (const Instance& i : row) parts.push_back(i.state[index]);
    Value* total = nullptr;
    while (!parts.empty()) {
      std::vector<Value*> same, others;
      for (Value* v : parts) (width(v) == width(parts[0]) ? same : others).push_back(v);
      while (same.size() > 1) {
        std::vector<Value*> half;
        for (size_t i = 0; i + 1 < same.size(); i += 2) half.push_back(combine(a, same[i], same[i + 1]));
        if (same.size() % 2) half.push_back(same.back());
        same = std::move(half);
      }
      Value* v = same[0];
      for (unsigned w = width(v); w > 1; w /= 2) {
        std::vector<int> low, high;
        for (unsigned i = 0; i < w / 2; ++i) low.push_back(static_cast<int>(i)), high.push_back(static_cast<int>(i + w / 2));
        v = combine(a, code_.b.CreateShuffleVector(v, low), code_.b.CreateShuffleVector(v, high));
      }
      if (width(v)) v = code_.b.CreateExtractElement(v, uint64_t{0});
      total = total ? combine(a, total, v) : v;
      parts = std::move(others);
    }
    return total;
  }

  Emitter& e_;
  ExprPool& pool_;
  Code& code_;
  const Stmt& tile_;
  std::optional<WordDot> dot_;
  std::optional<Taps> taps_;
  int64_t fits_ = 1;      // elements of a vector
  unsigned widest_ = 1;   // of them in a piece that has no mask
  std::unordered_map<unsigned, const Lanes*> full_;
  std::vector<Instance> instances_;
  std::unordered_map<size_t, size_t> offset_of_;  // piece -> the instance that sums its offset
};

}  // namespace

void emit_tile(Emitter& emitter, const Stmt& tile) {
  if (tile.matrix && emit_matrix(emitter, tile)) return;
  TileEmitter(emitter, tile).run();
}

}  // namespace tenon::gen
