/* Models of x86 vector instructions, for tests on machines that lack them: what each intrinsic that the emitters use
 * computes, element by element. The emitter's call `llvm.x86.NAME(a, b)` becomes tn_isa_x86_NAME(&result, &a, &b):
 * vectors by address, the result first; scalars by value (backends/llvm/modelled.cpp). */
#include "isa.h"

static int32_t saturate(int64_t v, int32_t low, int32_t high) { return v < low ? low : v > high ? high : (int32_t)v; }

/* VNNI: u8 x s8, four products a lane, the sum wraps. */
static void vpdpbusd(int32_t* to, const int32_t* acc, const void* a, const void* b, int lanes) {
  const uint8_t* u = a;
  const int8_t* s = b;
  for (int i = 0; i < lanes; ++i) {
    int32_t sum = 0;
    for (int k = 0; k < 4; ++k) sum += u[4 * i + k] * s[4 * i + k];
    to[i] = (int32_t)((uint32_t)acc[i] + (uint32_t)sum);
  }
}
void tn_isa_x86_avx512_vpdpbusd_128(int32_t* to, const int32_t* acc, const void* a, const void* b) { vpdpbusd(to, acc, a, b, 4); }
void tn_isa_x86_avx512_vpdpbusd_256(int32_t* to, const int32_t* acc, const void* a, const void* b) { vpdpbusd(to, acc, a, b, 8); }
void tn_isa_x86_avx512_vpdpbusd_512(int32_t* to, const int32_t* acc, const void* a, const void* b) { vpdpbusd(to, acc, a, b, 16); }

/* Two 16-bit products a lane, exact but for -32768 * -32768 * 2, which wraps. */
static void pmaddwd(int32_t* to, const int16_t* a, const int16_t* b, int lanes) {
  for (int i = 0; i < lanes; ++i)
    to[i] = (int32_t)((uint32_t)(a[2 * i] * b[2 * i]) + (uint32_t)(a[2 * i + 1] * b[2 * i + 1]));
}
void tn_isa_x86_sse2_pmadd_wd(int32_t* to, const int16_t* a, const int16_t* b) { pmaddwd(to, a, b, 4); }
void tn_isa_x86_avx2_pmadd_wd(int32_t* to, const int16_t* a, const int16_t* b) { pmaddwd(to, a, b, 8); }
void tn_isa_x86_avx512_pmaddw_d_512(int32_t* to, const int16_t* a, const int16_t* b) { pmaddwd(to, a, b, 16); }

/* BF16: pairs of products, the odd one first; subnormal operands and results are zero, rounding is to nearest even. */
static void vdpbf16ps(float* to, const float* acc, const uint16_t* a, const uint16_t* b, int lanes) {
  for (int i = 0; i < lanes; ++i) {
    float sum = tn_flushed(acc[i]);
    for (int k = 1; k >= 0; --k)
      sum = tn_flushed((float)((double)tn_bf16(a[2 * i + k]) * (double)tn_bf16(b[2 * i + k]) + (double)sum));
    to[i] = sum;
  }
}
void tn_isa_x86_avx512bf16_dpbf16ps_128(float* to, const float* acc, const uint16_t* a, const uint16_t* b) { vdpbf16ps(to, acc, a, b, 4); }
void tn_isa_x86_avx512bf16_dpbf16ps_256(float* to, const float* acc, const uint16_t* a, const uint16_t* b) { vdpbf16ps(to, acc, a, b, 8); }
void tn_isa_x86_avx512bf16_dpbf16ps_512(float* to, const float* acc, const uint16_t* a, const uint16_t* b) { vdpbf16ps(to, acc, a, b, 16); }

