// A 3x3 convolution by Winograd's F(m,3), y = A^T [(G w G^T) . (B^T x B)] A: the operand's tiles are transformed, one product
// per point of a tile sums over channels, and what comes of it is transformed back under the epilogue. All tiles in turn, or
// blocks of rows of tiles, whose transformed operands and sums then stay in the cache. The weights are transformed while
// they are packed (winograd.h). Tiles that reach beyond the result have statements of their own, which store less, so that
// no store has a condition; what is read outside of the operand is zero.
#include <algorithm>
#include <cmath>

#include "nest.h"
#include "tenon/winograd.h"

namespace tenon {

namespace {

using Row = std::vector<Expr>;

class WinogradBuilder {
 public:
  WinogradBuilder(Region& region, const Statement& statement, const WinogradConv& conv, int64_t m, Store<BufferId, BufferPlace>& places)
      : region_(region), pool_(region.pool), s_(statement), conv_(conv), t_(winograd_transform(m)), places_(places) {}

  WinogradProducts run(int64_t block) {
    const int64_t tiles = ceildiv(conv_.height), across = ceildiv(conv_.width);
    WinogradProducts made{.product = 1};
    in_turn_ = block == 0;
    std::vector<Expr> images;
    for (Expr axis : conv_.others)
      if (in_turn_) images.push_back(extent(axis));
    block = in_turn_ ? tiles : std::min(block, tiles);
    weights_ = transformed_weights();
    auto temporary = [&](const char* name, Expr channels) {
      std::vector<Expr> dims = {pool_.index(t_.points * t_.points)};
      dims.insert(dims.end(), images.begin(), images.end());
      dims.insert(dims.end(), {pool_.index(block), pool_.index(across), channels});
      places_.push({});
      return region_.buffers.push({region_.buffers[s_.out].name + name, {}, DType::F32, std::move(dims)});
    };
    operands_ = temporary("_tiles", extent(conv_.c));
    sums_ = temporary("_sums", extent(conv_.o));
    if (in_turn_) made.body = statements(pool_.index(0), tiles);
    else add_loops(made, block);
    if (!made.loops.empty()) made.scratch = {operands_, sums_};
    return made;
  }

 private:
  int64_t ceildiv(int64_t n) const { return (n + t_.m - 1) / t_.m; }
  Expr extent(Expr axis) const { return pool_.var(axis).extent; }

  // Loops over images and blocks of rows of tiles. The last block is another one where it has fewer rows, or results
  // that end within a tile.
  void add_loops(WinogradProducts& made, int64_t block) {
    made.loops = conv_.others;
    const int64_t tiles = ceildiv(conv_.height), whole = conv_.height / (t_.m * block);
    const int64_t rest = tiles - whole * block;
    if (tiles == block) {
      made.body = statements(pool_.index(0), tiles);
      return;
    }
    const Expr count = pool_.index(whole + (rest > 0)), v = pool_.axis(pool_.var(conv_.row).name + "_tiles", count);
    made.loops.push_back(v);
    made.body = statements(pool_.mul(v, pool_.index(block)), block);
    if (rest == 0) return;
    made.full = pool_.index(whole);
    made.tail = statements(pool_.index(whole * block), rest);
  }

  // A weight's own value, in other dims: KernelParam::winograd.
  BufferId transformed_weights() {
    RegionBuffer w = region_.buffers[conv_.w];
    w.name += "_winograd";
    w.dims = {w.dims[0], w.dims[1], pool_.index(t_.points * t_.points)};
    places_.push({});
    return region_.buffers.push(std::move(w));
  }

  // --- transforms, as expressions --------------------------------------------------------------------

  Expr number(double x) { return pool_.constant(DType::F32, x); }

  // sum + factor * x. Invalid `sum`: 0.
  Expr plus(Expr sum, double factor, Expr x) {
    const Expr term = std::abs(factor) == 1 ? x : pool_.binary(SOp::Mul, number(std::abs(factor)), x);
    if (!sum.valid()) return factor < 0 ? pool_.unary(SOp::Neg, term) : term;
    return pool_.binary(factor < 0 ? SOp::Sub : SOp::Add, sum, term);
  }

