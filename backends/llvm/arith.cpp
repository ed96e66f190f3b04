// Arithmetic, comparisons, bits and rounding.
#include <cmath>

#include <llvm/IR/Intrinsics.h>
#include <llvm/IR/IntrinsicsX86.h>

#include "code.h"

namespace tenon::gen {

namespace {

using llvm::CmpInst;
using llvm::Intrinsic::ID;
namespace Intrinsic = llvm::Intrinsic;

// AVX-512's maxps of whole vectors, which select of a comparison is as well, but by its name: two selects in a row would become
// one, of two comparisons. Null: not of that kind.
Value* minmax_whole(Code& code, bool max, Value* x, Value* y) {
  constexpr uint32_t kCurrentRounding = 4, kBits = 512;
  llvm::Type* scalar = x->getType()->getScalarType();
  if (!code.isa.avx512 || (!scalar->isFloatTy() && !scalar->isDoubleTy()) || width(x) * scalar->getScalarSizeInBits() != kBits) return nullptr;
  const bool single = scalar->isFloatTy();
  const ID id = max ? (single ? Intrinsic::x86_avx512_max_ps_512 : Intrinsic::x86_avx512_max_pd_512)
                    : (single ? Intrinsic::x86_avx512_min_ps_512 : Intrinsic::x86_avx512_min_pd_512);
  return code.b.CreateIntrinsic(id, {}, {x, y, code.b.getInt32(kCurrentRounding)});
}

Value* minmax_float(Code& code, bool max, Value* x, Value* y) {
  auto& b = code.b;
  if (code.isa.arm64) return b.CreateBinaryIntrinsic(max ? Intrinsic::maximum : Intrinsic::minimum, x, y);
  // x86's maxps gives its second operand where either is NaN: one instruction if the first cannot be.
  if (llvm::isa<llvm::Constant>(y)) std::swap(x, y);
  // A select of 1 that is multiplied becomes a select of products, in three instructions: hard sigmoids end so.
  Value* result = !llvm::isa<llvm::Constant>(x) || x == code.real(x->getType(), 1) ? minmax_whole(code, max, x, y) : nullptr;
  if (!result) result = b.CreateSelect(max ? b.CreateFCmpOGT(x, y) : b.CreateFCmpOLT(x, y), x, y);
  if (llvm::isa<llvm::Constant>(x)) return result;
  return b.CreateSelect(b.CreateFCmpORD(x, x), result, x);
}

// Exact remainder with the sign of x: long division in steps of one bit, since frem would call fmod.
// Every subtraction is of a multiple of y that lies within a factor of two, so it is exact.
Value* remainder_float(Code& code, Value* x, Value* y) {
  auto& b = code.b;
  llvm::Type* type = x->getType();
  if (type->getScalarType()->isFloatTy()) {  // f32's subnormals are normal in f64
    llvm::Type* wide = like(x, b.getDoubleTy());
    return b.CreateFPTrunc(remainder_float(code, b.CreateFPExt(x, wide), b.CreateFPExt(y, wide)), type);
  }
  llvm::Type* bits_type = like(x, b.getInt64Ty());
  auto real = [&](double v) { return code.real(type, v); };
  auto integer = [&](int64_t v) { return llvm::ConstantInt::get(bits_type, static_cast<uint64_t>(v)); };
  Value* ax = b.CreateUnaryIntrinsic(Intrinsic::fabs, x);
  Value* ay = b.CreateUnaryIntrinsic(Intrinsic::fabs, y);
  // y * 2^k with the exponent of r (or one less), by two factors, for subnormal y's sake.
  auto exponent = [&](Value* v) {
    Value* tiny = b.CreateFCmpOLT(v, real(0x1p-1022));
    Value* scaled = b.CreateSelect(tiny, b.CreateFMul(v, real(0x1p54)), v);
    Value* e = b.CreateLShr(b.CreateBitCast(scaled, bits_type), integer(52));
    return b.CreateSub(e, b.CreateSelect(tiny, integer(54), integer(0)));
  };
  auto power = [&](Value* e) { return b.CreateBitCast(b.CreateShl(b.CreateAdd(e, integer(1023)), integer(52)), type); };
  auto any = [&](Value* c) { return width(c) ? b.CreateOrReduce(c) : c; };
  Value* ey = exponent(ay);
  Value* proper = b.CreateAnd(b.CreateFCmpOLT(ax, real(HUGE_VAL)), b.CreateFCmpOGT(ay, real(0)));

  llvm::BasicBlock* entry = b.GetInsertBlock();
  auto* function = entry->getParent();
  auto* loop = llvm::BasicBlock::Create(code.context, "remainder", function);
  auto* done = llvm::BasicBlock::Create(code.context, "remainder.done", function);
  auto open = [&](Value* r) { return b.CreateAnd(proper, b.CreateFCmpOGE(r, ay)); };
  b.CreateCondBr(any(open(ax)), loop, done);
  b.SetInsertPoint(loop);
  llvm::PHINode* r = b.CreatePHI(type, 2);
  Value* k = b.CreateSub(exponent(r), ey);
  Value* half = b.CreateAShr(k, integer(1));
  Value* t = b.CreateFMul(b.CreateFMul(ay, power(half)), power(b.CreateSub(k, half)));
  t = b.CreateSelect(b.CreateFCmpOGT(t, r), b.CreateFMul(t, real(0.5)), t);
  Value* next = b.CreateSelect(open(r), b.CreateFSub(r, t), r);
  r->addIncoming(ax, entry);
  r->addIncoming(next, loop);
  b.CreateCondBr(any(open(next)), loop, done);
  b.SetInsertPoint(done);
  llvm::PHINode* rest = b.CreatePHI(type, 2);
  rest->addIncoming(ax, entry);
  rest->addIncoming(next, loop);
  Value* result = b.CreateBinaryIntrinsic(Intrinsic::copysign, rest, x);
  Value* whole = b.CreateFCmpOEQ(ay, real(HUGE_VAL));  // finite x, infinite y: x
  result = b.CreateSelect(b.CreateAnd(whole, b.CreateFCmpOLT(ax, real(HUGE_VAL))), x, result);
  return b.CreateSelect(b.CreateOr(proper, whole), result, real(NAN));
}

Value* emit_float(Code& code, SOp op, Value* x, Value* y) {
  auto& b = code.b;
  llvm::Type* type = x->getType();
  switch (op) {
    case SOp::Add: return b.CreateFAdd(x, y);
    case SOp::Sub: return b.CreateFSub(x, y);
    case SOp::Mul: return b.CreateFMul(x, y);
    case SOp::Div: return b.CreateFDiv(x, y);
    case SOp::FloorDiv: return emit_round(code, SOp::Floor, b.CreateFDiv(x, y));
    case SOp::Rem: return remainder_float(code, x, y);
    case SOp::Mod: {
      Value* r = remainder_float(code, x, y);
      Value* zero = code.real(type, 0);
      Value* apart = b.CreateXor(b.CreateFCmpOLT(r, zero), b.CreateFCmpOLT(y, zero));
      return b.CreateSelect(b.CreateAnd(b.CreateFCmpUNE(r, zero), apart), b.CreateFAdd(r, y), r);
    }
    case SOp::Min: return minmax_float(code, false, x, y);
    case SOp::Max: return minmax_float(code, true, x, y);
    case SOp::Neg: return b.CreateFNeg(x);
    case SOp::Abs: return b.CreateUnaryIntrinsic(Intrinsic::fabs, x);
    case SOp::Sign: {
      Value* one = b.CreateBinaryIntrinsic(Intrinsic::copysign, code.real(type, 1), x);
      return b.CreateSelect(b.CreateFCmpUEQ(x, code.real(type, 0)), x, one);  // zeros and NaN as they are
    }
    case SOp::Sqrt: return b.CreateUnaryIntrinsic(Intrinsic::sqrt, x);
    case SOp::Floor:
    case SOp::Ceil:
    case SOp::Trunc:
    case SOp::Round: return emit_round(code, op, x);
    default: return emit_math(code, op, x, y);
  }
}

// Division that never traps: x / 0 = 0, and the smallest number / -1 wraps.
Value* divide_int(Code& code, SOp op, bool is_signed, Value* x, Value* y) {
  auto& b = code.b;
  llvm::Type* type = x->getType();
  Value* zero = llvm::ConstantInt::get(type, 0);
  Value* one = llvm::ConstantInt::get(type, 1);
  Value* minus_one = llvm::ConstantInt::getAllOnesValue(type);
  bool remainder = op == SOp::Rem || op == SOp::Mod;
  Value* by_zero = b.CreateICmpEQ(y, zero);
  if (!is_signed) {
    Value* safe = b.CreateSelect(by_zero, one, y);
    return b.CreateSelect(by_zero, zero, remainder ? b.CreateURem(x, safe) : b.CreateUDiv(x, safe));
  }
  Value* negate = b.CreateICmpEQ(y, minus_one);
  Value* safe = b.CreateSelect(b.CreateOr(by_zero, negate), one, y);
  Value* quotient = b.CreateSDiv(x, safe);
  Value* rest = b.CreateSub(x, b.CreateMul(quotient, safe));
  Value* result = remainder ? rest : quotient;
  if (op == SOp::FloorDiv || op == SOp::Mod) {
    Value* apart = b.CreateICmpSLT(b.CreateXor(rest, safe), zero);
    Value* adjust = b.CreateAnd(b.CreateICmpNE(rest, zero), apart);
    result = b.CreateSelect(adjust, op == SOp::Mod ? b.CreateAdd(rest, safe) : b.CreateAdd(quotient, minus_one), result);
  }
  if (remainder) return b.CreateSelect(b.CreateOr(by_zero, negate), zero, result);
  return b.CreateSelect(by_zero, zero, b.CreateSelect(negate, b.CreateNeg(x), result));
}

Value* shift(Code& code, SOp op, bool is_signed, Value* x, Value* y) {
  auto& b = code.b;
  llvm::Type* type = x->getType();
  Value* last = llvm::ConstantInt::get(type, type->getScalarSizeInBits() - 1);
  Value* zero = llvm::ConstantInt::get(type, 0);
  Value* amount = b.CreateBinaryIntrinsic(Intrinsic::umin, y, last);
  if (op == SOp::Shr && is_signed) return b.CreateAShr(x, amount);
  Value* shifted = op == SOp::Shl ? b.CreateShl(x, amount) : b.CreateLShr(x, amount);
  return b.CreateSelect(b.CreateICmpUGT(y, last), zero, shifted);
}

Value* emit_int(Code& code, SOp op, DType type, Value* x, Value* y) {
  auto& b = code.b;
  bool is_signed = !is_unsigned(type) && type != DType::Bool;
  switch (op) {
    case SOp::Add: return b.CreateAdd(x, y);
    case SOp::Sub: return b.CreateSub(x, y);
    case SOp::Mul: return b.CreateMul(x, y);
    case SOp::Div:
    case SOp::Rem:
    case SOp::FloorDiv:
    case SOp::Mod: return divide_int(code, op, is_signed, x, y);
    case SOp::Min: return b.CreateBinaryIntrinsic(is_signed ? Intrinsic::smin : Intrinsic::umin, x, y);
    case SOp::Max: return b.CreateBinaryIntrinsic(is_signed ? Intrinsic::smax : Intrinsic::umax, x, y);
    case SOp::Neg: return b.CreateNeg(x);
    case SOp::Abs: return is_signed ? b.CreateBinaryIntrinsic(Intrinsic::abs, x, b.getFalse()) : x;
    case SOp::Sign: {
      Value* zero = llvm::ConstantInt::get(x->getType(), 0);
      Value* positive = b.CreateZExt(is_signed ? b.CreateICmpSGT(x, zero) : b.CreateICmpNE(x, zero), x->getType());
      return is_signed ? b.CreateAdd(positive, b.CreateSExt(b.CreateICmpSLT(x, zero), x->getType())) : positive;
    }
    case SOp::And: return b.CreateAnd(x, y);
    case SOp::Or: return b.CreateOr(x, y);
    case SOp::Xor: return b.CreateXor(x, y);
    case SOp::Not: return b.CreateNot(x);
    case SOp::Shl:
    case SOp::Shr: return shift(code, op, is_signed, x, y);
    default: internal_error(__FILE__, __LINE__, "no integer operation: " + std::string(spelling(op)));
  }
}

CmpInst::Predicate predicate(SOp op, DType type) {
  bool f = is_float(type), s = !is_unsigned(type) && type != DType::Bool;
  switch (op) {
    case SOp::Eq: return f ? CmpInst::FCMP_OEQ : CmpInst::ICMP_EQ;
    case SOp::Ne: return f ? CmpInst::FCMP_UNE : CmpInst::ICMP_NE;
    case SOp::Lt: return f ? CmpInst::FCMP_OLT : s ? CmpInst::ICMP_SLT : CmpInst::ICMP_ULT;
    case SOp::Le: return f ? CmpInst::FCMP_OLE : s ? CmpInst::ICMP_SLE : CmpInst::ICMP_ULE;
    case SOp::Gt: return f ? CmpInst::FCMP_OGT : s ? CmpInst::ICMP_SGT : CmpInst::ICMP_UGT;
    default: return f ? CmpInst::FCMP_OGE : s ? CmpInst::ICMP_SGE : CmpInst::ICMP_UGE;
  }
}

}  // namespace

Value* emit_fma(Code& code, Value* a, Value* b, Value* c) {
  return code.b.CreateIntrinsic(code.isa.fma ? Intrinsic::fma : Intrinsic::fmuladd, {a->getType()}, {a, b, c});
}

Value* emit_round(Code& code, SOp op, Value* a) {
  ID id = op == SOp::Floor  ? Intrinsic::floor
          : op == SOp::Ceil ? Intrinsic::ceil
          : op == SOp::Trunc ? Intrinsic::trunc
                             : Intrinsic::roundeven;
  return code.b.CreateUnaryIntrinsic(id, a);
}

// `type` is that of the operands.
Value* emit_arith(Code& code, SOp op, DType type, Value* x, Value* y, Value* z) {
  auto& b = code.b;
  if (is_compare(op)) return b.CreateCmp(predicate(op, type), x, y);
  if (op == SOp::IsNan) return b.CreateFCmpUNO(x, x);
  if (op == SOp::IsInf)
    return b.CreateFCmpOEQ(b.CreateUnaryIntrinsic(Intrinsic::fabs, x), code.real(x->getType(), HUGE_VAL));
  if (op == SOp::Fma) return emit_fma(code, x, y, z);
  return is_float(type) ? emit_float(code, op, x, y) : emit_int(code, op, type, x, y);
}

}  // namespace tenon::gen