/* To 16 bits of bf16, to nearest even; subnormal operands are zero, NaN stays NaN and becomes quiet. */
static void cvtneps2bf16(uint16_t* to, const float* from, int lanes) {
  for (int i = 0; i < lanes; ++i) {
    uint32_t bits = tn_bits(from[i]), magnitude = bits & 0x7FFFFFFF;
    if (magnitude > 0x7F800000) to[i] = (uint16_t)(bits >> 16 | 0x40);
    else if (magnitude < 0x00800000) to[i] = (uint16_t)(bits >> 16 & 0x8000);
    else to[i] = (uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
  }
}
void tn_isa_x86_avx512bf16_cvtneps2bf16_512(uint16_t* to, const float* from) { cvtneps2bf16(to, from, 16); }
void tn_isa_x86_avx512bf16_cvtneps2bf16_256(uint16_t* to, const float* from) { cvtneps2bf16(to, from, 8); }

/* Saturating packs, within each part of 128 bits: four or eight of a, then of b. */
static void packssdw(int16_t* to, const int32_t* a, const int32_t* b, int parts) {
  for (int p = 0; p < parts; ++p)
    for (int i = 0; i < 8; ++i) to[8 * p + i] = (int16_t)saturate(i < 4 ? a[4 * p + i] : b[4 * p + i - 4], -32768, 32767);
}
static void packbytes(uint8_t* to, const int16_t* a, const int16_t* b, int parts, int low, int high) {
  for (int p = 0; p < parts; ++p)
    for (int i = 0; i < 16; ++i) to[16 * p + i] = (uint8_t)saturate(i < 8 ? a[8 * p + i] : b[8 * p + i - 8], low, high);
}
void tn_isa_x86_sse2_packssdw_128(int16_t* to, const int32_t* a, const int32_t* b) { packssdw(to, a, b, 1); }
void tn_isa_x86_avx2_packssdw(int16_t* to, const int32_t* a, const int32_t* b) { packssdw(to, a, b, 2); }
void tn_isa_x86_avx512_packssdw_512(int16_t* to, const int32_t* a, const int32_t* b) { packssdw(to, a, b, 4); }
void tn_isa_x86_sse2_packsswb_128(uint8_t* to, const int16_t* a, const int16_t* b) { packbytes(to, a, b, 1, -128, 127); }
void tn_isa_x86_avx2_packsswb(uint8_t* to, const int16_t* a, const int16_t* b) { packbytes(to, a, b, 2, -128, 127); }
void tn_isa_x86_avx512_packsswb_512(uint8_t* to, const int16_t* a, const int16_t* b) { packbytes(to, a, b, 4, -128, 127); }
void tn_isa_x86_sse2_packuswb_128(uint8_t* to, const int16_t* a, const int16_t* b) { packbytes(to, a, b, 1, 0, 255); }
void tn_isa_x86_avx2_packuswb(uint8_t* to, const int16_t* a, const int16_t* b) { packbytes(to, a, b, 2, 0, 255); }
void tn_isa_x86_avx512_packuswb_512(uint8_t* to, const int16_t* a, const int16_t* b) { packbytes(to, a, b, 4, 0, 255); }

/* To the nearest even integer; what does not fit, and NaN, is the least integer. */
static int32_t nearest(float v) {
  if (!(v > -2147483904.0f && v < 2147483648.0f)) return INT32_MIN;
  int64_t whole = (int64_t)v;
  if ((float)whole > v) --whole;
  const double part = (double)v - (double)whole; /* exact */
  return (int32_t)(whole + (part > 0.5 || (part == 0.5 && (whole & 1))));
}
void tn_isa_x86_sse2_cvtps2dq(int32_t* to, const float* from) { for (int i = 0; i < 4; ++i) to[i] = nearest(from[i]); }
void tn_isa_x86_avx_cvt_ps2dq_256(int32_t* to, const float* from) { for (int i = 0; i < 8; ++i) to[i] = nearest(from[i]); }
void tn_isa_x86_avx512_mask_cvtps2dq_512(int32_t* to, const float* from, const int32_t* otherwise, uint32_t mask, uint32_t rounding) {
  (void)rounding; /* the emitters ask for nearest even */
  for (int i = 0; i < 16; ++i) to[i] = mask >> i & 1 ? nearest(from[i]) : otherwise[i];
}

/* x * 2^floor(n), rounded once. */
static double scaled(double x, double n, double most) {
  if (n != n) return n;
  if (n > most) n = most;
  if (n < -most) n = -most;
  int64_t power = (int64_t)n;
  if ((double)power > n) --power;
  while (power != 0) {
    const int step = power > 512 ? 512 : power < -512 ? -512 : (int)power;
    x *= tn_power_of_two(step);
    power -= step;
  }
  return x;
}
void tn_isa_x86_avx512_mask_scalef_ps_512(float* to, const float* x, const float* n, const float* otherwise, uint32_t mask, uint32_t rounding) {
  (void)rounding;
  for (int i = 0; i < 16; ++i) to[i] = mask >> i & 1 ? (float)scaled((double)x[i], (double)n[i], 400) : otherwise[i];
}
/* Two roundings where the result is subnormal. */
void tn_isa_x86_avx512_mask_scalef_pd_512(double* to, const double* x, const double* n, const double* otherwise, uint32_t mask, uint32_t rounding) {
  (void)rounding;
  for (int i = 0; i < 8; ++i) to[i] = mask >> i & 1 ? scaled(x[i], n[i], 2500) : otherwise[i];
}

/* The second operand where either is NaN or both are zero. */
#define EXTREME(name, type, lanes, order) \
  void tn_isa_x86_avx512_##name##_512(type* to, const type* x, const type* y, uint32_t rounding) { \
    (void)rounding; \
    for (int i = 0; i < (lanes); ++i) to[i] = x[i] order y[i] ? x[i] : y[i]; \
  }
