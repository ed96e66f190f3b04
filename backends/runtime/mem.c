/* What compilers call behind one's back. Local symbols of each artifact. */
#include <stddef.h>
#include <stdint.h>

typedef uint8_t vec __attribute__((vector_size(32), aligned(1), may_alias));
typedef uint64_t word __attribute__((aligned(1), may_alias));

void* memcpy(void* restrict to, const void* restrict from, size_t n);
void* memmove(void* to, const void* from, size_t n);
void* memset(void* to, int value, size_t n);
int memcmp(const void* a, const void* b, size_t n);

/* Loads everything before it stores anything: safe for overlap, n <= 64. */
static inline void copy_short(uint8_t* d, const uint8_t* s, size_t n) {
  if (n >= 32) {
    vec a = *(const vec*)s, b = *(const vec*)(s + n - 32);
    *(vec*)d = a;
    *(vec*)(d + n - 32) = b;
  } else if (n >= 16) {
    word a = *(const word*)s, b = *(const word*)(s + 8);
    word x = *(const word*)(s + n - 16), y = *(const word*)(s + n - 8);
    *(word*)d = a;
    *(word*)(d + 8) = b;
    *(word*)(d + n - 16) = x;
    *(word*)(d + n - 8) = y;
  } else if (n >= 8) {
    word a = *(const word*)s, b = *(const word*)(s + n - 8);
    *(word*)d = a;
    *(word*)(d + n - 8) = b;
  } else {
    uint8_t bytes[8];
    for (size_t i = 0; i < n; ++i) bytes[i] = s[i];
    for (size_t i = 0; i < n; ++i) d[i] = bytes[i];
  }
}

void* memmove(void* to, const void* from, size_t n) {
  uint8_t* d = to;
  const uint8_t* s = from;
  if (n <= 64) {
    copy_short(d, s, n);
  } else if ((uintptr_t)d - (uintptr_t)s >= n) { /* forwards is safe */
    vec last = *(const vec*)(s + n - 32);
    size_t i = 0;
    for (; i + 64 <= n; i += 64) {
      vec a = *(const vec*)(s + i), b = *(const vec*)(s + i + 32);
      *(vec*)(d + i) = a;
      *(vec*)(d + i + 32) = b;
    }
    if (n - i > 32) *(vec*)(d + i) = *(const vec*)(s + i);
    *(vec*)(d + n - 32) = last;
  } else {
    vec first = *(const vec*)s;
    size_t i = n;
    for (; i >= 64; i -= 64) {
      vec a = *(const vec*)(s + i - 32), b = *(const vec*)(s + i - 64);
      *(vec*)(d + i - 32) = a;
      *(vec*)(d + i - 64) = b;
    }
    if (i > 32) *(vec*)(d + i - 32) = *(const vec*)(s + i - 32);
    *(vec*)d = first;
  }
  return to;
}

void* memcpy(void* restrict to, const void* restrict from, size_t n) { return memmove(to, from, n); }

void* memset(void* to, int value, size_t n) {
  uint8_t* d = to;
  if (n < 32) {
    for (size_t i = 0; i < n; ++i) d[i] = (uint8_t)value;
  } else {
    vec v = (vec){0} + (uint8_t)value;
    for (size_t i = 0; i + 32 <= n; i += 32) *(vec*)(d + i) = v;
    *(vec*)(d + n - 32) = v;
  }
  return to;
}

int memcmp(const void* a, const void* b, size_t n) {
  const uint8_t *x = a, *y = b;
  size_t i = 0;
  while (i + 8 <= n && *(const word*)(x + i) == *(const word*)(y + i)) i += 8;
  for (; i < n; ++i)
    if (x[i] != y[i]) return x[i] < y[i] ? -1 : 1;
  return 0;
}
