// The tile of a nest, as its knobs and the target give it: which axis the vectors run along, how many rows and lanes, and how
// many steps of the reduction one instruction takes.
#include <algorithm>

#include "nest.h"

namespace tenon {

namespace {

constexpr int64_t kLanesOfWords = 2;  // of Knob::lanes

int64_t width_of(DType type, const Knobs& knobs, const Target& target) {
  return knobs[Knob::width] ? knobs[Knob::width] : target.lanes(bits(type) < 8 ? DType::U8 : type);
}

int64_t vectors_of(const Knobs& knobs) {
  constexpr int64_t kVectors = 4;
  return knobs[Knob::vectors] ? knobs[Knob::vectors] : kVectors;
}

class ShapeChooser {
 public:
  explicit ShapeChooser(const ShapeInput& in) : in_(in) {}

  TileShape run(ExprPool& pool, Nest& nest, const Knobs& knobs, bool ordered) {
    TileShape shape{.order = static_cast<int>(knobs[Knob::order]), .row_block = knobs[Knob::row_block],
                    .k_block = knobs[Knob::k_block], .part = in_.target.terms_at_once(),
                    .unroll = std::max<int64_t>(1, knobs[Knob::unroll])};
    shape.lane = unit_stride_axis(pool, nest.offset, nest.axes);
    if (nest.condition.valid() && nest.reduces()) shape.lane = {};
    DType type = nest.reduces() ? pool.type(nest.accumulators[0].var) : pool.type(nest.value);
    const int64_t width = width_of(type, knobs, in_.target);
    if (nest.reduces() && !ordered && prefers_reduction_lanes(pool, nest, shape.lane, knobs)) {
      shape.lane = nest.reduce_axes.back();
      shape.lanes_reduce = true;
    }
    if (!shape.lane.valid()) return shape;
    shape.width = width;
    shape.registers = in_.target.vector_registers;
    const bool words = knobs[Knob::lanes] == kLanesOfWords || !in_.region.buffers[nest.out].value.valid();
    if (Expr around = nest.reduces() || !words ? Expr{} : axis_around_word(pool, nest, type); around.valid()) {
      shape.lane = around;
      shape.lanes = width;
      shape.rows = kBytesPerWord;
      return shape;
    }
    shape.lanes = width * vectors_of(knobs);
    shape.rows = nest.reduces() ? (knobs[Knob::rows] ? knobs[Knob::rows] : (shape.lanes_reduce ? 1 : 4)) : 1;
    shape.halves = knobs[Knob::halves] == 1 && !shape.lanes_reduce && in_.target.half_fma() && sums_halves(pool, nest, shape);
    shape.atom_k = shape.halves ? kPair : atom_steps(pool, nest, shape);
    if (knobs[Knob::matrix] == 1) choose_matrix(pool, nest, shape);
    return shape;
  }

 private:
  // Rows and lanes in the target's tiles: one or two of 16 rows by one or two of 16 lanes, or three in a row. Steps along the
  // reduction are all of one size, as many words as divide it and fit a row of a tile.
  void choose_matrix(ExprPool& pool, Nest& nest, TileShape& shape) {
    constexpr int64_t kRows = 16, kLanes = 16, kMostWords = 16, kTiles = 8;
    const bool narrow = is_narrow_product(pool, nest.accumulators);
    const int64_t word = narrow ? kPair : kBytesPerWord;
    if (shape.atom_k != word || !in_.target.has(narrow ? "tdpbf16ps" : "tdpbssd") || shape.rows < 1) return;
    const Expr inner = nest.reduce_axes.back();
    const int64_t words = *pool.as_int(pool.var(inner).extent) / word;
    if (!pool.as_int(pool.var(shape.lane).extent)) return;
    if (const auto product = match_product(pool, nest.accumulators))
      if (pool.depends_on(product->a, shape.lane) && pool.depends_on(product->b, shape.lane)) return;  // taps
    auto blocks = [](int64_t n, int64_t of) { return (n + of - 1) / of; };
    int64_t rows = blocks(shape.rows, kRows), lanes = blocks(shape.lanes, kLanes);
    while (rows * lanes + rows + lanes > kTiles) --(rows > lanes ? rows : lanes);
    shape.rows = std::min(shape.rows, rows * kRows);
    shape.lanes = std::min(shape.lanes, lanes * kLanes);
    int64_t step = std::min(words, kMostWords);
    while (words % step != 0) --step;
    shape.atom_k = step * word;
    shape.matrix = true;
    shape.unroll = 1;
  }

  // Where an operand is contiguous along the reduction and strided along the output's axis.
  bool prefers_reduction_lanes(ExprPool& pool, Nest& nest, Expr lane, const Knobs& knobs) {
    if (is_narrow_product(pool, nest.accumulators) || knobs[Knob::halves] == 1) return false;  // pairs lie along the reduction
    if (knobs[Knob::lanes] == 1) return true;
    constexpr int64_t kFew = 4;  // steps would leave most lanes empty: a softmax of two classes
    Expr inner = nest.reduce_axes.back();
    const bool few = pool.as_int(pool.var(inner).extent).value_or(kIndexMax) <= kFew;
    bool contiguous = false, strided = !lane.valid();
    std::vector<Expr> loads;
    for (const Accumulator& a : nest.accumulators) pool.collect_loads(a.update, loads);
    for (Expr load : loads) {
      auto along = coefficient(pool, pool.operands(load)[0], inner);
      contiguous |= along && pool.is_index(*along, 1);
      if (!lane.valid() || in_.is_constant(pool.buffer(load)) || in_panels(pool.buffer(load)) || in_words(pool, load, lane)) continue;
      const auto step = known_coefficient(pool, pool.operands(load)[0], lane);
      strided |= !step || !(*step == 0 || *step == 1 || (few && *step > 1 && *step <= kFew));
    }
    return contiguous && strided;
  }

