// Elementary functions as straight code over vectors of f32 or f64. Full range: subnormals, infinities,
// NaN and signed zeros as C has them. exp, expm1, log, tanh, erf and sigmoid have an f32 form; the others
// compute f32 in f64, which leaves one rounding. Bounds: math_test.cpp asserts them.
#include <bit>
#include <cmath>
#include <numbers>
#include <span>

#include <llvm/IR/Intrinsics.h>
#include <llvm/IR/IntrinsicsX86.h>

#include "code.h"
#include "math_poly.h"
#include "tenon/result.h"
#include "tenon/short_functions.h"

namespace tenon::gen {

namespace {

namespace Intrinsic = llvm::Intrinsic;

// A float, scalar or vector, with operators that emit code.
struct F {
  Code* code;
  Value* v;
  F with(Value* x) const { return {code, x}; }
  F operator()(double c) const { return with(code->real(v->getType(), c)); }  // a constant of this shape
};
F operator+(F a, F b) { return a.with(a.code->b.CreateFAdd(a.v, b.v)); }
F operator-(F a, F b) { return a.with(a.code->b.CreateFSub(a.v, b.v)); }
F operator*(F a, F b) { return a.with(a.code->b.CreateFMul(a.v, b.v)); }
F operator/(F a, F b) { return a.with(a.code->b.CreateFDiv(a.v, b.v)); }
F operator+(F a, double b) { return a + a(b); }
F operator-(F a, double b) { return a - a(b); }
F operator-(double a, F b) { return b(a) - b; }
F operator*(F a, double b) { return a * a(b); }
F operator/(double a, F b) { return b(a) / b; }
F operator-(F a) { return a.with(a.code->b.CreateFNeg(a.v)); }
Value* operator<(F a, double b) { return a.code->b.CreateFCmpOLT(a.v, a(b).v); }
Value* operator>(F a, double b) { return a.code->b.CreateFCmpOGT(a.v, a(b).v); }
Value* operator>=(F a, double b) { return a.code->b.CreateFCmpOGE(a.v, a(b).v); }
Value* operator==(F a, double b) { return a.code->b.CreateFCmpOEQ(a.v, a(b).v); }
F select(Value* c, F a, F b) { return a.with(a.code->b.CreateSelect(c, a.v, b.v)); }
F fma(F a, F b, F c) { return a.with(emit_fma(*a.code, a.v, b.v, c.v)); }
F abs(F a) { return a.with(a.code->b.CreateUnaryIntrinsic(Intrinsic::fabs, a.v)); }
F sqrt(F a) { return a.with(a.code->b.CreateUnaryIntrinsic(Intrinsic::sqrt, a.v)); }
F copysign(F a, F sign) { return a.with(a.code->b.CreateBinaryIntrinsic(Intrinsic::copysign, a.v, sign.v)); }
F clamp(F x, double lo, double hi) {  // NaN stays
  x = select(x < lo, x(lo), x);
  return select(x > hi, x(hi), x);
}
F polynomial(F x, std::span<const double> c) {
  F p = x(c.back());
  for (size_t i = c.size() - 1; i-- > 0;) p = fma(p, x, x(c[i]));
  return p;
}

bool is_single(F x) { return x.v->getType()->getScalarType()->isFloatTy(); }
bool is_short(F x) { return x.code->short_functions && is_single(x); }
bool is_avx512(F x) { return x.code->isa.avx512 && x.v->getType()->isVectorTy() && x.v->getType()->getPrimitiveSizeInBits() == 512; }
int mantissa(F x) { return is_single(x) ? 23 : 52; }
int64_t bias(F x) { return is_single(x) ? 127 : 1023; }
llvm::Type* bits_type(F x) { return like(x.v, is_single(x) ? x.code->b.getInt32Ty() : x.code->b.getInt64Ty()); }
Value* bits_of(F x) { return x.code->b.CreateBitCast(x.v, bits_type(x)); }
Value* integer(F x, int64_t c) { return llvm::ConstantInt::get(bits_type(x), static_cast<uint64_t>(c), true); }
F of_bits(F like_this, Value* bits) { return like_this.with(like_this.code->b.CreateBitCast(bits, like_this.v->getType())); }
F power_of_two(F x, Value* n) {
  auto& b = x.code->b;
  return of_bits(x, b.CreateShl(b.CreateAdd(n, integer(x, bias(x))), integer(x, mantissa(x))));
}
// Added to a small number it leaves the nearest integer in the low bits.
double shifter(F x) { return is_single(x) ? 0x1.8p23 : 0x1.8p52; }
F to_float(F x, Value* n) {
  Value* base = bits_of(x(shifter(x)));
  return of_bits(x, x.code->b.CreateAdd(base, n)) - shifter(x);
}

struct Split {  // a = high + low
  F high, low;
};
Split two_sum(F a, F b) {
  F s = a + b, t = s - a;
  return {s, (a - (s - t)) + (b - t)};
}
Split two_product(F a, F b) {
  F p = a * b;
  if (a.code->isa.fma) return {p, fma(a, b, -p)};
  auto halves = [](F x) {
    F c = x * (is_single(x) ? 0x1.001p12 : 0x1.0000002p27), high = c - (c - x);
    return Split{high, x - high};
  };
  auto [ah, al] = halves(a);
  auto [bh, bl] = halves(b);
  return {p, ((ah * bh - p) + ah * bl + al * bh) + al * bl};
}

// ln 2 = high + low, where n * high is exact for every exponent n.
double ln2_high(F x) { return is_single(x) ? 0x1.63p-1 : 0x1.62e42feep-1; }
double ln2_low(F x) { return is_single(x) ? -0x1.bd0105c610ca8p-13 : 0x1.a39ef35793c76p-33; }

struct Exp {  // exp(x) = 2^n (1 + q), |r| <= ln(2)/2
  F n, shifted;  // the shifted one has n in its low bits
  F q;
};
Exp exp_parts(F x, F low, bool relative = false) {  // relative: to q where that is small
  F t = fma(x, x(std::numbers::log2e), x(shifter(x))), n = t - shifter(x);
  F r = fma(n, x(-ln2_low(x)), fma(n, x(-ln2_high(x)), x)) + low;
  if (is_short(x)) return {n, t, relative ? fma(r * r, polynomial(r, poly::kShortExpm1), r) : r * polynomial(r, poly::kShortExp)};
  F p = is_single(x) ? polynomial(r, poly::kExpF32) : polynomial(r, poly::kExp);
  return {n, t, fma(r * r, p, r)};
}
Value* exponent(const Exp& e) { return e.q.code->b.CreateSub(bits_of(e.shifted), bits_of(e.q(shifter(e.q)))); }
F scale(F x, const Exp& e) {  // x * 2^n
  auto& b = x.code->b;
  if (is_avx512(x)) {
    const auto* vector = llvm::cast<llvm::FixedVectorType>(x.v->getType());
    const auto id = is_single(x) ? Intrinsic::x86_avx512_mask_scalef_ps_512 : Intrinsic::x86_avx512_mask_scalef_pd_512;
    Value* all = b.getIntN(vector->getNumElements(), -1ULL >> (64 - vector->getNumElements()));
    constexpr int kCurrentRounding = 4;
    return x.with(b.CreateIntrinsic(id, {}, {x.v, e.n.v, x.v, all, b.getInt32(kCurrentRounding)}));
  }
  // In two steps: 2^n itself may not be a normal number.
  Value *n = exponent(e), *half = b.CreateAShr(n, integer(x, 1));
  return x * power_of_two(x, half) * power_of_two(x, b.CreateSub(n, half));
}
double least_exponent(F x) { return is_single(x) ? -104 : -746; }
F clamp_exponent(F x) { return clamp(x, least_exponent(x), is_single(x) ? 89 : 710); }

// exp(sign x + low) = 2^(n/16) exp(r), |r| <= ln(2)/32: the root is looked up by the low bits of n, and scaling takes the floor
// of n/16. The sign goes into constants, as a clamp of -x would take one operation more.
// normal: neither the result nor 2^(n/16) is subnormal or infinite. Their exponents are then added as integers, the root's without n's low bits.
F exp_by_roots(F x, F low, double sign, bool normal) {
  constexpr int kRoots = 16, kRootBits = 4;
  constexpr double kShifter = 0x1.8p19;  // added, the last bit is a sixteenth
  auto& b = x.code->b;
  F t = fma(x, x(sign * std::numbers::log2e), x(kShifter)), n = t - kShifter;
  F r = fma(n, x(-sign * ln2_low(x)), fma(n, x(-sign * ln2_high(x)), x)) + low;  // sign r
  std::vector<llvm::Constant*> roots;
  const int place = mantissa(x) - kRootBits;
  for (int i = 0; i < kRoots; ++i) {
    const auto root = static_cast<float>(std::exp2(static_cast<double>(i) / kRoots));
    const int32_t less = normal ? i << place : 0;
    roots.push_back(x.code->real(b.getFloatTy(), static_cast<double>(std::bit_cast<float>(std::bit_cast<int32_t>(root) - less))));
  }
  F root = x.with(b.CreateIntrinsic(Intrinsic::x86_avx512_permvar_sf_512, {}, {llvm::ConstantVector::get(roots), bits_of(t)}));
  const auto [half, sixth] = poly::kExpOfRoots;
  F q = fma(r * r, is_short(x) ? x(half) : fma(r, x(sign * sixth), x(half)), sign > 0 ? r : -r);
  if (!normal) return scale(fma(root, q, root), {n, t, q});
  root = of_bits(x, b.CreateAdd(bits_of(root), b.CreateShl(bits_of(t), integer(x, place))));
  return fma(root, q, root);
}

// exp(sign x + low) of exponents that no clamp would change.
F exp_within(F x, F low, double sign = 1, bool normal = false) {
  if (is_avx512(x) && is_single(x)) return exp_by_roots(x, low, sign, normal);
  const Exp e = exp_parts(sign > 0 ? x : -x, low);
  return scale(e.q + 1.0, e);
}
F exp_sum(F x, F low) { return exp_within(clamp_exponent(x), low); }
F exp(F x) { return exp_sum(x, x(-0.0)); }
F expm1(F x) {
  auto& b = x.code->b;
  int digits = mantissa(x) + 2;
  F c = clamp_exponent(x);
  const Exp e = exp_parts(select(c < -2.0 * digits, x(-2.0 * digits), c), x(-0.0), true);
  Value* n = exponent(e);
  Value* few = b.CreateBinaryIntrinsic(Intrinsic::smin, n, integer(x, digits));
  F s = power_of_two(x, few);
  F y = select(b.CreateICmpSGT(n, integer(x, digits)), scale(e.q + 1.0, e), fma(s, e.q, s - 1.0));
  return select(x == 0.0, x, y);
}

struct Log {  // |x| = 2^e (1 + f)
  F e, f;
};
Log log_parts(F x) {
  auto& b = x.code->b;
  int64_t root_half = is_single(x) ? 0x3F3504F3 : 0x3FE6A09E667F3BCD;
  Value* tiny = x < (is_single(x) ? 0x1p-126 : 0x1p-1022);
  Value* bits = bits_of(select(tiny, x * 0x1p54, x));
  Value* e = b.CreateAShr(b.CreateSub(bits, integer(x, root_half)), integer(x, mantissa(x)));
  F m = of_bits(x, b.CreateSub(bits, b.CreateShl(e, integer(x, mantissa(x)))));
  return {to_float(x, e) - select(tiny, x(54), x(0)), m - 1.0};
}
// log(x + low), low being small against x.
F log_sum(F x, F low) {
  auto [e, f] = log_parts(x);
  F half = f * f * 0.5, y = x;
  if (is_single(x)) {
    F r = f * f * f * (is_short(x) ? polynomial(f, poly::kShortLog) : polynomial(f, poly::kLogF32));
    y = fma(e, x(ln2_high(x)), f - (half - (r + fma(e, x(ln2_low(x)), low))));
  } else {
    F s = f / (f + 2.0), s2 = s * s;
    F r = s * (half + s2 * polynomial(s2, poly::kLog)) + fma(e, x(ln2_low(x)), low);
    y = e * ln2_high(x) - ((half - r) - f);
  }
  y = select(x == 0.0, x(-HUGE_VAL), select(x < 0.0, x(NAN), y));
  return select(x.code->b.CreateFCmpUEQ(x.v, x(HUGE_VAL).v), x, y);
}
F log(F x) { return log_sum(x, x(0)); }
F log1p(F x) {
  auto [u, c] = two_sum(x(1), x);
  F low = c / u;
  low = select(abs(low) < 1.0, low, x(0));  // u is zero or infinite
  return select(x == 0.0, x, log_sum(u, low));
}

// floor(2/pi * 2^1216), least significant word first.
constexpr uint64_t kTwoOverPi[] = {
    0x56033046fc7b6bab, 0x6bfb5fb11f8d5d08, 0x3d0739f78a5292ea, 0x7527bac7ebe5f17b,
    0x4f463f669e5fea2d, 0x6d367ecf27cb09b7, 0xef2f118b5a0a6d1f, 0x1ff897ffde05980f,
    0x9c845f8bbdf9283b, 0x3991d639835339f4, 0xe99c7026b45f7e41, 0xe88235f52ebb4484,
    0xfe1deb1cb129a73e, 0x06492eea09d1921c, 0xb7246e3a424dd2e0, 0xfe5163abdebbc561,
    0xdb6295993c439041, 0xfc2757d1f534ddc0, 0xa2f9836e4e441529,
};

// The same with zeros above: 2/pi < 1.
llvm::Constant* two_over_pi(Code& code) {
  if (auto* known = code.module.getGlobalVariable("two_over_pi", true)) return known;
  std::vector<uint64_t> words(std::begin(kTwoOverPi), std::end(kTwoOverPi));
  words.resize(words.size() + 8);
  llvm::Constant* data = llvm::ConstantDataArray::get(code.context, words);
  return new llvm::GlobalVariable(code.module, data->getType(), true, llvm::GlobalValue::PrivateLinkage, data, "two_over_pi");
}

// {high, low, n} with |x| - n pi/2 = high + low modulo 2 pi, for 2^20 <= |x| (Payne and Hanek): the
// product of the mantissa and the 192 bits of 2/pi that matter. Out of line: it is rare.
llvm::Function* reduce_large(Code& code) {
  if (llvm::Function* known = code.module.getFunction("reduce_large")) return known;
  auto& b = code.b;
  llvm::IRBuilderBase::InsertPointGuard back(b);
  llvm::Type *f64 = b.getDoubleTy(), *i64 = b.getInt64Ty(), *wide = b.getIntNTy(192), *window = b.getIntNTy(256);
  auto* result = llvm::StructType::get(f64, f64, i64);
  llvm::Function* f = code.function(llvm::FunctionType::get(result, {f64}, false), "reduce_large", llvm::GlobalValue::InternalLinkage);
  f->addFnAttr(llvm::Attribute::NoInline);
  b.SetInsertPoint(llvm::BasicBlock::Create(code.context, "entry", f));
  auto big = [&](unsigned shift) { return llvm::ConstantInt::get(wide, llvm::APInt(192, 1).shl(shift)); };
  Value* bits = b.CreateAnd(b.CreateBitCast(f->getArg(0), i64), code.index(INT64_MAX));
  Value* e = b.CreateSub(b.CreateLShr(bits, code.index(52)), code.index(1075));
  e = b.CreateBinaryIntrinsic(Intrinsic::smax, e, code.index(-32));
  Value* m = b.CreateOr(b.CreateAnd(bits, code.index((int64_t{1} << 52) - 1)), code.index(int64_t{1} << 52));
  Value* first = b.CreateSub(code.index(1216 + 2 - 192), e);
  Value* at = b.CreateGEP(b.getInt8Ty(), two_over_pi(code), b.CreateLShr(first, code.index(3)));
  Value* w = b.CreateLShr(b.CreateAlignedLoad(window, at, llvm::Align(1)), b.CreateZExt(b.CreateAnd(first, code.index(7)), window));
  Value* p = b.CreateMul(b.CreateTrunc(w, wide), b.CreateZExt(m, wide));  // units of 2^-190 quadrants, modulo 4
  Value* n = b.CreateLShr(b.CreateAdd(p, big(189)), llvm::ConstantInt::get(wide, 190));
  Value* rest = b.CreateSub(p, b.CreateShl(n, llvm::ConstantInt::get(wide, 190)));
  Value* negative = b.CreateICmpSLT(rest, llvm::ConstantInt::get(wide, 0));
  Value* size = b.CreateSelect(negative, b.CreateNeg(rest), rest);
  Value* zeros = b.CreateBinaryIntrinsic(Intrinsic::ctlz, size, b.getFalse());
  Value* shifted = b.CreateShl(size, zeros);
  Value* top = b.CreateTrunc(b.CreateLShr(shifted, llvm::ConstantInt::get(wide, 139)), i64);  // 53 bits
  Value* next = b.CreateAnd(b.CreateTrunc(b.CreateLShr(shifted, llvm::ConstantInt::get(wide, 86)), i64), code.index((int64_t{1} << 53) - 1));
  F unit = F{&code, code.real(f64, 1)};
  Value* z = b.CreateTrunc(zeros, i64);
  F high = unit.with(b.CreateSIToFP(top, f64)) * power_of_two(unit, b.CreateSub(code.index(139 - 190), z));
  F low = unit.with(b.CreateSIToFP(next, f64)) * power_of_two(unit, b.CreateSub(code.index(86 - 190), z));
  auto [r, error] = two_product(high, unit(0x1.921fb54442d18p0));
  F tail = fma(low, unit(0x1.921fb54442d18p0), fma(high, unit(0x1.1a62633145c07p-54), error));
  auto signed_of = [&](F x) { return select(negative, -x, x).v; };
  Value* out = llvm::PoisonValue::get(result);
  out = b.CreateInsertValue(out, signed_of(r), 0);
  out = b.CreateInsertValue(out, signed_of(tail), 1);
  out = b.CreateInsertValue(out, b.CreateTrunc(n, i64), 2);
  b.CreateRet(out);
  return f;
}

struct Angle {  // |x| = n pi/2 + high + low
  F high, low;
  Value* n;
};
Angle reduce(F x) {
  Code& code = *x.code;
  auto& b = code.b;
  constexpr double limit = 0x1p20;
  F a = abs(x), t = a * (2 / std::numbers::pi) + shifter(x), n = t - shifter(x);
  // pi/2 in parts of 33 bits, so that products with n are exact.
  F y = a - n * 0x1.921fb544p0;
  auto step = [](F from, F part) {
    F rest = from - part;
    return Split{rest, (from - rest) - part};
  };
  auto [y2, e2] = step(y, n * 0x1.0b4611a6p-34);
  auto [y3, e3] = step(y2, n * 0x1.3198a2ep-69);
  F low = (e2 + e3) - n * 0x1.b839a252049c1p-104;
  Value* count = b.CreateSub(bits_of(t), bits_of(x(shifter(x))));
  Value* large = a >= limit;
  Value* any = width(large) ? b.CreateOrReduce(large) : large;
  auto *before = b.GetInsertBlock(), *slow = llvm::BasicBlock::Create(code.context, "large", before->getParent()),
       *done = llvm::BasicBlock::Create(code.context, "reduced", before->getParent());
  b.CreateCondBr(any, slow, done);
  b.SetInsertPoint(slow);
  std::array<Value*, 3> fast = {y3.v, low.v, count}, exact = fast;
  llvm::Function* reducer = reduce_large(code);
  for (unsigned i = 0; i < std::max(1u, width(x.v)); ++i) {
    Value* one = b.CreateCall(reducer, {width(x.v) ? b.CreateExtractElement(a.v, i) : a.v});
    for (unsigned part = 0; part < 3; ++part) {
      Value* v = b.CreateExtractValue(one, part);
      exact[part] = width(x.v) ? b.CreateInsertElement(exact[part], v, i) : v;
    }
  }
  for (unsigned part = 0; part < 3; ++part) exact[part] = b.CreateSelect(large, exact[part], fast[part]);
  auto* end = b.GetInsertBlock();
  b.CreateBr(done);
  b.SetInsertPoint(done);
  std::array<llvm::PHINode*, 3> phis{};
  for (unsigned part = 0; part < 3; ++part) {
    phis[part] = b.CreatePHI(fast[part]->getType(), 2);
    phis[part]->addIncoming(fast[part], before);
    phis[part]->addIncoming(exact[part], end);
  }
  return {x.with(phis[0]), x.with(phis[1]), phis[2]};
}

// sin and cos of |x|, the quadrant applied.
Split sin_cos(F x) {
  auto& b = x.code->b;
  auto [r, low, n] = reduce(x);
  auto bit = [&](int64_t mask) { return b.CreateICmpNE(b.CreateAnd(n, integer(x, mask)), integer(x, 0)); };
  F r2 = r * r;
  F s = r + (low + r * r2 * polynomial(r2, poly::kSin));
  F half = r2 * 0.5, head = 1.0 - half;
  F c = head + ((1.0 - head - half) + (r2 * r2 * polynomial(r2, poly::kCos) - r * low));
  Value* odd = bit(1);
  F sine = select(odd, c, s), cosine = select(odd, s, c);
  sine = select(bit(2), -sine, sine);
  cosine = select(b.CreateXor(odd, bit(2)), -cosine, cosine);
  Value* finite = abs(x) < HUGE_VAL;
  return {select(finite, sine, x(NAN)), select(finite, cosine, x(NAN))};
}
F odd(F x, F of_abs) {  // f(-x) = -f(x)
  return select(x == 0.0, x, x.with(x.code->b.CreateSelect(x < 0.0, (-of_abs).v, of_abs.v)));
}

constexpr double kHalfPi = std::numbers::pi / 2, kHalfPiLow = 0x1.1a62633145c07p-54;

// For a >= 1/2: 2 asin(sqrt((1 - a) / 2)) = acos(a).
F acos_upper(F a) {
  F z = (1.0 - a) * 0.5, s = sqrt(z);
  return (s + s * z * polynomial(z, poly::kAsin)) * 2.0;
}
F asin(F x) {
  F a = abs(x), z = x * x;
  F small = a + a * z * polynomial(z, poly::kAsin);
  return copysign(select(a > 0.5, kHalfPi - (acos_upper(a) - kHalfPiLow), small), x);
}
F acos(F x) {
  F a = abs(x), z = x * x, upper = acos_upper(a);
  F small = kHalfPi - (x - (kHalfPiLow - x * z * polynomial(z, poly::kAsin)));
  return select(a > 0.5, select(x < 0.0, std::numbers::pi - (upper - 2 * kHalfPiLow), upper), small);
}
F atan(F x) {
  auto& b = x.code->b;
  F a = abs(x);
  Value* inverse = a > 1.0;
  F y = select(inverse, 1.0 / a, a);
  Value* upper = y > 0.41421356;
  F t = select(upper, (y - 1.0) / (y + 1.0), y), t2 = t * t;
  F p = t + t * t2 * polynomial(t2, poly::kAtan);
  p = select(upper, (p + 0.5 * kHalfPiLow) + 0.5 * kHalfPi, p);
  p = select(inverse, kHalfPi - (p - kHalfPiLow), p);
  return copysign(select(b.CreateFCmpUNO(x.v, x.v), x, p), x);
}

F sinh(F x) {
  F a = abs(x), m = expm1(a), h = exp(a * 0.5);
  F y = select(a > 700.0, (h * 0.5) * h, (m + m / (m + 1.0)) * 0.5);
  return copysign(y, x);
}
F cosh(F x) {
  F a = abs(x), e = exp(a), h = exp(a * 0.5);
  return select(a > 700.0, (h * 0.5) * h, (e + 1.0 / e) * 0.5);
}
F tanh(F x) {
  // From `one` on it rounds to 1; up to there 2^n is a number of n + 1 digits.
  const double one = is_single(x) ? 9.02 : 19.1;
  F a = abs(x), c = select(a > one, x(one), a);
  const Exp e = exp_parts(c * 2.0, x(-0.0), true);
  F s = scale(x(1), e), m = fma(s, e.q, s - 1.0);  // expm1(2 c)
  return copysign(m / (m + 2.0), x);
}
F asinh(F x) {
  F a = abs(x), a2 = a * a;
  F y = select(a > 0x1p28, log(a) + std::numbers::ln2, log1p(a + a2 / (sqrt(a2 + 1.0) + 1.0)));
  return copysign(y, x);
}
F acosh(F x) {
  F t = x - 1.0;
  F y = select(x > 0x1p28, log(x) + std::numbers::ln2, log1p(t + sqrt(t * 2.0 + t * t)));
  return select(x < 1.0, x(NAN), y);
}
F atanh(F x) {
  F a = abs(x);
  return copysign(log1p(a * 2.0 / (1.0 - a)) * 0.5, x);
}
// A polynomial around the nearest quarter, its coefficients looked up by the low bits of the quarter's number: a row per power.
template <size_t rows>
F erf_by_pieces(F x, const double (&pieces)[rows][16]) {
  auto& b = x.code->b;
  constexpr double kShifter = 0x1.8p21, kEnd = 3.87;  // added, the last bit is a quarter; erf is 1 from there on
  F a = abs(x), c = select(a > kEnd, x(kEnd), a), t = c + kShifter, d = c - (t - kShifter);
  F y = x(0);
  for (size_t power = rows; power-- > 0;) {
    std::vector<llvm::Constant*> row;
    for (double coefficient : pieces[power]) row.push_back(x.code->real(b.getFloatTy(), coefficient));
    F piece = x.with(b.CreateIntrinsic(Intrinsic::x86_avx512_permvar_sf_512, {}, {llvm::ConstantVector::get(row), bits_of(t)}));
    y = power + 1 == rows ? piece : fma(y, d, piece);
  }
  return copysign(y, x);
}
F erf(F x) {
  if (is_avx512(x) && is_single(x)) return is_short(x) ? erf_by_pieces(x, poly::kShortErfPieces) : erf_by_pieces(x, poly::kErfPieces);
  F a = abs(x), z = x * x;
  bool single = is_single(x);
  F small = is_short(x) ? polynomial(z, poly::kShortErf) : single ? polynomial(z, poly::kErfF32) : polynomial(z, poly::kErf);
  F c = clamp(a, 0, single ? 3.95 : 5.95);
  F large = 1.0 - exp(-(is_short(x) ? polynomial(c, poly::kShortErfc) : single ? polynomial(c, poly::kErfcF32) : polynomial(c, poly::kErfc)));
  return copysign(select(a < 1.0, a * small, large), x);
}
F sigmoid(F x) {
  constexpr double kOne = 60;  // from 40 on it rounds to 1, and exp(60) is not too large to divide by
  F e = exp_within(clamp(x, least_exponent(x), kOne), x(-0.0));
  return e / (e + 1.0);
}
// x sigmoid(y) of f32 by one operation less. Below -88, where the sigmoid is subnormal, it stays what it is there.
F gated(F x, F y) {
  F c = clamp(y, -88, 87);
  return x / (exp_within(c, c(-0.0), -1, true) + 1.0);
}

// exp(y log x), the logarithm in two doubles.
F pow(F x, F y) {
  auto& b = x.code->b;
  F a = abs(x);
  auto [e, f] = log_parts(a);
  F d = f + 2.0, d_low = f - (d - 2.0), s = f / d;
  auto [sd, sd_low] = two_product(s, d);
  F s_low = ((f - sd) - sd_low - s * d_low) / d, s2 = s * s;
  F low = fma(s * s2, polynomial(s2, poly::kLog), s_low * 2.0);
  auto [u, u_low] = two_sum(e * ln2_high(x), s * 2.0);
  auto [l, l_low] = two_sum(u, u_low + low + e * ln2_low(x));
  auto [p, p_low] = two_product(l, y);
  Value* moderate = abs(p) < 800.0;
  F r = exp_sum(p, select(moderate, p_low + l_low * y, x(0)));
  // Zeros, infinities, negative bases.
  Value* up = b.CreateXor(y > 0.0, a < 1.0);
  Value* extreme = b.CreateOr(b.CreateOr(a == 0.0, a == HUGE_VAL), abs(y) == HUGE_VAL);
  r = select(extreme, select(up, x(HUGE_VAL), x(0)), r);
  F whole = x.with(emit_round(*x.code, SOp::Trunc, y.v)), half = y * 0.5;
  Value* is_whole = b.CreateFCmpOEQ(whole.v, y.v);
  Value* is_odd = b.CreateAnd(is_whole, b.CreateFCmpUNE(emit_round(*x.code, SOp::Trunc, half.v), half.v));
  Value* negative = b.CreateICmpSLT(bits_of(x), integer(x, 0));
  r = select(b.CreateAnd(negative, is_odd), -r, r);
  Value* undefined = b.CreateAnd(b.CreateAnd(x < 0.0, x > -HUGE_VAL), b.CreateNot(is_whole));
  r = select(b.CreateOr(b.CreateFCmpUNO(x.v, y.v), undefined), x(NAN), r);
  Value* one = b.CreateOr(b.CreateOr(y == 0.0, x == 1.0), b.CreateAnd(x == -1.0, abs(y) == HUGE_VAL));
  return select(one, x(1), r);
}

}  // namespace

Value* emit_gated(Code& code, Value* x, Value* y) { return gated({&code, x}, {&code, y}).v; }

Value* emit_math(Code& code, SOp op, Value* x, Value* y) {
  auto& b = code.b;
  if (x->getType()->getScalarType()->isFloatTy() && !has_short_form(op)) {
    llvm::Type* wide = like(x, b.getDoubleTy());
    Value* v = emit_math(code, op, b.CreateFPExt(x, wide), y ? b.CreateFPExt(y, wide) : nullptr);
    return b.CreateFPTrunc(v, x->getType());
  }
  F a{&code, x};
  switch (op) {
    case SOp::Exp: return exp(a).v;
    case SOp::Expm1: return expm1(a).v;
    case SOp::Log: return log(a).v;
    case SOp::Log1p: return log1p(a).v;
    case SOp::Sin: return odd(a, sin_cos(a).high).v;
    case SOp::Cos: return sin_cos(a).low.v;
    case SOp::Tan: {
      auto [s, c] = sin_cos(a);
      return odd(a, s / c).v;
    }
    case SOp::Asin: return asin(a).v;
    case SOp::Acos: return acos(a).v;
    case SOp::Atan: return atan(a).v;
    case SOp::Sinh: return sinh(a).v;
    case SOp::Cosh: return cosh(a).v;
    case SOp::Tanh: return tanh(a).v;
    case SOp::Asinh: return asinh(a).v;
    case SOp::Acosh: return acosh(a).v;
    case SOp::Atanh: return atanh(a).v;
    case SOp::Erf: return erf(a).v;
    case SOp::Sigmoid: return sigmoid(a).v;
    case SOp::Pow: return pow(a, {&code, y}).v;
    default: internal_error(__FILE__, __LINE__, "no function: " + std::string(spelling(op)));
  }
}

}  // namespace tenon::gen
