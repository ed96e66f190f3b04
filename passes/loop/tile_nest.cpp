// Nest -> loops with tiles at the bottom. Every output axis becomes one loop: a plain one, one over row
// blocks or one over lane blocks. A block that does not divide its extent leaves a tail, which is the
// other branch of an `if` in the same loop, so that the outermost loop alone can be the tasks.
#include <algorithm>
#include <bit>
#include <cmath>

#include "nest.h"

namespace tenon {

namespace {

// Largest number of multiply-adds that unrolled reduction steps may put into one loop body. In more of them, loads
// that steps of a window share wait in registers that the accumulators leave no room for.
constexpr int64_t kMaxUnrolledOps = 128;

constexpr int64_t kTileRows = 16;  // of a matrix register

struct Loop {
  enum Kind { Plain, Row, Lane } kind = Plain;
  Expr axis;
  int64_t block = 1;
};

class Tiler {
 public:
  Tiler(ExprPool& pool, const TileShape& shape) : pool_(pool), shape_(shape) {}

  std::vector<Stmt> build(Nest nest) {
    if (shape_.panels_ahead > 0 || shape_.beyond > 0) look_ahead(nest);
    order_loops(nest);
    std::vector<Stmt> out;
    auto row = std::ranges::find(loops_, Loop::Row, &Loop::kind);
    if (row != loops_.end() && shape_.row_block > row->block) out.push_back(cache_blocks(nest, *row));
    else out.push_back(emit(0, nest, Stmt{.kind = StmtKind::Tile, .matrix = shape_.matrix, .results_ahead = shape_.results_ahead}));
    return out;
  }

 private:
  // Knob row_block: all other loops stand inside one over blocks of rows, a multiple of the register block.
  Stmt cache_blocks(const Nest& nest, const Loop& row) {
    Expr extent = pool_.var(row.axis).extent, block = pool_.index((shape_.row_block + row.block - 1) / row.block * row.block);
    Expr full = pool_.floordiv(extent, block), rest = pool_.mod(extent, block);
    Expr v = pool_.axis(pool_.var(row.axis).name + "_rows", pool_.ceildiv(extent, block));
    auto part = [&](Expr begin, Expr size) {
      Expr inner = pool_.axis(pool_.var(row.axis).name, size);
      Nest inside = nest;
      inside.substitute(pool_, {{row.axis, pool_.add(begin, inner)}});
      std::ranges::replace(inside.axes, row.axis, inner);
      TileShape shape = shape_;
      shape.row_block = 0;
      return Tiler(pool_, shape).build(std::move(inside));
    };
    Stmt choose{.kind = StmtKind::If, .value = pool_.binary(SOp::Lt, v, full)};
    choose.body = part(pool_.mul(v, block), block);
    if (pool_.is_index(rest, 0)) return make_for(v, full, std::move(choose.body[0]));
    choose.otherwise = part(pool_.mul(full, block), rest);
    return make_for(v, pool_.ceildiv(extent, block), std::move(choose));
  }

  // What loads the constant, a vector along `lane`; invalid: nothing.
  Expr panel_load(Nest& nest, Expr lane) {
    for (Expr load : nest.loads(pool_))
      if (pool_.buffer(load) == shape_.panel && pool_.depends_on(load, lane)) return load;
    return {};
  }

  // Where the panel begins that is read ahead.
  void look_ahead(Nest& nest) {
    const Expr load = panel_load(nest, shape_.lane);
    if (!load.valid()) return;
    ExprPool::Substitution next = {{shape_.lane, pool_.add(shape_.lane, pool_.index(shape_.panels_ahead * shape_.lanes))}};
    for (Expr axis : nest.reduce_axes) next[axis] = pool_.index(0);
    nest.ahead = {.panel = pool_.substitute(pool_.operands(load)[0], next), .lanes = pool_.var(shape_.lane).extent, .element_bits = bits(pool_.type(load))};
  }

  // Counts the blocks of rows that one panel serves, by the loops around them.
  void count_block(Nest& nest, Expr index, Expr count) {
    ReadAhead& ahead = nest.ahead;
    if (!ahead.block.valid()) return;
    ahead.block = pool_.add(pool_.mul(ahead.block, count), index);
    ahead.blocks = pool_.mul(ahead.blocks, count);
  }