  // The sum of factors[k] * x[k] over those k that `take` picks, one that needs no product first; what all factors have in
  // common is left to the caller.
  template <class Take>
  std::pair<Expr, double> combine(std::span<const double> factors, const Row& x, Take take) {
    double common = 0;
    bool alike = true;
    for (size_t k = 0; k < x.size(); ++k) {
      if (factors[k] == 0 || !take(k)) continue;
      if (common == 0) common = std::abs(factors[k]);
      alike = alike && std::abs(factors[k]) == common;
    }
    if (!alike) common = 1;
    Expr sum = {};
    auto add = [&](bool positive_units) {
      for (size_t k = 0; k < x.size(); ++k)
        if (factors[k] != 0 && take(k) && (factors[k] == common) == positive_units) sum = plus(sum, factors[k] / common, x[k]);
    };
    add(true);
    add(false);
    return {sum, common};
  }

  // matrix [rows, points] times x. Two rows, one after the other, that differ in some signs only share both parts of their sums;
  // so do neighbouring columns (the points p and -p).
  Row times(std::span<const double> matrix, int64_t rows, const Row& x) {
    const size_t n = x.size();
    auto row = [&](size_t r) { return matrix.subspan(r * n, n); };
    auto all = [](size_t) { return true; };
    Row result;
    for (size_t r = 0; r < static_cast<size_t>(rows);) {
      if (r + 1 < static_cast<size_t>(rows) && mirrored(row(r), row(r + 1))) {
        auto [even, scale] = combine(row(r), x, [&](size_t k) { return row(r)[k] == row(r + 1)[k]; });
        auto [odd, other] = combine(row(r), x, [&](size_t k) { return row(r)[k] != row(r + 1)[k]; });
        if (scale != 1) even = pool_.binary(SOp::Mul, number(scale), even);
        result.push_back(plus(even, other, odd));
        result.push_back(plus(even, -other, odd));
        r += 2;
        continue;
      }
      auto [sum, scale] = combine(row(r), x, all);
      result.push_back(scale == 1 ? sum : pool_.binary(SOp::Mul, number(scale), sum));
      ++r;
    }
    return result;
  }

  static bool mirrored(std::span<const double> a, std::span<const double> b) {
    bool equal = false, opposite = false;
    for (size_t k = 0; k < a.size(); ++k) {
      if (std::abs(a[k]) != std::abs(b[k])) return false;
      if (a[k] != 0) (a[k] == b[k] ? equal : opposite) = true;
    }
    return equal && opposite;
  }

  // A^T times x: sums and differences of the points p and -p, which lie side by side, are shared by all rows.
  Row back(const Row& x) {
    const auto n = static_cast<size_t>(t_.points);
    Row result;
    for (size_t r = 0; r < static_cast<size_t>(t_.m); ++r) {
      const auto factors = t_.output.subspan(r * n, n);
      Expr sum = factors[0] != 0 ? x[0] : Expr{};
      for (size_t k = 1; k + 2 < n; k += 2) {
        const Expr both = pool_.binary(factors[k] == factors[k + 1] ? SOp::Add : SOp::Sub, x[k], x[k + 1]);
        sum = plus(sum, factors[k], both);
      }
      if (factors[n - 1] != 0) sum = plus(sum, factors[n - 1], x[n - 1]);
      result.push_back(sum);
    }
    return result;
  }

  // --- statements -------------------------------------------------------------------------------------

  // Axes of a statement in the place of the convolution's.
  struct Axes {
    std::vector<Expr> all;
    ExprPool::Substitution map;
    std::vector<Expr> images;
    Expr row, column;  // of tiles
  };

  Expr fresh(Axes& axes, Expr of) {
    axes.all.push_back(pool_.axis(pool_.var(of).name, extent(of)));
    axes.map[of] = axes.all.back();
    return axes.all.back();
  }
  Expr tile(Axes& axes, Expr of, int64_t first, int64_t count) {
    if (count == 1) return pool_.index(first);
    axes.all.push_back(pool_.axis(pool_.var(of).name + "_tile", pool_.index(count)));
    return pool_.add(pool_.index(first), axes.all.back());
  }

