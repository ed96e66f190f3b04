// A Tile in AMX's registers. Of the eight tiles, up to four hold accumulators, 16 x 16 words each, the others blocks of the
// operands: 16 rows of the left one, and of the right one up to 16 words of the reduction by 16 lanes. The left operand is
// read where it lies, each row 64 bytes of the reduction; the right one as panels of words. At the end the accumulators go
// through the stack to the tile's stores, row by row.
//
// Products of f32 as products of bf16 parts have a second accumulator, the sum of products of whole numbers, which the stores
// read where the first is NaN (passes/loop/narrow_operands.cpp). It is computed for tiles in which there is a NaN.
#include <array>
#include <bit>
#include <map>

#include <llvm/IR/IntrinsicsX86.h>

#include "dot.h"
#include "tile.h"

namespace tenon::gen {

namespace {

namespace Intrinsic = llvm::Intrinsic;

constexpr int64_t kRows = 16, kWords = 16, kTiles = 8, kWordBytes = 4;
constexpr int64_t kMostSums = 4;  // tiles of accumulators, as operands need the others

// `count` rows or lanes from `first` on; for rows, at these values of the row axes but the last.
struct Span {
  int64_t first, count;
  std::vector<int64_t> outer = {};
};

// How one operand lies: the address of its first word, and bytes from row to row of the tile that it is loaded into.
struct Operand {
  BufferId buffer;
  Expr offset;  // elements, over rows, lanes and reduction
  Expr step;    // elements from row to row
};

struct Matrix {
  std::vector<std::pair<Operand, Operand>> products;  // summed one after the other in each step
  bool halves = false, a_signed = false, b_signed = false;
  int64_t words = 0;  // of the reduction in a step
  std::vector<Span> rows, lanes;
};

std::vector<Span> spans(int64_t extent, int64_t most) {
  std::vector<Span> out;
  for (int64_t at = 0; at < extent; at += most) out.push_back({at, std::min(most, extent - at)});
  return out;
}

// The second accumulator is only read where the first is NaN.
bool stands_in(const ExprPool& pool, const Stmt& tile, Expr e) {
  const Expr sum = tile.accumulators[0].var, whole = tile.accumulators[1].var;
  if (e == whole) return false;
  if (pool.op(e) == SOp::Select && pool.operands(e)[1] == whole && pool.operands(e)[2] == sum) {
    const Expr condition = pool.operands(e)[0];
    if (pool.op(condition) == SOp::IsNan && pool.operands(condition)[0] == sum) return true;
  }
  if (!pool.depends_on(e, whole)) return true;
  return std::ranges::all_of(pool.operands(e), [&](Expr operand) { return stands_in(pool, tile, operand); });
}

// The products that a step adds to the first accumulator, the first to be added first.
std::vector<Factors> match_products(ExprPool& pool, const Stmt& tile) {
  if (tile.accumulators.size() == 1) {
    const auto one = match_factors(pool, tile);
    if (one && pool.op(one->a) == SOp::Load && pool.op(one->b) == SOp::Load) return {*one};
    return {};
  }
  if (tile.accumulators.size() != 2 || pool.as_double(tile.accumulators[0].init) != 0.0) return {};
  for (const TileStore& s : tile.stores)
    if (!stands_in(pool, tile, s.value) || (s.condition.valid() && pool.depends_on(s.condition, tile.accumulators[0].var))) return {};
  std::vector<Factors> found;
  Stmt one{.kind = StmtKind::Tile, .lanes = tile.lanes, .accumulators = {tile.accumulators[0]}};
  const Expr sum = tile.accumulators[0].var;
  for (Expr e = tile.accumulators[0].update; e != sum; e = pool.operands(e)[0]) {
    if (pool.op(e) != SOp::Add) return {};
    one.accumulators[0].update = pool.binary(SOp::Add, sum, pool.operands(e)[1]);
    const auto factors = match_factors(pool, one);
    if (!factors || pool.type(factors->a) != DType::BF16) return {};
    found.insert(found.begin(), *factors);
  }
  return found;
}

std::optional<Matrix> match(ExprPool& pool, const Stmt& tile, const Target& target) {
  if (tile.reduce.empty() || tile.reduce.back().kind != ReduceKind::Atom || tile.rows.empty() || !tile.lanes.var.valid()) return std::nullopt;
  if (tile.lanes_reduce || tile.lane_limit.valid() || !tile.prefetch.empty()) return std::nullopt;
  const auto factors = match_products(pool, tile);
  if (factors.empty()) return std::nullopt;
  const DType left = pool.type(factors[0].a), right = pool.type(factors[0].b);
  if (left == DType::F16) return std::nullopt;
  Matrix m{.products = {}, .halves = left == DType::BF16};
  m.a_signed = !m.halves && is_signed(left);
  m.b_signed = !m.halves && is_signed(right);
  if (!target.has(m.halves ? "tdpbf16ps" : "tdpbssd")) return std::nullopt;
  const int64_t per_word = m.halves ? 2 : 4;
  const TileReduce& atom = tile.reduce.back();
  const auto steps = pool.as_int(atom.extent);
  if (!steps || *steps % per_word != 0 || *steps / per_word > kWords) return std::nullopt;
  m.words = *steps / per_word;
  // k = per_word * word + inside: what lies in a word lies together.
  const Expr word = pool.axis("word", pool.index(m.words)), inside = pool.axis("inside", pool.index(per_word));
  auto operand = [&](Expr load, Expr along) -> std::optional<Operand> {
    Expr offset = pool.substitute(pool.operands(load)[0], {{atom.var, pool.add(pool.mul(word, pool.index(per_word)), inside)}});
    auto in_word = pool.affine(offset, inside);
    if (!in_word || !pool.is_index(in_word->first, 1)) return std::nullopt;
    offset = pool.substitute(offset, {{inside, pool.index(0)}});
    auto step = pool.affine(offset, along.valid() ? along : word);
    if (!step) return std::nullopt;
    if (along.valid()) {  // the words of a row lie beside each other
      auto next = pool.affine(offset, word);
      if (!next || !pool.is_index(next->first, per_word)) return std::nullopt;
    }
    return Operand{pool.buffer(load), pool.substitute(offset, {{word, pool.index(0)}}), step->first};
  };
  const TileAxis& row = tile.rows.back();
  for (const Factors& f : factors) {
    auto a = operand(f.a, row.var), b = operand(f.b, {});
    if (!a || !b || pool.type(f.a) != left || pool.type(f.b) != right) return std::nullopt;
    auto lane = pool.affine(b->offset, tile.lanes.var);
    if (!lane || !pool.is_index(lane->first, per_word)) return std::nullopt;
    for (const TileAxis& axis : tile.rows)
      if (pool.depends_on(b->offset, axis.var) || pool.depends_on(b->step, axis.var)) return std::nullopt;
    m.products.emplace_back(*a, *b);
  }
  m.lanes = spans(tile.lanes.extent, kWords);
  std::vector<int64_t> outer(tile.rows.size() - 1, 0);
  while (true) {
    for (Span& span : spans(row.extent, kRows)) {
      span.outer = outer;
      m.rows.push_back(std::move(span));
    }
    size_t i = outer.size();
    while (i > 0 && ++outer[i - 1] == tile.rows[i - 1].extent) outer[--i] = 0;
    if (i == 0) break;
  }
  const auto r = static_cast<int64_t>(m.rows.size()), c = static_cast<int64_t>(m.lanes.size());
  if (r * c + r + c > kTiles) return std::nullopt;
  return m;
}

class MatrixEmitter {
 public:
  MatrixEmitter(Emitter& emitter, const Stmt& tile, Matrix matrix)
      : e_(emitter), pool_(emitter.pool), b_(emitter.code.b), tile_(tile), m_(std::move(matrix)) {}

