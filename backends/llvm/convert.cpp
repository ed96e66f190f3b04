// Casts between all element types; narrow floats by integer arithmetic where the target has none.
#include <bit>
#include <cmath>

#include <llvm/IR/Intrinsics.h>

#include "code.h"
#include "tenon/narrow_float.h"

namespace tenon::gen {

namespace {

namespace Intrinsic = llvm::Intrinsic;

// sign | exponent | mantissa; `top` is the code of the largest finite magnitude.
struct Narrow {
  int exponent, mantissa, bias;
  int64_t top, infinity, nan;  // infinity 0: none; nan 0: none
  bool negative_zero_is_nan = false;
};

std::optional<Narrow> narrow(DType type) {
  switch (type) {
    case DType::F16: return Narrow{5, 10, 15, 0x7BFF, 0x7C00, 0x7E00};
    case DType::BF16: return Narrow{8, 7, 127, 0x7F7F, 0x7F80, 0x7FC0};
    case DType::F8E4M3FN: return Narrow{4, 3, 7, 0x7E, 0, 0x7F};
    case DType::F8E5M2: return Narrow{5, 2, 15, 0x7B, 0x7C, 0x7F};
    case DType::F8E4M3FNUZ: return Narrow{4, 3, 8, 0x7F, 0, 0x80, true};
    case DType::F8E5M2FNUZ: return Narrow{5, 2, 16, 0x7F, 0, 0x80, true};
    case DType::F4E2M1: return Narrow{2, 1, 1, 0x7, 0, 0};
    default: return std::nullopt;
  }
}

class Converter {
 public:
  explicit Converter(Code& code) : code_(code), b_(code.b) {}

  Value* run(Value* v, DType from, DType to, bool saturate) {
    if (from == to) return v;
    if (from == DType::Bool) return from_bool(v, to);
    if (is_float(from) && bits(from) < 32) return run(decode(v, from), DType::F32, to, saturate);
    if (to == DType::Bool)
      return is_float(from) ? b_.CreateFCmpUNE(v, llvm::Constant::getNullValue(v->getType()))
                            : b_.CreateIsNotNull(v);
    if (is_float(to) && bits(to) < 32) return to_narrow(v, from, to, saturate);
    if (is_float(from) && is_float(to))
      return to == DType::F64 ? b_.CreateFPExt(v, as(v, to)) : b_.CreateFPTrunc(v, as(v, to));
    if (is_float(to)) return is_unsigned(from) ? b_.CreateUIToFP(v, as(v, to)) : b_.CreateSIToFP(v, as(v, to));
    if (is_float(from)) return saturate ? saturate_float(v, to) : float_to_int(v, to);
    return int_to_int(v, from, to, saturate);
  }

 private:
  llvm::Type* as(Value* v, DType type) { return like(v, code_.value_type(type)); }
  Value* i32(Value* v, int64_t c) { return llvm::ConstantInt::get(like(v, b_.getInt32Ty()), static_cast<uint64_t>(c)); }
  Value* f32_of(Value* v) { return b_.CreateBitCast(v, like(v, b_.getFloatTy())); }
  Value* bits_of(Value* v) { return b_.CreateBitCast(v, like(v, b_.getInt32Ty())); }

  Value* from_bool(Value* v, DType to) {
    if (is_float(to) && bits(to) < 32) return to_narrow(b_.CreateUIToFP(v, like(v, b_.getFloatTy())), DType::F32, to, false);
    return is_float(to) ? b_.CreateUIToFP(v, as(v, to)) : b_.CreateZExt(v, as(v, to));
  }

