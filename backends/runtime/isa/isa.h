/* What models of instructions share. Nothing of this is part of an artifact. */
#ifndef TENON_ISA_H
#define TENON_ISA_H

#include <stdint.h>

#pragma STDC FP_CONTRACT OFF

static inline uint32_t tn_bits(float v) {
  uint32_t bits;
  __builtin_memcpy(&bits, &v, sizeof bits);
  return bits;
}
static inline float tn_from_bits(uint32_t bits) {
  float v;
  __builtin_memcpy(&v, &bits, sizeof v);
  return v;
}
/* Subnormal numbers as zero of their sign. */
static inline float tn_flushed(float v) { return tn_bits(v) & 0x7F800000 ? v : tn_from_bits(tn_bits(v) & 0x80000000); }
static inline float tn_bf16(uint16_t bits) { return tn_flushed(tn_from_bits((uint32_t)bits << 16)); }
static inline uint64_t tn_bits64(double v) {
  uint64_t bits;
  __builtin_memcpy(&bits, &v, sizeof bits);
  return bits;
}
/* `sum` is a sum rounded to nearest, `error` what it lacks, exactly: the sum rounded to odd, which loses nothing that a
 * later rounding to fewer bits would need. */
static inline double tn_to_odd(double sum, double error) {
  uint64_t bits = tn_bits64(sum);
  if ((bits >> 52 & 0x7FF) == 0x7FF || error == 0 || (bits & 1)) return sum;
  bits += (error > 0) == (sum > 0) ? 1 : -UINT64_C(1);
  __builtin_memcpy(&sum, &bits, sizeof bits);
  return sum;
}
/* What a + b lacks of their sum. */
static inline double tn_sum_error(double a, double b, double sum) {
  const double part = sum - a;
  return (a - (sum - part)) + (b - part);
}
static inline double tn_power_of_two(int power) { /* a normal one */
  const uint64_t bits = (uint64_t)(power + 1023) << 52;
  double v;
  __builtin_memcpy(&v, &bits, sizeof v);
  return v;
}

#endif