  // Row blocks come from the innermost axes along which some vector operand is the same, so that it is
  // loaded once for all rows; any axis will do where there is no such reuse to be had.
  bool shares_vector_operand(Nest& nest, Expr axis) {
    for (Expr load : nest.loads(pool_))
      if (pool_.depends_on(load, shape_.lane) && !pool_.depends_on(load, axis)) return true;
    return false;
  }

  void order_loops(Nest& nest) {
    std::vector<Expr> outer;
    for (Expr axis : nest.axes)
      if (shape_.lanes_reduce || axis != shape_.lane) outer.push_back(axis);
    sort_by_stride(pool_, outer, nest.offset);

    std::vector<Loop> rows, plain;
    int64_t left = shape_.rows;
    bool reuse = shape_.lane.valid() &&
                 std::ranges::any_of(outer, [&](Expr a) { return shares_vector_operand(nest, a); });
    for (size_t i = outer.size(); i-- > 0;) {
      auto extent = pool_.as_int(pool_.var(outer[i]).extent);
      if (left > 1 && (!reuse || shares_vector_operand(nest, outer[i]))) {
        int64_t block = extent ? std::clamp<int64_t>(*extent, 1, left) : left;
        rows.insert(rows.begin(), {Loop::Row, outer[i], block});
        left = extent && *extent <= left ? left / block : 1;
        if (shape_.matrix && rows.size() == 1) {  // whole tiles: so many as there may be, each of one axis' rows
          const int64_t tiles = (shape_.rows + kTileRows - 1) / kTileRows, taken = (block + kTileRows - 1) / kTileRows;
          left = std::min(left, tiles / taken);
        }
      } else {
        plain.insert(plain.begin(), {Loop::Plain, outer[i], 1});
      }
    }
    // Loops that the vector operand varies with stay outside the lane loop; the others reuse its panel.
    bool lane_loop = shape_.lane.valid() && !shape_.lanes_reduce;
    Loop lane{Loop::Lane, shape_.lane, shape_.lanes};
    if (lane_loop && nest.reduces() && shape_.order == 0) {
      auto split = std::ranges::stable_partition(
          plain, [&](const Loop& l) { return !shares_vector_operand(nest, l.axis); });
      loops_.assign(plain.begin(), split.begin());
      loops_.push_back(lane);
      loops_.insert(loops_.end(), split.begin(), plain.end());
      loops_.insert(loops_.end(), rows.begin(), rows.end());
    } else {
      loops_ = plain;
      loops_.insert(loops_.end(), rows.begin(), rows.end());
      if (lane_loop) loops_.push_back(lane);
    }
  }

  Stmt emit(size_t depth, Nest nest, Stmt tile) {
    if (depth == loops_.size()) return finish(std::move(nest), std::move(tile));
    const Loop& loop = loops_[depth];
    Expr extent = pool_.var(loop.axis).extent;
    bool empty = pool_.is_index(extent, 0);  // a loop that never runs has no blocks
    if (loop.kind == Loop::Plain || empty) {
      count_block(nest, loop.axis, extent);
      return make_for(loop.axis, extent, emit(depth + 1, nest, tile));
    }
    if (loop.kind == Loop::Lane && !pool_.as_int(extent)) return symbolic_lanes(depth, loop, nest, tile);

    Expr block = pool_.index(loop.block);
    Expr full = pool_.floordiv(extent, block), rest = pool_.mod(extent, block);
    auto full_count = pool_.as_int(full), rest_count = pool_.as_int(rest);
    if (full_count == 1 && rest_count == 0) return blocked(depth, loop, pool_.index(0), loop.block, nest, tile);
    if (full_count == 0 && rest_count) return blocked(depth, loop, pool_.index(0), *rest_count, nest, tile);
    if (loop.kind == Loop::Row && reads_guarded(pool_, nest))
      if (const auto inside = inside_padding(pool_, nest, loop.axis)) return bordered_rows(depth, loop, *inside, nest, tile);
    if (!rest_count) return symbolic_rows(depth, loop, nest, tile);
    Expr tails = pool_.index(*rest_count > 0);
    Expr v = pool_.axis(pool_.var(loop.axis).name + "_block", pool_.add(full, tails));
    Expr begin = pool_.mul(v, block);
    Stmt body = blocked(depth, loop, begin, loop.block, nest, tile);
    if (rest_count == 0) return make_for(v, full, std::move(body));
    Stmt choose{.kind = StmtKind::If, .value = pool_.binary(SOp::Lt, v, full)};
    choose.body.push_back(std::move(body));
    choose.otherwise.push_back(blocked(depth, loop, begin, *rest_count, nest, tile));
    return make_for(v, pool_.add(full, tails), std::move(choose));
  }