  Value* decode(Value* v, DType type) {
    if (type == DType::F16 && code_.isa.f16_convert)
      return b_.CreateFPExt(b_.CreateBitCast(v, like(v, b_.getHalfTy())), like(v, b_.getFloatTy()));
    Value* u = b_.CreateZExt(v, like(v, b_.getInt32Ty()));
    if (type == DType::BF16) return f32_of(b_.CreateShl(u, i32(v, 16)));
    if (type == DType::F8E8M0) {  // 2^(u - 127)
      Value* r = b_.CreateShl(u, i32(v, 23));
      r = b_.CreateSelect(b_.CreateICmpEQ(u, i32(v, 0)), i32(v, 0x00400000), r);
      return f32_of(b_.CreateSelect(b_.CreateICmpEQ(u, i32(v, 255)), i32(v, 0x7FC00000), r));
    }
    Narrow n = *narrow(type);
    int magnitude_bits = n.exponent + n.mantissa;
    Value* magnitude = b_.CreateAnd(u, i32(v, (1 << magnitude_bits) - 1));
    Value* shifted = b_.CreateShl(magnitude, i32(v, 23 - n.mantissa));
    // As f32 the exponent is too small by a constant; the product is exact, for subnormals as well.
    Value* r = b_.CreateFMul(f32_of(shifted), code_.real(like(v, b_.getFloatTy()), std::ldexp(1.0, 127 - n.bias)));
    r = bits_of(r);
    if (n.infinity) {
      Value* special = b_.CreateICmpUGE(magnitude, i32(v, n.infinity));
      r = b_.CreateSelect(special, b_.CreateOr(shifted, i32(v, 0x7F800000)), r);
    } else if (n.nan) {
      Value* tested = n.negative_zero_is_nan ? u : magnitude;
      r = b_.CreateSelect(b_.CreateICmpEQ(tested, i32(v, n.nan)), i32(v, 0x7FC00000), r);
    }
    Value* sign = b_.CreateShl(b_.CreateLShr(u, i32(v, magnitude_bits)), i32(v, 31));
    return f32_of(b_.CreateOr(r, sign));
  }

  // f64 to f32, rounded to odd, so that rounding again to fewer bits is rounding once.
  Value* to_f32_odd(Value* v) {
    Value* near = b_.CreateFPTrunc(v, like(v, b_.getFloatTy()));
    Value* back = b_.CreateFPExt(near, v->getType());
    Value* larger = b_.CreateFCmpOGT(b_.CreateUnaryIntrinsic(Intrinsic::fabs, back),
                                     b_.CreateUnaryIntrinsic(Intrinsic::fabs, v));
    Value* cut = b_.CreateSub(bits_of(near), b_.CreateZExt(larger, like(v, b_.getInt32Ty())));
    Value* odd = b_.CreateOr(cut, i32(v, 1));
    return f32_of(b_.CreateSelect(b_.CreateFCmpONE(back, v), odd, bits_of(near)));
  }

  Value* to_narrow(Value* v, DType from, DType to, bool saturate) {
    if (from != DType::F32 && from != DType::F64)
      v = bits(from) < 32 ? run(v, from, DType::F32, false) : run(v, from, DType::F64, false);
    if (v->getType()->getScalarType()->isDoubleTy()) v = to_f32_odd(v);
    Value* code = encode(v, to, saturate);
    return b_.CreateTrunc(code, as(v, to));
  }