  void run() {
    configure();
    for (size_t r = 0; r < m_.rows.size(); ++r)
      for (size_t c = 0; c < m_.lanes.size(); ++c) b_.CreateIntrinsic(Intrinsic::x86_tilezero, {}, {sum(r, c)});
    reduce(0, {});
    Value* scratch = spill();
    if (tile_.accumulators.size() == 1) return store_rows(scratch);
    e_.if_else(any_nan(scratch), [&] { again(); }, [&] { store_rows(scratch); });
  }

 private:
  llvm::ConstantInt* number(size_t tile) { return b_.getInt8(static_cast<uint8_t>(tile)); }
  llvm::ConstantInt* sum(size_t r, size_t c) { return number(r * m_.lanes.size() + c); }
  llvm::ConstantInt* left(size_t r) { return number(m_.rows.size() * m_.lanes.size() + r); }
  llvm::ConstantInt* right(size_t c) { return number(m_.rows.size() * m_.lanes.size() + m_.rows.size() + c); }

  // Palette 1; of each tile the bytes of a row and the rows.
  void configure() {
    std::array<uint8_t, 64> bytes{};
    bytes[0] = 1;
    auto set = [&](llvm::ConstantInt* tile, int64_t rows, int64_t row_words) {
      const uint64_t t = tile->getZExtValue();
      bytes[16 + 2 * t] = static_cast<uint8_t>(kWordBytes * row_words);
      bytes[48 + t] = static_cast<uint8_t>(rows);
    };
    for (size_t r = 0; r < m_.rows.size(); ++r) set(left(r), m_.rows[r].count, m_.words);
    for (size_t c = 0; c < m_.lanes.size(); ++c) set(right(c), m_.words, m_.lanes[c].count);
    for (size_t r = 0; r < m_.rows.size(); ++r)
      for (size_t c = 0; c < m_.lanes.size(); ++c) set(sum(r, c), m_.rows[r].count, m_.lanes[c].count);
    load_config(llvm::ConstantDataArray::get(e_.code.context, bytes));
  }