  // Blocks beside the border of what is read, whose loads have conditions, are apart from those within.
  Stmt bordered_rows(size_t depth, const Loop& loop, std::pair<int64_t, int64_t> inside, const Nest& nest, const Stmt& tile) {
    const int64_t extent = *pool_.as_int(pool_.var(loop.axis).extent), full = extent / loop.block, rest = extent % loop.block;
    const int64_t blocks = full + (rest > 0), begin = (inside.first + loop.block - 1) / loop.block, end = std::max(begin, inside.second / loop.block);
    const Expr v = pool_.axis(pool_.var(loop.axis).name + "_block", pool_.index(blocks));
    // Blocks [first, last), under a name whose range they are.
    auto range = [&](int64_t first, int64_t last, std::string_view name) {
      std::vector<Stmt> body;
      const Expr all = pool_.sub(v, pool_.index(first));
      Expr at = last - first == 1 ? pool_.index(0) : v;
      if (last - first > 1 && last - first < blocks) {
        at = pool_.axis(pool_.var(loop.axis).name + std::string(name), pool_.index(last - first));
        body.push_back({.kind = StmtKind::Let, .var = at, .value = all});
      }
      const Expr position = pool_.mul(pool_.add(pool_.index(first), at), pool_.index(loop.block));
      body.push_back(blocked(depth, loop, position, first < full ? loop.block : rest, nest, tile));
      return body;
    };
    auto either = [&](Expr condition, std::vector<Stmt> yes, std::vector<Stmt> no) {
      Stmt choose{.kind = StmtKind::If, .value = condition};
      choose.body = std::move(yes);
      choose.otherwise = std::move(no);
      std::vector<Stmt> one;
      one.push_back(std::move(choose));
      return one;
    };
    std::vector<Stmt> body;
    if (rest > 0) body = range(full, blocks, "");
    if (end - begin < full) {
      std::vector<Stmt> border = range(0, full, "_full");
      body = rest > 0 ? either(pool_.binary(SOp::Lt, v, pool_.index(full)), std::move(border), std::move(body)) : std::move(border);
    }
    if (end > begin) {
      const Expr within = pool_.all_of(pool_.binary(SOp::Le, pool_.index(begin), v), pool_.binary(SOp::Lt, v, pool_.index(end)));
      std::vector<Stmt> inner = range(begin, end, "_inside");
      body = body.empty() ? std::move(inner) : either(within, std::move(inner), std::move(body));
    }
    Stmt all{.kind = StmtKind::For, .var = v, .extent = pool_.index(blocks)};
    all.body = std::move(body);
    return all;
  }

  // A tail whose size only the run knows is taken in powers of two: block 14 leaves 8, 4, 2 and 1 rows.
  Stmt symbolic_rows(size_t depth, const Loop& loop, const Nest& nest, const Stmt& tile) {
    Expr extent = pool_.var(loop.axis).extent, block = pool_.index(loop.block);
    Expr full = pool_.floordiv(extent, block), rest = pool_.mod(extent, block);
    if (loop.block == 1) return make_for(loop.axis, extent, emit(depth + 1, nest, tile));
    Expr v = pool_.axis(pool_.var(loop.axis).name + "_block", pool_.ceildiv(extent, block));
    Stmt choose{.kind = StmtKind::If, .value = pool_.binary(SOp::Lt, v, full)};
    choose.body.push_back(blocked(depth, loop, pool_.mul(v, block), loop.block, nest, tile));
    for (auto part = static_cast<int64_t>(std::bit_floor(static_cast<uint64_t>(loop.block - 1))); part > 0; part /= 2) {
      Expr bit = pool_.mod(pool_.floordiv(rest, pool_.index(part)), pool_.index(2)), wider = pool_.index(2 * part);
      Expr begin = pool_.add(pool_.mul(full, block), pool_.mul(pool_.floordiv(rest, wider), wider));
      Stmt taken{.kind = StmtKind::If, .value = pool_.binary(SOp::Eq, bit, pool_.index(1))};
      taken.body.push_back(blocked(depth, loop, begin, part, nest, tile));
      choose.otherwise.push_back(std::move(taken));
    }
    return make_for(v, pool_.ceildiv(extent, block), std::move(choose));
  }

