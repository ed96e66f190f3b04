#include "text.h"

#include <stdarg.h>

size_t length(const char* s) {
  size_t n = 0;
  while (s[n]) ++n;
  return n;
}

int starts(const char* s, const char* prefix) {
  while (*prefix)
    if (*s++ != *prefix++) return 0;
  return 1;
}

int equal(const char* a, const char* b) { return starts(a, b) && length(a) == length(b); }

int64_t parse_integer(const char* s, const char** end) {
  const char* p = s + (*s == '-');
  int64_t value = 0;
  *end = s;
  for (; *p >= '0' && *p <= '9'; ++p, *end = p)
    if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, *p - '0', &value)) {
      *end = s;
      return 0;
    }
  return *s == '-' ? -value : value;
}

void put(line* to, const char* s) {
  while (*s && to->used < sizeof to->text) to->text[to->used++] = *s++;
}

void put_integer(line* to, int64_t value) {
  char digits[24];
  size_t at = sizeof digits - 1;
  uint64_t rest = value < 0 ? -(uint64_t)value : (uint64_t)value;
  digits[at] = 0;
  do digits[--at] = (char)('0' + rest % 10);
  while (rest /= 10);
  if (value < 0) digits[--at] = '-';
  put(to, digits + at);
}

void put_milliseconds(line* to, int64_t ns) {
  int64_t us = ns / 1000;
  char fraction[5] = {'.', (char)('0' + us / 100 % 10), (char)('0' + us / 10 % 10), (char)('0' + us % 10), 0};
  put_integer(to, us / 1000);
  put(to, fraction);
}

void put_number(line* to, double value) {
  int64_t exponent = -8;
  if (value < 0) put(to, "-"), value = -value;
  if (!(value <= 0x1p1023)) {
    put(to, "null");
    return;
  }
  for (; value >= 10; ++exponent) value /= 10;
  for (; value > 0 && value < 1; --exponent) value *= 10;
  put_integer(to, (int64_t)(value * 1e8 + 0.5));
  put(to, "e");
  put_integer(to, exponent);
}

void drain(line* from, int fd) {
  enum { kRoom = 64 };
  if (from->used + kRoom > sizeof from->text) flush(from, fd);
}

void flush(line* from, int fd) {
  write_all(fd, from->text, from->used);
  from->used = 0;
}

void die(const char* first, ...) {
  line out = {.used = 0};
  va_list rest;
  va_start(rest, first);
  put(&out, "error: ");
  for (const char* part = first; part; part = va_arg(rest, const char*)) put(&out, part);
  va_end(rest);
  put(&out, "\n");
  flush(&out, STDERR);
  leave(1);
}