  Value* encode(Value* v, DType to, bool saturate) {
    if (to == DType::F16 && code_.isa.f16_convert) {
      Value* half = b_.CreateFPTrunc(v, like(v, b_.getHalfTy()));
      return b_.CreateZExt(b_.CreateBitCast(half, like(v, b_.getInt16Ty())), like(v, b_.getInt32Ty()));
    }
    Value* u = bits_of(v);
    Value* absolute = b_.CreateAnd(u, i32(v, 0x7FFFFFFF));
    auto round = [&](Value* raw, int shift) {  // half to even at bit `shift`
      Value* odd = b_.CreateAnd(b_.CreateLShr(raw, i32(v, shift)), i32(v, 1));
      return b_.CreateLShr(b_.CreateAdd(b_.CreateAdd(raw, i32(v, (1 << (shift - 1)) - 1)), odd), i32(v, shift));
    };
    if (to == DType::F8E8M0) {  // no sign, no zero
      Value* up = b_.CreateLShr(b_.CreateAdd(absolute, i32(v, 0x7FFFFF)), i32(v, 23));
      up = b_.CreateSelect(b_.CreateICmpULE(absolute, i32(v, 0x00400000)), i32(v, 0), up);
      if (saturate) up = b_.CreateBinaryIntrinsic(Intrinsic::umin, up, i32(v, 254));
      return b_.CreateSelect(b_.CreateICmpUGE(absolute, i32(v, 0x7F800000)), i32(v, 255), up);
    }
    Narrow n = *narrow(to);
    Value* r = round(b_.CreateSub(absolute, i32(v, int64_t{127 - n.bias} << 23)), 23 - n.mantissa);
    if (n.bias != 127) {
      // Below the smallest normal number: the addition of a large power of two rounds to the right place.
      double magic = std::ldexp(1.0, 1 - n.bias - n.mantissa + 23);
      Value* sum = b_.CreateFAdd(f32_of(absolute), code_.real(like(v, b_.getFloatTy()), magic));
      Value* subnormal = b_.CreateSub(bits_of(sum), i32(v, std::bit_cast<int32_t>(static_cast<float>(magic))));
      Value* small = b_.CreateICmpULT(absolute, i32(v, int64_t{128 - n.bias} << 23));
      r = b_.CreateSelect(small, subnormal, r);
    }
    int64_t beyond = saturate || (!n.infinity && !n.nan) ? n.top : n.infinity ? n.infinity : n.nan;
    Value* over = b_.CreateOr(b_.CreateICmpSGT(r, i32(v, n.top)), b_.CreateICmpUGE(absolute, i32(v, 0x7F800000)));
    r = b_.CreateSelect(over, i32(v, beyond), r);
    Value* sign = b_.CreateLShr(b_.CreateAnd(u, i32(v, INT64_C(0x80000000))), i32(v, 31 - n.exponent - n.mantissa));
    if (n.negative_zero_is_nan) sign = b_.CreateSelect(b_.CreateICmpEQ(r, i32(v, 0)), i32(v, 0), sign);
    r = b_.CreateOr(r, sign);
    int64_t nan = n.nan ? n.nan : 0;
    return b_.CreateSelect(b_.CreateFCmpUNO(v, v), i32(v, nan), r);
  }

  // Truncates and wraps. What does not fit 64 bits (32 for narrow types) is the hardware's choice.
  Value* float_to_int(Value* v, DType to) {
    if (to == DType::U64) {
      Value* limit = code_.real(v->getType(), 0x1p63);
      Value* high = b_.CreateFCmpOGE(v, limit);
      llvm::Type* i64 = like(v, b_.getInt64Ty());
      Value* low = b_.CreateFreeze(b_.CreateFPToSI(b_.CreateSelect(high, b_.CreateFSub(v, limit), v), i64));
      return b_.CreateXor(low, b_.CreateShl(b_.CreateZExt(high, i64), llvm::ConstantInt::get(i64, 63)));
    }
    bool wide = bits(to) == 64 || to == DType::U32 || (to == DType::I32 && !code_.isa.x86);
    llvm::Type* step = like(v, wide ? b_.getInt64Ty() : b_.getInt32Ty());
    Value* whole = b_.CreateFreeze(b_.CreateFPToSI(v, step));
    return bits(to) < 8 ? wrap(b_.CreateTrunc(whole, as(v, to)), to) : b_.CreateTrunc(whole, as(v, to));
  }