  // axis = begin + inner, inner < block.
  Stmt blocked(size_t depth, const Loop& loop, Expr begin, int64_t block, Nest nest, Stmt tile) {
    Expr inner = pool_.index(0);
    if (block > 1 || loop.kind == Loop::Lane) {
      inner = pool_.axis(pool_.var(loop.axis).name + (loop.kind == Loop::Lane ? "_lane" : "_row"), pool_.index(block));
      if (loop.kind == Loop::Lane) tile.lanes = {inner, block};
      else tile.rows.push_back({inner, block});
    }
    if (loop.kind == Loop::Lane) nest.ahead.block = pool_.index(0), nest.ahead.blocks = pool_.index(1);
    if (loop.kind == Loop::Row) count_block(nest, pool_.floordiv(begin, pool_.index(loop.block)), pool_.ceildiv(pool_.var(loop.axis).extent, pool_.index(loop.block)));
    nest.substitute(pool_, {{loop.axis, pool_.add(begin, inner)}});
    return emit(depth + 1, std::move(nest), std::move(tile));
  }

  Stmt symbolic_lanes(size_t depth, const Loop& loop, Nest nest, Stmt tile) {
    Expr extent = pool_.var(loop.axis).extent, block = pool_.index(loop.block);
    Expr v = pool_.axis(pool_.var(loop.axis).name + "_block", pool_.ceildiv(extent, block));
    Expr begin = pool_.mul(v, block);
    tile.lane_limit = pool_.sub(extent, begin);
    return make_for(v, pool_.ceildiv(extent, block), blocked(depth, loop, begin, loop.block, std::move(nest), std::move(tile)));
  }

  Stmt make_for(Expr var, Expr extent, Stmt body) {
    Stmt loop{.kind = StmtKind::For, .var = var, .extent = extent};
    loop.body.push_back(std::move(body));
    return loop;
  }

  Stmt finish(Nest nest, Stmt tile) {
    int64_t ops = std::max<int64_t>(1, tile.lanes.extent / 16);
    for (const TileAxis& row : tile.rows) ops *= row.extent;
    for (Expr axis : nest.reduce_axes) {
      Expr extent = pool_.var(axis).extent;
      if (shape_.lanes_reduce && axis == shape_.lane) {
        tile.lanes = {axis, shape_.lanes};
        tile.lane_limit = extent;
        tile.lanes_reduce = true;
      } else if (shape_.atom_k > 1 && axis == nest.reduce_axes.back()) {
        if (pool_.is_index(extent, shape_.atom_k)) {
          tile.reduce.push_back({axis, extent, ReduceKind::Atom});
          continue;
        }
        Expr k = pool_.index(shape_.atom_k);
        Expr step = pool_.axis(pool_.var(axis).name, pool_.floordiv(extent, k));
        Expr inner = pool_.axis(pool_.var(axis).name + "_atom", k);
        nest.substitute(pool_, {{axis, pool_.add(pool_.mul(step, k), inner)}});
        tile.reduce.push_back({step, pool_.var(step).extent});
        tile.reduce.push_back({inner, k, ReduceKind::Atom});
      } else {
        tile.reduce.push_back({axis, extent});
      }
    }
    tile.accumulators = nest.accumulators;
    put_taps_inside(nest, tile);
    part_sums(tile);
    // Short innermost reductions are unrolled.
    for (size_t i = tile.reduce.size(); i-- > 0;) {
      TileReduce& r = tile.reduce[i];
      if (r.kind == ReduceKind::Atom) continue;
      if (r.partial > 0) break;
      auto extent = pool_.as_int(r.extent);
      if (!extent || tile.lanes_reduce || ops * *extent > kMaxUnrolledOps || keeps_shared_taps(nest, tile, r.var) || shortens(nest, tile, r.var)) break;
      ops *= *extent;
      r.kind = ReduceKind::Unroll;
    }
    auto inner = std::ranges::find(tile.reduce.rbegin(), tile.reduce.rend(), ReduceKind::Loop, &TileReduce::kind);
    if (inner != tile.reduce.rend()) {
      inner->unroll = shape_.unroll;
      if (inner->partial > 0) inner->partial = std::max(inner->partial / shape_.unroll, int64_t{1}) * shape_.unroll;
    }
    skip_padding(pool_, nest, tile);
    read_ahead(nest, tile);
    stream_panel(nest, tile);
    ask_for_next_line(pool_, shape_, tile);
    tile.stores.push_back({nest.out, nest.offset, nest.value, nest.condition});
    for (const NestStore& more : nest.also) tile.stores.push_back({nest.out, more.offset, more.value});
    return tile;
  }