  // Loading one takes as long as several products: only where another one is loaded.
  void load_config(llvm::Constant* config) {
    Code& code = e_.code;
    auto known = std::ranges::find(code.tile_configs, config);
    const auto number = static_cast<uint32_t>(known - code.tile_configs.begin()) + 1;
    if (known == code.tile_configs.end()) code.tile_configs.push_back(config);
    const std::string name = "tiles" + std::to_string(number);
    llvm::GlobalVariable* global = code.module.getGlobalVariable(name, true);
    if (!global) {
      global = new llvm::GlobalVariable(code.module, config->getType(), true, llvm::GlobalValue::PrivateLinkage, config, name);
      global->setAlignment(llvm::Align(64));
    }
    if (!code.tile_config) {
      code.tile_config = slot(b_.getInt32Ty(), 1);
      code.tile_sums = slot(b_.getInt32Ty(), kMostSums * kRows * kWords);
    }
    Value* loaded = b_.CreateLoad(b_.getInt32Ty(), code.tile_config);
    e_.if_else(b_.CreateICmpNE(loaded, b_.getInt32(number)), [&] {
      b_.CreateIntrinsic(Intrinsic::x86_ldtilecfg, {}, {global});
      b_.CreateStore(b_.getInt32(number), code.tile_config);
    }, nullptr);
  }

  // Memory of the function, zero where it starts if it is one number.
  Value* slot(llvm::Type* type, int64_t count) {
    llvm::IRBuilderBase::InsertPointGuard back(b_);
    llvm::BasicBlock& entry = b_.GetInsertBlock()->getParent()->getEntryBlock();
    b_.SetInsertPoint(&entry, entry.begin());
    auto* slot = b_.CreateAlloca(llvm::ArrayType::get(type, static_cast<uint64_t>(count)));
    slot->setAlignment(llvm::Align(64));
    if (count == 1) b_.CreateStore(llvm::Constant::getNullValue(type), slot);
    return slot;
  }

  void reduce(size_t depth, ExprPool::Substitution steps) {
    if (depth + 1 == tile_.reduce.size()) return step(steps);
    const TileReduce& r = tile_.reduce[depth];
    const Expr extent = pool_.substitute(r.extent, steps);
    if (r.kind == ReduceKind::Unroll) {
      for (int64_t i = 0; i < *pool_.as_int(extent); ++i) {
        steps[r.var] = pool_.index(i);
        reduce(depth + 1, steps);
      }
      return;
    }
    e_.loop(r.var, pool_.index(0), extent, 1, {}, [&](const Emitter::Values&) {
      reduce(depth + 1, steps);
      return Emitter::Values{};
    });
  }

