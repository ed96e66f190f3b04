#include "dot.h"

#include <bit>

#include <llvm/IR/Intrinsics.h>
#include <llvm/IR/IntrinsicsAArch64.h>
#include <llvm/IR/IntrinsicsX86.h>

namespace tenon::gen {

namespace {

namespace Intrinsic = llvm::Intrinsic;

}  // namespace

std::optional<Expr> as_word(ExprPool& pool, Expr e, Expr k) {
  if (pool.op(e) == SOp::Select) {
    Expr condition = pool.operands(e)[0], otherwise = pool.operands(e)[2];
    auto pad = pool.as_int(otherwise);
    auto word = as_word(pool, pool.operands(e)[1], k);
    if (!pad || !word || pool.depends_on(condition, k)) return std::nullopt;
    return pool.select(condition, *word, pool.constant_int(DType::I32, (*pad & 0xFF) * 0x01010101));
  }
  if (pool.op(e) != SOp::Load) return std::nullopt;
  auto split = pool.affine(pool.operands(e)[0], k);
  if (!split || !pool.is_index(split->first, 1)) return std::nullopt;
  return pool.load(pool.buffer(e), DType::I32, std::array{split->second});
}

std::optional<Factors> match_factors(ExprPool& pool, const Stmt& tile) {
  if (tile.accumulators.size() != 1) return std::nullopt;
  const DType sum = pool.type(tile.accumulators[0].var);
  const bool halves = sum == DType::F32;
  const auto product = match_product(pool, tile.accumulators);
  if ((!halves && sum != DType::I32) || !product) return std::nullopt;
  const Expr casts[2] = {product->a, product->b};
  Expr factors[2];
  bool has_lane[2];
  for (size_t i = 0; i < 2; ++i) {
    const Expr cast = casts[i];
    if (pool.op(cast) != SOp::Cast) return std::nullopt;
    factors[i] = pool.operands(cast)[0];
    const DType type = pool.type(factors[i]);
    if (halves ? (type != DType::BF16 && type != DType::F16) || pool.op(factors[i]) != SOp::Load : type != DType::U8 && type != DType::I8) return std::nullopt;
    has_lane[i] = tile.lanes.var.valid() && pool.depends_on(factors[i], tile.lanes.var);
  }
  const size_t a = has_lane[0] ? 1 : 0;
  if (has_lane[a]) return std::nullopt;
  return Factors{factors[a], factors[1 - a]};
}

std::optional<WordDot> match_word_dot(ExprPool& pool, const Stmt& tile) {
  const TileReduce& atom = tile.reduce.back();
  const auto factors = match_factors(pool, tile);
  if (!factors) return std::nullopt;
  const bool halves = bits(pool.type(factors->a)) == 16, sums_halves = std::ranges::any_of(tile.reduce, &TileReduce::halves);
  if (halves && (pool.type(factors->a) == DType::F16) != sums_halves) return std::nullopt;
  if (!pool.is_index(atom.extent, halves ? 2 : 4)) return std::nullopt;
  const auto a = as_word(pool, factors->a, atom.var), b = as_word(pool, factors->b, atom.var);
  if (!a || !b) return std::nullopt;
  return WordDot{*a, *b, halves, !halves && is_signed(pool.type(factors->a)), !halves && is_signed(pool.type(factors->b)), sums_halves};
}

namespace {

enum class Instruction : uint8_t { None, Vpdpbusd, Pmaddwd, Sdot, Udot };

struct Choice {
  Instruction instruction = Instruction::None;
  bool flipped = false;  // with the sign of `a` flipped: wants_flipped()
};

// The target's first atom that takes bytes of this signedness at this width, or does once the sign of `a` is flipped.
Choice choose(const Target& target, const WordDot& dot, unsigned width) {
  if (dot.halves) return {};
  for (const Atom& atom : target.atoms) {
    if (width < 4 || std::popcount(width) != 1 || static_cast<int>(width) > atom.lanes) continue;
    const bool both_signed = dot.a_signed && dot.b_signed, neither = !dot.a_signed && !dot.b_signed;
    if (atom.name == "vpdpbusd") return {Instruction::Vpdpbusd, both_signed || neither};
    if (atom.name == "pmaddwd") return {Instruction::Pmaddwd};
    if (atom.name == "sdot" && width == 4 && dot.b_signed) return {Instruction::Sdot, !dot.a_signed};
    if (atom.name == "udot" && width == 4 && neither) return {Instruction::Udot};
  }
  return {};
}

class ByteProducts {
 public:
  ByteProducts(Code& code, const WordDot& dot, Value* acc) : code_(code), b_(code.b), dot_(dot), acc_(acc) {}