  // Long sums of floats are taken in parts, as the errors of one running sum would grow with its length. Products
  // that reuse an operand in a block of rows are summed in parts as long as costs nothing; other sums wait for memory
  // and take parts of the length that leaves the least error.
  void part_sums(Stmt& tile) {
    constexpr int64_t kLeast = 16, kTypical = 1024;  // of an extent that only the run knows
    // Operands that are rounded to bf16 err by far more than a long sum does.
    if (shape_.k_block == 0 && is_narrow_product(pool_, tile.accumulators)) return;
    auto is_sum = [&](const Accumulator& a) { return a.monoid == Monoid::Sum && is_float(pool_.type(a.var)); };
    if (tile.lanes_reduce || !std::ranges::all_of(tile.accumulators, is_sum)) return;
    if (shape_.halves) return part_halves(tile);
    int64_t total = 1;
    for (const TileReduce& r : tile.reduce) total *= pool_.as_int(r.extent).value_or(kTypical);
    const bool keeps_registers = reuses_operand(tile) && !tile.rows.empty();
    const int64_t half = std::min(shape_.part, (total + 1) / 2);
    int64_t part = keeps_registers ? (total <= shape_.part ? total : half) : static_cast<int64_t>(std::sqrt(static_cast<double>(total)));
    if (shape_.k_block > 0) part = shape_.k_block;
    else if (total <= kLeast) return;
    take_parts(tile, part);
  }

  // Gives the innermost loop that makes sums longer than `part` as many iterations as come closest; null: there is none.
  TileReduce* take_parts(Stmt& tile, int64_t part) {
    int64_t inside = 1;
    for (size_t i = tile.reduce.size(); i-- > 0;) {
      TileReduce& r = tile.reduce[i];
      const auto extent = pool_.as_int(r.extent);
      if (r.kind == ReduceKind::Loop && (!extent || inside * *extent > part)) {
        r.partial = std::max<int64_t>(1, part / inside);
        return &r;
      }
      inside *= *extent;
    }
    return nullptr;
  }

  // All of a sum of f16 is made of parts: a short one is one part.
  void part_halves(Stmt& tile) {
    TileReduce* r = take_parts(tile, shape_.k_block > 0 ? shape_.k_block : kHalfTerms);
    if (!r && tile.reduce.front().kind == ReduceKind::Loop) {
      r = &tile.reduce.front();
      r->partial = *pool_.as_int(r->extent);
    }
    if (r) r->halves = true;
  }

  // A panel that comes later is asked for while this one is used: each block of rows asks for an equal share of it, each step
  // of the reduction for the share's next elements. Behind the last panel lies what the next kernels read.
  void read_ahead(const Nest& nest, Stmt& tile) {
    if (!nest.ahead.panel.valid() || !nest.ahead.block.valid() || !tile.lanes.var.valid()) return;
    Expr step = pool_.index(0), steps = pool_.index(1);
    for (size_t i = tile.reduce.size(); i-- > 0;) {
      if (tile.reduce[i].kind == ReduceKind::Atom) continue;
      step = pool_.add(step, pool_.mul(tile.reduce[i].var, steps));
      steps = pool_.mul(steps, tile.reduce[i].extent);
    }
    const int64_t elements = shape_.lanes * shape_.atom_k;  // of a panel, per step
    Expr share = pool_.ceildiv(pool_.index(elements), nest.ahead.blocks);
    Expr begin = pool_.add(pool_.substitute(nest.ahead.panel, {{tile.lanes.var, pool_.index(0)}}), pool_.mul(nest.ahead.block, pool_.mul(share, steps)));
    const int64_t line = kLineBits / nest.ahead.element_bits, most = pool_.as_int(share).value_or(line);
    auto ask = [&](Expr from) {
      for (int64_t first = 0; first < most; first += line)
        tile.prefetch.push_back({shape_.panel, pool_.add(pool_.add(begin, from), pool_.add(pool_.mul(step, share), pool_.index(first)))});
    };
    if (shape_.panels_ahead > 0) ask(pool_.index(0));
    // So does what later kernels read, while this one has more to compute than to read.
    const Expr all = pool_.mul(steps, pool_.mul(nest.ahead.lanes, pool_.index(shape_.atom_k)));
    for (int64_t times = 1; times <= shape_.beyond; ++times)
      ask(pool_.add(pool_.mul(all, pool_.index(times)), pool_.index(shape_.beyond_from * 8 / nest.ahead.element_bits)));
  }