  void load(llvm::ConstantInt* tile, const Operand& operand, const ExprPool::Substitution& at) {
    const Expr offset = pool_.substitute(operand.offset, at);
    const Expr bytes = pool_.mul(pool_.substitute(operand.step, at), pool_.index(m_.halves ? 2 : 1));
    b_.CreateIntrinsic(Intrinsic::x86_tileloadd64, {}, {tile, e_.address_of(operand.buffer, offset), e_.emit(bytes)});
  }

  void step(const ExprPool::Substitution& steps) {
    const auto product = m_.halves                      ? Intrinsic::x86_tdpbf16ps
                         : m_.a_signed && m_.b_signed ? Intrinsic::x86_tdpbssd
                         : m_.a_signed                ? Intrinsic::x86_tdpbsud
                         : m_.b_signed                ? Intrinsic::x86_tdpbusd
                                                      : Intrinsic::x86_tdpbuud;
    const Operand *a = nullptr, *b = nullptr;  // what the tiles of operands hold
    for (const auto& [next_a, next_b] : m_.products) {
      const bool new_a = !a || a->offset != next_a.offset, new_b = !b || b->offset != next_b.offset;
      a = &next_a, b = &next_b;
      for (size_t r = 0; new_a && r < m_.rows.size(); ++r) {
        ExprPool::Substitution at = steps;
        for (size_t i = 0; i + 1 < tile_.rows.size(); ++i) at[tile_.rows[i].var] = pool_.index(m_.rows[r].outer[i]);
        at[tile_.rows.back().var] = pool_.index(m_.rows[r].first);
        load(left(r), *a, at);
      }
      for (size_t c = 0; c < m_.lanes.size(); ++c) {
        ExprPool::Substitution at = steps;
        at[tile_.lanes.var] = pool_.index(m_.lanes[c].first);
        if (new_b) load(right(c), *b, at);
        for (size_t r = 0; r < m_.rows.size(); ++r) b_.CreateIntrinsic(product, {}, {sum(r, c), left(r), right(c)});
      }
    }
  }

  // The sums as rows of words in memory, one block of rows after the other.
  Value* spill() {
    row_words_ = static_cast<int64_t>(m_.lanes.size()) * kWords;
    Value* scratch = e_.code.tile_sums;
    int64_t first = 0;
    for (size_t r = 0; r < m_.rows.size(); first += m_.rows[r++].count)
      for (size_t c = 0; c < m_.lanes.size(); ++c) {
        Value* at = b_.CreateConstGEP1_64(b_.getInt32Ty(), scratch, static_cast<uint64_t>(first * row_words_ + m_.lanes[c].first));
        b_.CreateIntrinsic(Intrinsic::x86_tilestored64, {}, {sum(r, c), at, e_.code.index(kWordBytes * row_words_)});
      }
    return scratch;
  }

  void store_rows(Value* scratch) {
    Expr row = pool_.index(0);
    for (const TileAxis& axis : tile_.rows) row = pool_.add(pool_.mul(row, pool_.index(axis.extent)), axis.var);
    over_rows(0, [&] {
      std::vector<Instance> results;
      Value* words = b_.CreateGEP(b_.getInt32Ty(), scratch, e_.emit(pool_.mul(row, pool_.index(row_words_))));
      for (const Span& span : m_.lanes)
        for (int64_t at = 0; at < span.count;) {
          const int64_t width = static_cast<int64_t>(std::bit_floor(static_cast<uint64_t>(span.count - at)));
          results.push_back(result(words, span.first + at, static_cast<unsigned>(width)));
          at += width;
        }
      store_results(e_, tile_, results, results.size());
    });
  }

