// Floats that become bytes: rounding, zero point and saturation in as few instructions as the target has for them.
// Half to even either way; NaN gives 0.
#include <bit>
#include <cmath>

#include <llvm/IR/Intrinsics.h>
#include <llvm/IR/IntrinsicsX86.h>

#include "emitter.h"

namespace tenon::gen {

namespace {

namespace Intrinsic = llvm::Intrinsic;

}  // namespace

// castsat(round(real) + zero), with or without any part but the cast.
std::optional<Emitter::Quantised> Emitter::match_quantised(Expr e) {
  if (pool.op(e) != SOp::CastSat || bits(pool.type(e)) != 8 || !is_integer(pool.type(e))) return std::nullopt;
  Expr x = pool.operands(e)[0];
  if (pool.type(x) != DType::F32) return std::nullopt;
  Quantised q{x, 0, pool.type(e)};
  if (pool.op(x) == SOp::Add) {
    auto zero = pool.as_double(pool.operands(x)[1]);
    if (!zero || *zero != std::nearbyint(*zero) || std::abs(*zero) > 255 || pool.op(pool.operands(x)[0]) != SOp::Round) return q;
    q.zero = static_cast<int>(*zero);
    x = pool.operands(x)[0];
  }
  q.real = pool.op(x) == SOp::Round ? pool.operands(x)[0] : x;
  return q;
}

// What is to be rounded, where it is a quotient by a constant: by its reciprocal, and by one correction, which leaves
// nothing but the rounding of the quotient itself. The dividend is cut to what saturates, so that no step overflows
// upwards; below, and for NaN, the result is NaN or less than the least number where `both` is not asked for. Null where
// it is no such quotient.
Value* Emitter::quotient(const Quantised& q, Expr guard, bool both) {
  auto& b = code.b;
  if (!code.isa.fma || pool.op(q.real) != SOp::Div) return nullptr;
  const auto divisor = pool.as_double(pool.operands(q.real)[1]);
  constexpr double kBeyond = 1024, kLeast = 0x1p-100, kGreatest = 0x1p100;
  if (!divisor || *divisor < kLeast || *divisor > kGreatest || *divisor == 1) return nullptr;
  Value* x = emit(pool.operands(q.real)[0], guard);
  llvm::Type* type = x->getType();
  Value* most = code.real(type, *divisor * kBeyond);
  x = b.CreateSelect(b.CreateFCmpOLT(most, x), most, x);
  if (both) {
    Value* least = code.real(type, -*divisor * kBeyond);
    x = b.CreateSelect(b.CreateFCmpOGT(least, x), least, x);
  }
  Value* reciprocal = code.real(type, 1 / *divisor);
  Value* near = b.CreateFMul(x, reciprocal);
  Value* rest = emit_fma(code, near, code.real(type, -*divisor), x);
  return emit_fma(code, rest, reciprocal, near);
}

// The value before it is narrowed, as a float: rounded, in the type's range.
Value* Emitter::quantised_float(const Quantised& q, Expr guard) {
  auto& b = code.b;
  Value* real = quotient(q, guard, true);
  Value* v = emit_round(code, SOp::Round, real ? real : emit(q.real, guard));
  llvm::Type* type = v->getType();
  if (q.zero != 0) v = b.CreateFAdd(v, code.real(type, q.zero));
  Value* low = code.real(type, static_cast<double>(least(q.type)));
  Value* high = code.real(type, static_cast<double>(greatest(q.type)));
  if (is_signed(q.type)) v = b.CreateSelect(b.CreateFCmpORD(v, v), v, llvm::Constant::getNullValue(type));
  v = b.CreateSelect(b.CreateFCmpOGT(v, low), v, low);  // NaN gives `low`, which is 0 where NaN gets here
  return b.CreateSelect(b.CreateFCmpOLT(v, high), v, high);
}

// The rounded value without its zero point as a 32-bit integer that has to be saturated; null where the target
// rounds and converts in two steps.
Value* Emitter::quantised_word(const Quantised& q, Expr guard) {
  auto& b = code.b;
  const Lanes* lanes = lanes_of(q.real);
  const unsigned w = lanes ? lanes->width : 0;
  if (!code.isa.x86 || (w != 4 && w != 8 && w != 16) || static_cast<int>(4 * w) > code.target.vector_bytes) return nullptr;
  // What is too large would convert to the least integer, as NaN does and what is too small.
  Value* v = quotient(q, guard, is_signed(q.type));
  if (!v) {
    v = emit(q.real, guard);
    Value* high = code.real(v->getType(), static_cast<double>(greatest(q.type) - q.zero));
    v = b.CreateSelect(b.CreateFCmpOLT(high, v), high, v);
  }
  llvm::Type* type = v->getType();
  if (is_signed(q.type)) {
    Value* zero = code.real(type, -q.zero);
    v = b.CreateSelect(b.CreateFCmpORD(v, v), v, zero);
  }
  if (w == 16) {
    constexpr uint32_t kNearestEven = 8;
    Value* none = llvm::PoisonValue::get(llvm::FixedVectorType::get(b.getInt32Ty(), 16));
    return b.CreateIntrinsic(Intrinsic::x86_avx512_mask_cvtps2dq_512, {},
                             {v, none, b.getInt16(0xFFFF), b.getInt32(kNearestEven)});
  }
  return b.CreateIntrinsic(w == 8 ? Intrinsic::x86_avx_cvt_ps2dq_256 : Intrinsic::x86_sse2_cvtps2dq, {}, {v});
}

// One vector of bytes.
Value* Emitter::quantised_bytes(const Quantised& q, Expr guard) {
  auto& b = code.b;
  Value* word = quantised_word(q, guard);
  if (!word) return nullptr;
  auto constant = [&](int64_t c) { return llvm::ConstantInt::get(word->getType(), static_cast<uint64_t>(c), true); };
  const int64_t low = least(q.type), high = greatest(q.type);
  // In bounds before the zero point is added, so that nothing wraps.
  word = b.CreateBinaryIntrinsic(Intrinsic::smax, word, constant(low - q.zero));
  if (q.zero != 0) word = b.CreateAdd(word, constant(q.zero));
  word = b.CreateBinaryIntrinsic(is_signed(q.type) ? Intrinsic::smin : Intrinsic::umin, word, constant(high));
  return b.CreateTrunc(word, like(word, b.getInt8Ty()));
}

// Two or four vectors of words as one of bytes, in order: saturating packs work within parts of 128 bits, and one
// permutation puts these in order.
Value* Emitter::pack_quantised(std::span<Value* const> words, const Quantised& q) {
  auto& b = code.b;
  const unsigned w = width(words[0]), parts = w / 4;
  auto choose = [&](Intrinsic::ID sse, Intrinsic::ID avx2, Intrinsic::ID avx512) { return w == 4 ? sse : w == 8 ? avx2 : avx512; };
  const auto to_halves = choose(Intrinsic::x86_sse2_packssdw_128, Intrinsic::x86_avx2_packssdw, Intrinsic::x86_avx512_packssdw_512);
  const auto to_bytes = is_signed(q.type)
      ? choose(Intrinsic::x86_sse2_packsswb_128, Intrinsic::x86_avx2_packsswb, Intrinsic::x86_avx512_packsswb_512)
      : choose(Intrinsic::x86_sse2_packuswb_128, Intrinsic::x86_avx2_packuswb, Intrinsic::x86_avx512_packuswb_512);
  std::vector<Value*> halves;
  for (size_t i = 0; i < words.size(); i += 2) {
    Value* half = b.CreateIntrinsic(to_halves, {}, {words[i], words[i + 1]});
    if (q.zero != 0)
      half = b.CreateBinaryIntrinsic(Intrinsic::sadd_sat, half, llvm::ConstantInt::get(half->getType(), static_cast<uint64_t>(q.zero), true));
    halves.push_back(half);
  }
  Value* bytes = b.CreateIntrinsic(to_bytes, {}, {halves.front(), halves.back()});
  std::vector<int> order;
  for (unsigned j = 0; j < words.size(); ++j)
    for (unsigned part = 0; part < parts; ++part) order.push_back(static_cast<int>(4 * part + j));
  Value* sorted = b.CreateShuffleVector(b.CreateBitCast(bytes, llvm::FixedVectorType::get(b.getInt32Ty(), w)), order);
  return b.CreateBitCast(sorted, llvm::FixedVectorType::get(b.getInt8Ty(), static_cast<unsigned>(words.size()) * w));
}

bool Emitter::store_quantised(BufferId buffer, std::span<const Expr> offsets, std::span<const Expr> values,
                              std::span<const Lanes* const> lanes) {
  auto& b = code.b;
  std::vector<Quantised> matched;
  for (size_t k = 0; k < values.size(); ++k) {
    auto q = match_quantised(values[k]);
    if (!q || !lanes[k] || lanes[k]->mask || lanes_of(values[k]) != lanes[k]) return false;
    if (q->zero != matched.emplace_back(*q).zero || matched[0].zero != q->zero || lanes[k]->width != lanes[0]->width) return false;
    const Place at = place(buffer, offsets[k], *lanes[k], {});
    if (at.stride != 1) return false;
  }
  std::vector<Value*> words;
  for (const Quantised& q : matched)
    if (Value* word = quantised_word(q, {})) words.push_back(word);
  if (words.size() != values.size()) return false;
  b.CreateAlignedStore(pack_quantised(words, matched[0]), place(buffer, offsets[0], *lanes[0], {}).first, llvm::Align(1));
  return true;
}

}  // namespace tenon::gen