  // The panel's lines of some steps later: it is contiguous in the order in which the loops read it.
  void stream_panel(Nest& nest, Stmt& tile) {
    if (shape_.ahead <= 0 || !tile.lanes.var.valid()) return;
    const Expr load = panel_load(nest, tile.lanes.var);
    if (!load.valid()) return;
    const int64_t line = std::max<int64_t>(1, kLineBits / (bits(pool_.type(load)) * shape_.atom_k));
    for (int64_t lane = 0; lane < tile.lanes.extent; lane += line) {
      Expr offset = pool_.substitute(pool_.operands(load)[0], {{tile.lanes.var, pool_.index(lane)}});
      tile.prefetch.push_back({shape_.panel, pool_.add(offset, pool_.index(shape_.ahead * tile.lanes.extent * shape_.atom_k)), 1});
    }
  }

  // With one vector to a row every product of bytes loads what it multiplies by, as the instruction takes none from memory: the
  // taps that share what they load go inside.
  void put_taps_inside(Nest& nest, Stmt& tile) {
    constexpr size_t kFewest = 3;  // taps, channels, bytes of a word
    if (shape_.atom_k != kBytesPerWord || shape_.matrix || tile.reduce.size() < kFewest || tile.lanes.extent > shape_.width) return;
    const size_t channels = tile.reduce.size() - 2;
    if (!shares_taps(nest, tile, tile.reduce[channels].var) && shares_taps(nest, tile, tile.reduce[channels - 1].var))
      std::swap(tile.reduce[channels], tile.reduce[channels - 1]);
  }

  // Steps in one straight line load once what several rows read at different steps, and keep it: too much for a block of rows
  // that fills the registers.
  bool keeps_shared_taps(Nest& nest, const Stmt& tile, Expr step) {
    int64_t block = (tile.lanes.extent + shape_.width - 1) / shape_.width;
    for (const TileAxis& row : tile.rows) block *= row.extent;
    return (shape_.paired || 2 * block > shape_.registers) && shares_taps(nest, tile, step);
  }

  // Several rows read the same at different steps.
  bool shares_taps(Nest& nest, const Stmt& tile, Expr step) {
    if (!tile.lanes.var.valid()) return false;
    for (Expr load : nest.loads(pool_)) {
      const auto by_step = pool_.affine(pool_.operands(load)[0], step);
      if (!by_step || (!shape_.paired && pool_.depends_on(load, tile.lanes.var))) continue;
      for (const TileAxis& row : tile.rows) {
        const auto by_row = pool_.affine(pool_.operands(load)[0], row.var);
        const int64_t next = by_row ? pool_.as_int(by_row->first).value_or(0) : 0, apart = pool_.as_int(by_step->first).value_or(0);
        if (next != 0 && apart != 0 && next % apart == 0 && next < apart * pool_.as_int(pool_.var(step).extent).value_or(0)) return true;
      }
    }
    return false;
  }

  // All rows lie in one line of a window that is read under a condition: its loop becomes shorter instead (skip_padding).
  bool shortens(const Nest& nest, const Stmt& tile, Expr step) {
    const auto taps = std::ranges::find(nest.padded, step, &PaddedTaps::axis);
    return taps != nest.padded.end() && shape_.unroll == 1 && reads_guarded(pool_, nest) && !(tile.lanes.var.valid() && pool_.depends_on(taps->rest, tile.lanes.var)) &&
           std::ranges::none_of(tile.rows, [&](const TileAxis& row) { return pool_.depends_on(taps->rest, row.var); });
  }

  bool reuses_operand(const Stmt& tile) {
    if (shape_.paired) return true;
    auto product = match_product(pool_, tile.accumulators);
    if (!product || !tile.lanes.var.valid()) return product.has_value();
    return !pool_.depends_on(product->a, tile.lanes.var) || !pool_.depends_on(product->b, tile.lanes.var);
  }

  ExprPool& pool_;
  TileShape shape_;
  std::vector<Loop> loops_;
};

}  // namespace

std::vector<Stmt> tile_nest(ExprPool& pool, Nest nest, const TileShape& shape) {
  return Tiler(pool, shape).build(std::move(nest));
}

}  // namespace tenon
