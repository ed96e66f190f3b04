// Depthwise sums of bytes. Both factors vary along the lanes, so the four bytes that one instruction sums are not
// neighbours in memory: they are neighbouring columns, interleaved channel by channel in registers. Words start at
// even columns; a row that starts at an odd one uses weights that are shifted by a byte.
#include "taps.h"

#include <llvm/IR/Intrinsics.h>

namespace tenon::gen {

namespace {

constexpr int64_t kMostTaps = 3;  // and one byte to start at odd columns

// Per part of 128 bits, the low or high half of x's and y's elements in turns.
Value* interleave(Code& code, Value* x, Value* y, unsigned element_bits, bool high) {
  auto& b = code.b;
  const unsigned all = 32 * width(x) / element_bits, per_part = 128 / element_bits;
  auto* type = llvm::FixedVectorType::get(b.getIntNTy(element_bits), all);
  std::vector<int> order;
  for (unsigned part = 0; part < all; part += per_part)
    for (unsigned i = 0; i < per_part / 2; ++i) {
      const unsigned from = part + i + (high ? per_part / 2 : 0);
      order.insert(order.end(), {static_cast<int>(from), static_cast<int>(all + from)});
    }
  return b.CreateBitCast(b.CreateShuffleVector(b.CreateBitCast(x, type), b.CreateBitCast(y, type), order), x->getType());
}

}  // namespace

std::optional<Taps> match_taps(ExprPool& pool, const Stmt& tile, const Target& target) {
  const TileReduce& atom = tile.reduce.back();
  const auto taps = pool.as_int(atom.extent);
  if (!taps || *taps > kMostTaps || tile.accumulators.size() != 1 || tile.rows.size() > 1 || !tile.lanes.var.valid()) return std::nullopt;
  if (!target.has("vpdpbusd")) return std::nullopt;
  const Expr acc = tile.accumulators[0].var, update = tile.accumulators[0].update;
  if (pool.type(acc) != DType::I32 || pool.op(update) != SOp::Add) return std::nullopt;
  const Expr product = pool.operands(update)[pool.operands(update)[0] == acc ? 1 : 0];
  if (pool.op(product) != SOp::Mul) return std::nullopt;
  Taps found{.count = *taps};
  for (Expr factor : std::array{pool.operands(product)[0], pool.operands(product)[1]}) {
    if (pool.op(factor) != SOp::Cast || pool.op(pool.operands(factor)[0]) != SOp::Load) return std::nullopt;
    const Expr byte = pool.operands(factor)[0];
    if (pool.type(byte) == DType::U8) found.columns = byte;
    else if (auto word = pool.type(byte) == DType::I8 ? as_word(pool, byte, atom.var) : std::nullopt) found.weights = *word;
  }
  if (!found.columns.valid() || !found.weights.valid()) return std::nullopt;
  auto step = [&](Expr load, Expr var) -> std::optional<int64_t> {
    auto split = pool.affine(pool.operands(load)[0], var);
    return split ? pool.as_int(split->first) : std::nullopt;
  };
  const auto column = step(found.columns, atom.var);
  if (!column || *column <= 0 || step(found.columns, tile.lanes.var) != 1) return std::nullopt;
  if (!tile.rows.empty()) {
    const auto row = step(found.columns, tile.rows[0].var);
    if (!row || *row <= 0 || *row % *column != 0 || pool.depends_on(found.weights, tile.rows[0].var)) return std::nullopt;
    found.stride = *row / *column;
  }
  return found;
}

TapWords::TapWords(Code& code, unsigned words, int64_t columns, llvm::function_ref<Value*(int64_t)> load)
    : code_(code), words_(words), columns_(columns), load_(load) {}

// A column's bytes so that interleaving leaves them in order: dword 4*part + j is dword j*parts + part in memory.
Value* TapWords::column(int64_t c) {
  Value* bytes = load_(c);
  const unsigned parts = width(bytes) / words_;
  std::vector<int> order;
  for (unsigned part = 0; part < parts; ++part)
    for (unsigned j = 0; j < 4; ++j) order.push_back(j < words_ ? static_cast<int>(j * parts + part) : -1);
  return code_.b.CreateShuffleVector(bytes, order);
}

// Columns c and c + 1, byte by byte: the low and high halves. What is beyond the last column meets weights of zero.
const std::array<Value*, 2>& TapWords::pair(int64_t c) {
  auto [it, fresh] = pairs_.try_emplace(c);
  if (!fresh) return it->second;
  Value* x = c < columns_ ? column(c) : nullptr;
  Value* zero = x ? llvm::Constant::getNullValue(x->getType()) : nullptr;
  Value* y = c + 1 < columns_ ? column(c + 1) : zero;
  for (bool high : {false, true})
    if (x && (!high || words_ > 2)) it->second[high] = interleave(code_, x, y, 8, high);
  return it->second;
}

const std::array<Value*, 4>& TapWords::at(int64_t start) {
  auto [it, fresh] = made_.try_emplace(start);
  if (!fresh) return it->second;
  const std::array<Value*, 2> left = pair(start), right = pair(start + 2);
  for (unsigned j = 0; j < words_; ++j) {
    Value* x = left[j / 2];
    Value* y = right[j / 2] ? right[j / 2] : llvm::Constant::getNullValue(x->getType());
    it->second[j] = interleave(code_, x, y, 16, j % 2 == 1);
  }
  return it->second;
}

}  // namespace tenon::gen
