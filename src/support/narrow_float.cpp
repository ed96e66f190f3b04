#include "tenon/narrow_float.h"

#include <llvm/ADT/APFloat.h>

#include <algorithm>
#include <bit>
#include <cmath>

#include "tenon/result.h"

namespace tenon {

namespace {

const llvm::fltSemantics& semantics(DType type) {
  switch (type) {
    case DType::F64: return llvm::APFloat::IEEEdouble();
    case DType::F32: return llvm::APFloat::IEEEsingle();
    case DType::F16: return llvm::APFloat::IEEEhalf();
    case DType::BF16: return llvm::APFloat::BFloat();
    case DType::F8E4M3FN: return llvm::APFloat::Float8E4M3FN();
    case DType::F8E4M3FNUZ: return llvm::APFloat::Float8E4M3FNUZ();
    case DType::F8E5M2: return llvm::APFloat::Float8E5M2();
    case DType::F8E5M2FNUZ: return llvm::APFloat::Float8E5M2FNUZ();
    case DType::F4E2M1: return llvm::APFloat::Float4E2M1FN();
    default: internal_error(__FILE__, __LINE__, "not a float type");
  }
}

llvm::APFloat rounded(DType type, double value, bool saturate) {
  const llvm::fltSemantics& sem = semantics(type);
  llvm::APFloat f(value);
  bool lost = false;
  bool finite = !f.isNaN() && !f.isInfinity();
  bool negative = f.isNegative();
  f.convert(sem, llvm::APFloat::rmNearestTiesToEven, &lost);
  bool overflowed = !f.isFinite() || (type == DType::F4E2M1 && !finite);
  if (saturate && !std::isnan(value) && overflowed) return llvm::APFloat::getLargest(sem, negative);
  return f;
}

}  // namespace

double round_to(DType type, double value, bool saturate) {
  if (type == DType::F64) return value;
  if (type == DType::F32) return static_cast<double>(static_cast<float>(value));
  return float_value(type, float_bits(type, value, saturate));
}

uint64_t float_bits(DType type, double value, bool saturate) {
  if (type == DType::F64) return std::bit_cast<uint64_t>(value);
  if (type == DType::F32) return std::bit_cast<uint32_t>(static_cast<float>(value));
  if (type == DType::F8E8M0) {  // 2^(bits-127): no sign, no zero, 255 is NaN; rounds up, so that scales cover
    if (!std::isfinite(value)) return 255;
    if (value == 0) return 0;
    int exponent = 0;
    double mantissa = std::frexp(std::fabs(value), &exponent);  // [0.5, 1)
    int biased = exponent + 127 - (mantissa == 0.5);
    if (biased > 254) return saturate ? 254 : 255;
    return static_cast<uint64_t>(std::max(biased, 0));
  }
  return rounded(type, value, saturate).bitcastToAPInt().getZExtValue();
}

double float_value(DType type, uint64_t raw) {
  if (type == DType::F64) return std::bit_cast<double>(raw);
  if (type == DType::F32) return static_cast<double>(std::bit_cast<float>(static_cast<uint32_t>(raw)));
  if (type == DType::F8E8M0)
    return raw == 255 ? std::numeric_limits<double>::quiet_NaN()
                      : std::ldexp(1.0, static_cast<int>(raw) - 127);
  llvm::APFloat f(semantics(type), llvm::APInt(static_cast<unsigned>(bits(type)), raw));
  bool lost = false;
  f.convert(llvm::APFloat::IEEEdouble(), llvm::APFloat::rmNearestTiesToEven, &lost);
  return f.convertToDouble();
}

}  // namespace tenon