  Value* saturate_float(Value* v, DType to) {
    int width = bits(to);
    bool s = is_signed(to);
    llvm::Type* type = v->getType();
    // Bounds that are integers commute with rounding. RISC-V rounds and converts in one instruction; its
    // truncating conversion after another rounding mode also trips an assertion of QEMU 7.
    const bool one_step = code_.isa.riscv && width < 32;
    if (!one_step) v = b_.CreateUnaryIntrinsic(Intrinsic::roundeven, v);
    Value* ordered = b_.CreateFCmpORD(v, v);
    if (width < 32) {  // exact bounds: clamp first
      double lo = s ? -std::ldexp(1.0, width - 1) : 0, hi = std::ldexp(1.0, s ? width - 1 : width) - 1;
      Value* low = code_.real(type, lo);
      Value* high = code_.real(type, hi);
      v = b_.CreateSelect(b_.CreateFCmpOGT(v, low), v, low);
      v = b_.CreateSelect(b_.CreateFCmpOLT(v, high), v, high);
      v = b_.CreateSelect(ordered, v, llvm::Constant::getNullValue(type));
      llvm::Type* word = like(v, b_.getInt32Ty());
      Value* whole = one_step ? b_.CreateIntrinsic(Intrinsic::lrint, {word, type}, {v}) : b_.CreateFPToSI(v, word);
      return b_.CreateTrunc(whole, as(v, to));
    }
    // The conversion of what does not fit is discarded.
    llvm::Type* result = as(v, to);
    unsigned n = static_cast<unsigned>(width);
    auto constant = [&](const llvm::APInt& c) { return llvm::ConstantInt::get(result, c); };
    Value* most = constant(s ? llvm::APInt::getSignedMaxValue(n) : llvm::APInt::getMaxValue(n));
    Value* least = constant(s ? llvm::APInt::getSignedMinValue(n) : llvm::APInt::getMinValue(n));
    Value* whole = s ? b_.CreateFPToSI(v, result) : b_.CreateFPToUI(v, result);
    Value* below = b_.CreateFCmpOGE(v, code_.real(type, s ? -std::ldexp(1.0, width - 1) : 0));
    Value* above = b_.CreateFCmpOGE(v, code_.real(type, std::ldexp(1.0, s ? width - 1 : width)));
    Value* clamped = b_.CreateSelect(above, most, b_.CreateSelect(below, whole, least));
    return b_.CreateSelect(ordered, clamped, llvm::Constant::getNullValue(result));
  }

  Value* wrap(Value* v, DType to) {  // a value of fewer than 8 bits, held in 8
    Value* shift = llvm::ConstantInt::get(v->getType(), static_cast<uint64_t>(8 - bits(to)));
    Value* high = b_.CreateShl(v, shift);
    return is_signed(to) ? b_.CreateAShr(high, shift) : b_.CreateLShr(high, shift);
  }

  Value* int_to_int(Value* v, DType from, DType to, bool saturate) {
    bool from_unsigned = is_unsigned(from);
    if (saturate && to != DType::Index) v = clamp(v, from, to);
    Value* r = b_.CreateIntCast(v, as(v, to), !from_unsigned);
    return bits(to) < 8 && bits(from) > bits(to) ? wrap(r, to) : r;
  }

  Value* clamp(Value* v, DType from, DType to) {
    auto* type = llvm::cast<llvm::IntegerType>(v->getType()->getScalarType());
    unsigned n = type->getBitWidth(), m = static_cast<unsigned>(bits(to));
    auto constant = [&](const llvm::APInt& c) { return llvm::ConstantInt::get(v->getType(), c); };
    bool s = !is_unsigned(from), to_signed = is_signed(to);
    if (unsigned top = to_signed ? m - 1 : m; top < (s ? n - 1 : n))
      v = b_.CreateBinaryIntrinsic(s ? Intrinsic::smin : Intrinsic::umin, v, constant(llvm::APInt::getLowBitsSet(n, top)));
    if (!s) return v;
    if (!to_signed) return b_.CreateBinaryIntrinsic(Intrinsic::smax, v, constant(llvm::APInt(n, 0)));
    if (m < n) return b_.CreateBinaryIntrinsic(Intrinsic::smax, v, constant(llvm::APInt::getSignedMinValue(m).sext(n)));
    return v;
  }

  Code& code_;
  llvm::IRBuilder<>& b_;
};

}  // namespace

Value* emit_convert(Code& code, Value* v, DType from, DType to, bool saturate) {
  return Converter(code).run(v, from, to, saturate);
}

llvm::Constant* emit_constant(Code& code, DType type, int64_t imm) {
  llvm::Type* t = code.value_type(type);
  if (!is_float(type)) return llvm::ConstantInt::get(t, static_cast<uint64_t>(imm));
  double value = std::bit_cast<double>(imm);
  if (bits(type) < 32) return llvm::ConstantInt::get(t, float_bits(type, value));
  return llvm::ConstantFP::get(t, value);
}

}  // namespace tenon::gen