  // Whether one of the sums is NaN.
  Value* any_nan(Value* scratch) {
    const Expr row = pool_.new_var({.name = "row"});
    int64_t rows = 1;
    for (const TileAxis& axis : tile_.rows) rows *= axis.extent;
    return e_.loop(row, pool_.index(0), pool_.index(rows), 1, {b_.getFalse()}, [&](const Emitter::Values& found) {
      Value* words = b_.CreateGEP(b_.getInt32Ty(), scratch, e_.emit(pool_.mul(row, pool_.index(row_words_))));
      Value* any = found[0];
      for (const Span& span : m_.lanes)
        for (int64_t at = 0; at < span.count;) {
          const auto width = static_cast<unsigned>(std::bit_floor(static_cast<uint64_t>(span.count - at)));
          Value* first = b_.CreateConstGEP1_64(b_.getInt32Ty(), words, static_cast<uint64_t>(span.first + at));
          Value* v = b_.CreateAlignedLoad(shaped(b_.getFloatTy(), width), first, llvm::Align(4));
          any = b_.CreateOr(any, b_.CreateOrReduce(b_.CreateFCmpUNO(v, v)));
          at += width;
        }
      return Emitter::Values{any};
    })[0];
  }

  // The tile once more, by the second accumulator, one element at a time: little code for what is rare.
  void again() {
    Stmt whole = tile_;
    whole.matrix = false;
    whole.rows.clear();
    whole.lanes = {};
    whole.accumulators = {tile_.accumulators[1]};
    for (TileReduce& r : whole.reduce) r.kind = ReduceKind::Loop;
    for (TileStore& s : whole.stores) s.value = pool_.substitute(s.value, {{tile_.accumulators[0].var, tile_.accumulators[1].var}});
    over_rows(0, [&] {
      e_.loop(tile_.lanes.var, pool_.index(0), pool_.index(tile_.lanes.extent), 1, {}, [&](const Emitter::Values&) {
        emit_tile(e_, whole);
        return Emitter::Values{};
      });
    });
  }

  void over_rows(size_t axis, llvm::function_ref<void()> body) {
    if (axis == tile_.rows.size()) return body();
    e_.loop(tile_.rows[axis].var, pool_.index(0), pool_.index(tile_.rows[axis].extent), 1, {}, [&](const Emitter::Values&) {
      over_rows(axis + 1, body);
      return Emitter::Values{};
    });
  }

  // `width` lanes from `lane` on of the present row.
  Instance result(Value* words, int64_t lane, unsigned width) {
    Instance i;
    if (width > 1) {
      const Lanes*& lanes = lanes_[width];
      if (!lanes) lanes = e_.new_lanes(width, nullptr);
      i.lanes = lanes;
    }
    const Expr first = pool_.index(lane);
    i.rename[tile_.lanes.var] = i.lanes ? pool_.add(first, i.lanes->var) : first;
    const Accumulator& acc = tile_.accumulators[0];
    llvm::Type* type = shaped(m_.halves ? b_.getFloatTy() : b_.getInt32Ty(), i.lanes ? width : 0);
    Value* at = b_.CreateConstGEP1_64(b_.getInt32Ty(), words, static_cast<uint64_t>(lane));
    Value* total = b_.CreateAlignedLoad(type, at, llvm::Align(4));
    const Expr init = pool_.substitute(acc.init, i.rename);
    if (m_.halves ? pool_.as_double(init) != 0.0 : pool_.as_int(init) != 0)
      total = emit_arith(e_.code, SOp::Add, pool_.type(acc.var), e_.emit_as(init, i.lanes), total, nullptr);
    const Expr named = pool_.new_var({.name = "acc", .type = pool_.type(acc.var)});
    e_.bind(named, total, i.lanes);
    for (const Accumulator& a : tile_.accumulators) i.rename[a.var] = named;  // no NaN: the second one is not read
    return i;
  }

  Emitter& e_;
  ExprPool& pool_;
  llvm::IRBuilder<>& b_;
  const Stmt& tile_;
  Matrix m_;
  int64_t row_words_ = 0;
  std::map<unsigned, const Lanes*> lanes_;
};

}  // namespace

bool emit_matrix(Emitter& emitter, const Stmt& source) {
  Stmt tile = source;
  if (tile.rows.empty()) tile.rows.push_back({emitter.pool.axis("row", emitter.pool.index(1)), 1});  // a tail of one
  auto matrix = match(emitter.pool, tile, emitter.code.target);
  if (matrix) MatrixEmitter(emitter, tile, std::move(*matrix)).run();
  return matrix.has_value();
}

}  // namespace tenon::gen