  // Packed in panels, whose lanes lie beside each other.
  bool in_panels(BufferId b) const {
    const std::vector<LayoutPart>& parts = in_.places[b].layout.parts;
    return !in_.region.buffers[b].value.valid() && !parts.empty() && parts.back().modulo > 0;
  }

  // A copy in which four bytes along the reduction lie beside each other (pack_words).
  bool in_words(ExprPool& pool, Expr load, Expr lane) const {
    if (in_.region.buffers[pool.buffer(load)].value.valid() || bits(pool.type(load)) != 8) return false;
    const auto across = coefficient(pool, pool.operands(load)[0], lane);
    return across && pool.is_index(*across, kBytesPerWord);
  }

  // The axis along which words of four bytes lie one after the other; invalid: the result is not of that kind.
  Expr axis_around_word(ExprPool& pool, Nest& nest, DType type) {
    Expr inner = unit_stride_axis(pool, nest.offset, nest.axes);
    if (bits(type) != 8 || !inner.valid() || !pool.is_index(pool.var(inner).extent, kBytesPerWord)) return {};
    for (Expr axis : nest.axes)
      if (auto step = coefficient(pool, nest.offset, axis); step && pool.is_index(*step, kBytesPerWord)) return axis;
    return {};
  }

  // Products of bytes are summed four at a time: every backend has an instruction or a short sequence for it.
  int64_t atom_steps(ExprPool& pool, Nest& nest, const TileShape& shape) {
    if (!nest.reduces() || shape.lanes_reduce) return 1;
    if (is_narrow_product(pool, nest.accumulators)) return takes_pairs(pool, nest, shape, *narrow_product(pool, nest.accumulators)) ? kPair : 1;
    if (pool.type(nest.accumulators[0].var) != DType::I32) return 1;
    auto product = match_product(pool, nest.accumulators);
    if (!product) return 1;
    Expr a = strip_casts(pool, product->a), b = strip_casts(pool, product->b);
    if (pool.op(a) != SOp::Load || pool.op(b) != SOp::Load || bits(pool.type(a)) != 8 || bits(pool.type(b)) != 8) return 1;
    if (!pool.depends_on(b, shape.lane)) std::swap(a, b);
    if (pool.depends_on(a, shape.lane)) return tap_steps(pool, nest, shape, a, b);
    if (!in_words(pool, b, shape.lane) && !in_.is_constant(pool.buffer(b))) return 1;
    Expr inner = nest.reduce_axes.back();
    auto extent = pool.as_int(pool.var(inner).extent);
    auto step = coefficient(pool, pool.operands(a)[0], inner);
    bool words = extent && *extent % kBytesPerWord == 0 && step && pool.is_index(*step, 1);
    return words ? kBytesPerWord : 1;
  }

  // Products of bf16 are summed in pairs: narrow_operands has laid them out for it.
  bool takes_pairs(ExprPool& pool, Nest& nest, const TileShape& shape, Product product) {
    auto [a, b] = product;
    if (!pool.depends_on(b, shape.lane)) std::swap(a, b);
    const Expr inner = nest.reduce_axes.back();
    const auto extent = pool.as_int(pool.var(inner).extent);
    const auto step = coefficient(pool, pool.operands(a)[0], inner);
    return extent && *extent % kPair == 0 && !pool.depends_on(a, shape.lane) && step && pool.is_index(*step, 1);
  }

  // Those of f16 as well, whether narrow_operands or the model made them so: then the constant is packed in pairs.
  bool sums_halves(ExprPool& pool, Nest& nest, const TileShape& shape) {
    const auto product = half_product(pool, nest.accumulators);
    if (!product || !takes_pairs(pool, nest, shape, *product)) return false;
    const Expr b = pool.depends_on(product->b, shape.lane) ? product->b : product->a;
    const auto across = coefficient(pool, pool.operands(b)[0], shape.lane);
    return in_.is_constant(pool.buffer(b)) || (across && pool.is_index(*across, kPair));
  }

  // Depthwise: the taps along a row of the window, where the target sums words of unsigned and signed bytes.
  int64_t tap_steps(ExprPool& pool, Nest& nest, const TileShape& shape, Expr a, Expr b) {
    constexpr int64_t kMostTaps = kBytesPerWord - 1;
    if (in_.is_constant(pool.buffer(a))) std::swap(a, b);
    if (in_.is_constant(pool.buffer(a)) || !in_.is_constant(pool.buffer(b)) || pool.type(a) != DType::U8 || pool.type(b) != DType::I8) return 1;
    if (!in_.target.has("vpdpbusd")) return 1;
    const auto taps = pool.as_int(pool.var(nest.reduce_axes.back()).extent), lanes = pool.as_int(pool.var(shape.lane).extent);
    const auto step = coefficient(pool, pool.operands(a)[0], shape.lane);
    return taps && *taps > 1 && *taps <= kMostTaps && lanes && *lanes % kBytesPerWord == 0 && step && pool.is_index(*step, 1) ? *taps : 1;
  }

  const ShapeInput& in_;
};

}  // namespace

int64_t lanes_of(const Region& region, const Statement& s, const Knobs& knobs, const Target& target) {
  return width_of(s.accumulators.empty() ? region.buffers[s.out].type : region.pool.type(s.accumulators[0].var), knobs, target) * vectors_of(knobs);
}

TileShape choose_shape(const ShapeInput& in, ExprPool& pool, Nest& nest, const Knobs& knobs, bool ordered) {
  return ShapeChooser(in).run(pool, nest, knobs, ordered);
}

}  // namespace tenon