  Value* run(Value* a, Value* b) {
    const Choice choice = choose(code_.target, dot_, width(acc_));
    switch (choice.instruction) {
      case Instruction::Vpdpbusd: return vpdpbusd(dot_.a_signed ? b : a, dot_.a_signed ? a : b);
      case Instruction::Pmaddwd: return by_pairs(a, b);
      case Instruction::Sdot: return neon_dot(Intrinsic::aarch64_neon_sdot, a, b);
      case Instruction::Udot: return neon_dot(Intrinsic::aarch64_neon_udot, a, b);
      case Instruction::None: break;
    }
    return by_bytes(a, b);
  }

 private:
  // Bytes 0 and 2, or 1 and 3, of every word as 16-bit halves. No lane is crossed.
  Value* halves(Value* word, bool is_byte_signed, bool odd) {
    auto* type = llvm::FixedVectorType::get(b_.getInt16Ty(), 2 * width(word));
    Value* v = b_.CreateBitCast(word, type);
    Value* eight = llvm::ConstantInt::get(type, 8);
    if (!is_byte_signed) return odd ? b_.CreateLShr(v, eight) : b_.CreateAnd(v, llvm::ConstantInt::get(type, 0xFF));
    return b_.CreateAShr(odd ? v : b_.CreateShl(v, eight), eight);
  }

  Value* vpdpbusd(Value* is_unsigned, Value* is_signed) {
    const unsigned w = width(acc_);
    auto id = w == 16  ? Intrinsic::x86_avx512_vpdpbusd_512
              : w == 8 ? Intrinsic::x86_avx512_vpdpbusd_256
                       : Intrinsic::x86_avx512_vpdpbusd_128;
    return b_.CreateIntrinsic(id, {}, {acc_, is_unsigned, is_signed});
  }

  Value* neon_dot(Intrinsic::ID id, Value* a, Value* b) {
    auto* bytes = llvm::FixedVectorType::get(b_.getInt8Ty(), 16);
    return b_.CreateIntrinsic(id, {acc_->getType(), bytes}, {acc_, b_.CreateBitCast(a, bytes), b_.CreateBitCast(b, bytes)});
  }

  // pmaddwd: exact for every signedness, twice per step.
  Value* by_pairs(Value* a, Value* b) {
    const unsigned w = width(acc_);
    auto id = w == 16 ? Intrinsic::x86_avx512_pmaddw_d_512 : w == 8 ? Intrinsic::x86_avx2_pmadd_wd : Intrinsic::x86_sse2_pmadd_wd;
    Value* sum = acc_;
    for (bool odd : {false, true}) {
      Value *x = halves(a, dot_.a_signed, odd), *y = halves(b, dot_.b_signed, odd);
      sum = b_.CreateAdd(sum, b_.CreateIntrinsic(id, {}, {x, y}));
    }
    return sum;
  }

  Value* by_bytes(Value* a, Value* b) {
    Value* sum = acc_;
    for (unsigned i = 0; i < 4; ++i)
      sum = b_.CreateAdd(sum, b_.CreateMul(byte(a, dot_.a_signed, i), byte(b, dot_.b_signed, i)));
    return sum;
  }