  // Under loops the images are the loops' own.
  Axes axes_of(int64_t first_row, int64_t rows, int64_t first_column, int64_t columns) {
    Axes axes;
    if (in_turn_)
      for (Expr axis : conv_.others) axes.images.push_back(fresh(axes, axis));
    axes.row = tile(axes, conv_.row, first_row, rows);
    axes.column = tile(axes, conv_.column, first_column, columns);
    return axes;
  }

  std::vector<Expr> place(const Axes& axes, Expr point, Expr channel) const {
    std::vector<Expr> indices = {point};
    indices.insert(indices.end(), axes.images.begin(), axes.images.end());
    indices.insert(indices.end(), {axes.row, axes.column, channel});
    return indices;
  }

  void store(Statement& s, std::vector<Expr> indices, Expr value) {
    if (!s.value.valid()) {
      s.indices = std::move(indices);
      s.value = value;
    } else {
      s.also.push_back({std::move(indices), value});
    }
  }

  // Rows of tiles from `first` on.
  std::vector<Statement> statements(Expr first, int64_t rows) {
    const int64_t across = ceildiv(conv_.width), whole_columns = conv_.width / t_.m, rest_column = conv_.width % t_.m;
    std::vector<Statement> made = {transform(first, rows, across), product(rows, across)};
    // The block is the last one where it does not start at a variable's multiple.
    int64_t whole_rows = rows, rest_row = 0;
    if (auto known = pool_.as_int(first); known && *known + rows == ceildiv(conv_.height)) {
      rest_row = conv_.height % t_.m;
      whole_rows = rows - (rest_row > 0);
    }
    struct Part {
      int64_t first, count, results;
    };
    auto parts = [&](int64_t whole, int64_t rest) {
      std::vector<Part> list;
      if (whole > 0) list.push_back({0, whole, t_.m});
      if (rest > 0) list.push_back({whole, 1, rest});
      return list;
    };
    for (const Part& r : parts(whole_rows, rest_row))
      for (const Part& c : parts(whole_columns, rest_column))
        made.push_back(transform_back(first, axes_of(r.first, r.count, c.first, c.count), r.results, c.results));
    return made;
  }

  // [point, images, tile rows, tile columns, c] = (B^T x B)[point]
  Statement transform(Expr first, int64_t rows, int64_t columns) {
    Axes axes = axes_of(0, rows, 0, columns);
    const Expr c = fresh(axes, conv_.c);
    const Row by_column = [&] {
      Row all;
      for (int64_t j = 0; j < t_.points; ++j) {
        Row column;
        for (int64_t i = 0; i < t_.points; ++i) column.push_back(operand(axes, first, i, j));
        for (Expr e : times(t_.input, t_.points, column)) all.push_back(e);
      }
      return all;
    }();
    Statement made{.out = operands_, .axes = axes.all};
    const auto n = static_cast<size_t>(t_.points);
    for (size_t i = 0; i < n; ++i) {
      Row row;
      for (size_t j = 0; j < n; ++j) row.push_back(by_column[j * n + i]);
      const Row values = times(t_.input, t_.points, row);
      for (size_t j = 0; j < n; ++j) store(made, place(axes, pool_.index(static_cast<int64_t>(i * n + j)), c), values[j]);
    }
    return made;
  }

  Expr operand(const Axes& axes, Expr first, int64_t i, int64_t j) {
    const Expr m = pool_.index(t_.m);
    ExprPool::Substitution map = axes.map;
    map[conv_.row] = pool_.add(pool_.mul(pool_.add(first, axes.row), m), pool_.index(i));
    map[conv_.column] = pool_.add(pool_.mul(axes.column, m), pool_.index(j));
    std::vector<Expr> at;
    for (Expr index : conv_.at) at.push_back(pool_.substitute(index, map));
    Expr inside = {};
    for (size_t d = 2; d < at.size(); ++d) inside = and_inside(pool_, inside, at[d], region_.buffers[conv_.x].dims[d]);
    const Expr load = pool_.load(conv_.x, DType::F32, at);
    return inside.valid() ? pool_.select(inside, load, number(0)) : load;
  }