EXTREME(max_ps, float, 16, >)
EXTREME(min_ps, float, 16, <)
EXTREME(max_pd, double, 8, >)
EXTREME(min_pd, double, 8, <)

void tn_isa_x86_avx512_permvar_sf_512(float* to, const float* from, const int32_t* index) {
  for (int i = 0; i < 16; ++i) to[i] = from[index[i] & 15];
}
void tn_isa_x86_avx512_vpermi2var_qi_512(uint8_t* to, const uint8_t* a, const uint8_t* index, const uint8_t* b) {
  for (int i = 0; i < 64; ++i) to[i] = (index[i] & 64 ? b : a)[index[i] & 63];
}

/* a * b + c with one rounding, where the machine fuses nothing. The product is exact in double. */
float tn_isa_fma_f32(float a, float b, float c) {
  const double product = (double)a * (double)b, addend = (double)c, sum = product + addend;
  return (float)tn_to_odd(sum, tn_sum_error(product, addend, sum));
}

static int is_extreme(double v) {
  const int exponent = (int)(tn_bits64(v) >> 52 & 0x7FF);
  return v != 0 && (exponent < 600 || exponent > 1450);
}
static double upper_half(double v) {
  const double shifted = 134217729.0 * v; /* 2^27 + 1 */
  return shifted - (shifted - v);
}
/* Boldo and Melquiond, Emulation of FMA and correctly rounded sums, 2008: exact product and sums, the last but one rounded
 * to odd. Where numbers are so large or small that these would overflow or lose bits: two roundings. */
double tn_isa_fma_f64(double a, double b, double c) {
  if (is_extreme(a) || is_extreme(b) || is_extreme(c)) return a * b + c;
  const double high = a * b, a1 = upper_half(a), a2 = a - a1, b1 = upper_half(b), b2 = b - b1;
  const double low = a2 * b2 - (((high - a1 * b1) - a2 * b1) - a1 * b2);
  const double t = c + low, t_error = tn_sum_error(c, low, t);
  const double v = high + t, v_error = tn_sum_error(high, t, v);
  const double rest = t_error + v_error;
  return v + tn_to_odd(rest, tn_sum_error(t_error, v_error, rest));
}

/* FP16: products and sums of f16 with one rounding, subnormal numbers as they are. */
static double half(uint32_t bits) {
  const uint32_t exponent = bits >> 10 & 31, mantissa = bits & 1023;
  double v = exponent == 0 ? (double)mantissa * tn_power_of_two(-24) : (double)(1024 + mantissa) * tn_power_of_two((int)exponent - 25);
  if (exponent == 31) v = mantissa ? (double)tn_from_bits(0x7FC00000) : (double)tn_from_bits(0x7F800000);
  return bits & 0x8000 ? -v : v;
}
static uint32_t half_bits(double v) {
  const uint32_t sign = (uint32_t)(tn_bits64(v) >> 48 & 0x8000);
  const double magnitude = sign ? -v : v;
  if (v != v) return 0x7E00;
  if (magnitude >= 65520) return sign | 0x7C00;
  int power = (int)(tn_bits64(magnitude) >> 52) - 1023; /* of its leading bit */
  if (power < -14) power = -14;
  const double step = tn_power_of_two(power - 10), shift = 0x1.8p52 * step;
  const uint32_t steps = (uint32_t)((magnitude + shift - shift) / step); /* 1024 of them are the next power */
  return sign | ((uint32_t)(power + 14) * 1024 + steps);
}
uint32_t tn_isa_fma_f16(uint32_t a, uint32_t b, uint32_t c) {
  const double product = half(a) * half(b), sum = product + half(c);
  return half_bits(tn_to_odd(sum, tn_sum_error(product, half(c), sum)));
}
uint32_t tn_isa_f32_of_f16(uint32_t bits) { return tn_bits((float)half(bits)); }
uint32_t tn_isa_f16_of_f32(uint32_t bits) { return half_bits((double)tn_from_bits(bits)); }