  Value* byte(Value* word, bool is_byte_signed, unsigned i) {
    auto constant = [&](unsigned c) { return llvm::ConstantInt::get(word->getType(), c); };
    Value* high = i == 3 ? word : b_.CreateShl(word, constant(24 - 8 * i));
    return is_byte_signed ? b_.CreateAShr(high, constant(24)) : b_.CreateLShr(high, constant(24));
  }

  Code& code_;
  llvm::IRBuilder<>& b_;
  const WordDot& dot_;
  Value* acc_;
};

}  // namespace

bool wants_flipped(const Code& code, const WordDot& dot, unsigned width) { return choose(code.target, dot, width).flipped; }

Value* flip_sign(Code& code, Value* words) {
  return code.b.CreateXor(words, llvm::ConstantInt::get(words->getType(), 0x80808080));
}

// Byte 0x80: 128 where it is read as unsigned, -128 where as signed.
Value* sign_offset(Code& code, unsigned width) {
  return llvm::ConstantInt::get(shaped(code.b.getInt32Ty(), width), 0x80808080);
}

namespace {

// Pairs of bf16. Where the target's instruction for them is slower than its multiply-adds, or there is none, each half is a
// float as it stands.
Value* half_products(Code& code, Value* a, Value* b, Value* acc) {
  auto& builder = code.b;
  const unsigned w = width(acc);
  const Atom *pairs = code.target.find("vdpbf16ps"), *fma = code.target.find("fma");
  const bool fast = pairs && (pairs->gops == 0 || pairs->gops > code.target.gflops_f32) && fma;
  if (fast && (w == 4 || w == 8 || w == 16)) {
    auto* type = llvm::FixedVectorType::get(builder.getBFloatTy(), 2 * w);
    const auto id = w == 16  ? Intrinsic::x86_avx512bf16_dpbf16ps_512
                    : w == 8 ? Intrinsic::x86_avx512bf16_dpbf16ps_256
                             : Intrinsic::x86_avx512bf16_dpbf16ps_128;
    return builder.CreateIntrinsic(id, {}, {acc, builder.CreateBitCast(a, type), builder.CreateBitCast(b, type)});
  }
  auto half = [&](Value* words, bool odd) {
    auto constant = [&](uint32_t c) { return llvm::ConstantInt::get(words->getType(), c); };
    Value* bits = odd ? builder.CreateAnd(words, constant(0xFFFF0000)) : builder.CreateShl(words, constant(16));
    return builder.CreateBitCast(bits, acc->getType());
  };
  for (bool odd : {false, true}) acc = emit_arith(code, SOp::Fma, DType::F32, half(a, odd), half(b, odd), acc);
  return acc;
}

}  // namespace

llvm::Type* half_sums_type(Code& code, Value* v) {
  return llvm::FixedVectorType::get(code.b.getHalfTy(), 2 * std::max(1U, width(v)));
}

Value* emit_half_sums(Code& code, Value* pairs) {
  auto& b = code.b;
  llvm::Type* words = shaped(b.getInt32Ty(), width(pairs) > 2 ? width(pairs) / 2 : 0);
  Value* bits = b.CreateBitCast(pairs, words);
  Value* swapped = b.CreateIntrinsic(Intrinsic::fshl, {words}, {bits, bits, llvm::ConstantInt::get(words, 16)});
  Value* sum = b.CreateBitCast(b.CreateFAdd(pairs, b.CreateBitCast(swapped, pairs->getType())), words);
  Value* half = b.CreateTrunc(sum, like(sum, b.getInt16Ty()));
  return b.CreateFPExt(b.CreateBitCast(half, like(half, b.getHalfTy())), like(half, b.getFloatTy()));
}

Value* emit_word_dot(Code& code, const WordDot& dot, Value* a, Value* b, Value* acc) {
  if (dot.sums_halves) {
    auto half = [&](Value* words) { return code.b.CreateBitCast(words, acc->getType()); };
    return code.b.CreateIntrinsic(Intrinsic::fma, {acc->getType()}, {half(a), half(b), acc});
  }
  if (dot.halves) return half_products(code, a, b, acc);
  return ByteProducts(code, dot, acc).run(a, b);
}

}  // namespace tenon::gen