  // [point, images, tile rows, tile columns, o] = sum over c of what lies in the operands there and the weights.
  Statement product(int64_t rows, int64_t columns) {
    Axes axes;
    const Expr point = pool_.axis("point", pool_.index(t_.points * t_.points));
    axes.all.push_back(point);
    const Axes tiles = axes_of(0, rows, 0, columns);
    axes.all.insert(axes.all.end(), tiles.all.begin(), tiles.all.end());
    const Expr o = fresh(axes, conv_.o), c = pool_.axis(pool_.var(conv_.c).name, extent(conv_.c));
    Statement made{.out = sums_, .axes = axes.all, .indices = place(tiles, point, o), .reduce_axes = {c}};
    Accumulator sum{.var = pool_.new_var({.name = "acc", .type = DType::F32, .lo = -kIndexMax}), .init = number(0), .update = {}, .monoid = Monoid::Sum};
    const Expr x = pool_.load(operands_, DType::F32, place(tiles, point, c));
    const Expr w = pool_.load(weights_, DType::F32, std::array{o, c, point});
    sum.update = pool_.binary(SOp::Add, sum.var, pool_.binary(SOp::Mul, x, w));
    made.accumulators = {sum};
    made.value = sum.var;
    return made;
  }

  // The value as an accumulator of one step: an epilogue that chooses between expressions would else guard the loads in each.
  Expr step(Statement& s, Expr value) {
    const Expr var = pool_.new_var({.name = "y" + std::to_string(s.accumulators.size()), .type = DType::F32, .lo = -kIndexMax});
    s.accumulators.push_back({.var = var, .init = number(0), .update = value, .monoid = Monoid::Custom});
    return var;
  }

  // The epilogue over A^T sums A, for the first `rows` x `columns` results of each tile.
  Statement transform_back(Expr first, Axes axes, int64_t rows, int64_t columns) {
    const Expr o = fresh(axes, conv_.o);
    const auto n = static_cast<size_t>(t_.points);
    std::vector<Row> by_column;  // of each column of sums, A^T times it
    for (size_t j = 0; j < n; ++j) {
      Row column;
      for (size_t i = 0; i < n; ++i)
        column.push_back(pool_.load(sums_, DType::F32, place(axes, pool_.index(static_cast<int64_t>(i * n + j)), o)));
      by_column.push_back(back(column));
    }
    Statement made{.out = s_.out, .axes = axes.all};
    const Expr m = pool_.index(t_.m);
    for (int64_t i = 0; i < rows; ++i) {
      Row row;
      for (const Row& column : by_column) row.push_back(column[static_cast<size_t>(i)]);
      const Row values = back(row);
      for (int64_t j = 0; j < columns; ++j) {
        ExprPool::Substitution map = axes.map;
        map[conv_.row] = pool_.add(pool_.mul(pool_.add(first, axes.row), m), pool_.index(i));
        map[conv_.column] = pool_.add(pool_.mul(axes.column, m), pool_.index(j));
        map[s_.accumulators[0].var] = step(made, values[static_cast<size_t>(j)]);
        std::vector<Expr> indices;
        for (Expr index : s_.indices) indices.push_back(pool_.substitute(index, map));
        store(made, std::move(indices), pool_.substitute(s_.value, map));
      }
    }
    return made;
  }

  Region& region_;
  ExprPool& pool_;
  const Statement s_;
  const WinogradConv conv_;
  const WinogradTransform& t_;
  Store<BufferId, BufferPlace>& places_;
  BufferId operands_, sums_, weights_;
  bool in_turn_ = false;  // images are axes of the statements
};

}  // namespace

WinogradProducts winograd_products(Region& region, const Statement& statement, const WinogradConv& conv, int64_t m, int64_t block,
                                   Store<BufferId, BufferPlace>& places) {
  return WinogradBuilder(region, statement, conv, m, places).run(block);
}

}  // namespace tenon
