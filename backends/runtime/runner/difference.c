#include "difference.h"

#include "text.h"

static const double kInfinity = __builtin_inf();

/* 1 sign bit, `exponents` bits of exponent, the rest a fraction: of 16 bits. */
static double half(uint16_t bits, int exponents) {
  const int fraction_bits = 15 - exponents, bias = (1 << (exponents - 1)) - 1, top = (1 << exponents) - 1;
  const int exponent = bits >> fraction_bits & top, fraction = bits & ((1 << fraction_bits) - 1);
  double value = exponent == 0 ? fraction : fraction + (1 << fraction_bits);
  if (exponent == top) value = fraction ? __builtin_nan("") : kInfinity;
  for (int e = exponent ? exponent : 1; e < bias + fraction_bits; ++e) value *= 0.5;
  for (int e = exponent; e > bias + fraction_bits && e < top; --e) value *= 2;
  return bits >> 15 ? -value : value;
}

typedef enum kind { F32, F64, F16, BF16, SIGNED, UNSIGNED, UNKNOWN } kind;

static kind kind_of(const tn_port* port) {
  const char* type = port->descr + 1;
  if (equal(type, "f4")) return F32;
  if (equal(type, "f8")) return F64;
  if (equal(type, "f2")) return F16;
  if (equal(type, "V2")) return BF16;
  if (port->bits < 8) return UNKNOWN;
  if (*type == 'i') return SIGNED;
  return *type == 'u' || *type == 'b' ? UNSIGNED : UNKNOWN;
}

static double element(kind of, uint32_t bits, const uint8_t* at) {
  int64_t value = 0;
  switch (of) {
    case F32: return *(const float*)at;
    case F64: return *(const double*)at;
    case F16: return half(*(const uint16_t*)at, 5);
    case BF16: return half(*(const uint16_t*)at, 8);
    default: break;
  }
  for (uint32_t k = 0; k < bits / 8; ++k) value |= (int64_t)((uint64_t)at[k] << 8 * k);
  if (of == SIGNED && bits < 64) value = (int64_t)((uint64_t)value << (64 - bits)) >> (64 - bits);
  return of == SIGNED ? (double)value : (double)(uint64_t)value;
}

double greatest_difference(const tn_port* port, const void* output, const int64_t* shape, const array* expected) {
  const kind of = kind_of(port);
  const int is_float = of <= BF16;
  size_t count = 1;
  int fits = expected->rank == port->rank && of != UNKNOWN && equal(expected->descr + 1, is_float ? "f8" : port->descr + 1);
  for (uint32_t k = 0; fits && k < port->rank; ++k) fits = expected->dims[k] == shape[k], count *= (size_t)shape[k];
  if (!fits) return kInfinity;
  const uint32_t width = is_float ? 64 : port->bits;
  double most = 0;
  for (size_t k = 0; k < count; ++k) {
    const double got = element(of, port->bits, (const uint8_t*)output + k * (port->bits / 8));
    const double want = element(is_float ? F64 : of, width, expected->data + k * (width / 8));
    if (got == want || (got != got && want != want)) continue;
    double apart = got > want ? got - want : want - got;
    if (apart != apart) apart = kInfinity;
    if (apart > most) most = apart;
  }
  return most;
}
