/* The k greatest or least elements of each row along one axis, best first. Equal elements keep their
 * order; NaN counts as greater than every number. */
#include <stdint.h>

void tn_topk(const void* x, void* values, int64_t* indices, int64_t outer, int64_t n, int64_t inner, int64_t k,
             int64_t bits, int64_t is_signed, int64_t infinity, int64_t largest);

typedef struct row {
  const void* x;
  int64_t first, stride; /* in elements */
  int64_t bits;
  uint64_t sign;         /* the sign bit; 0 for unsigned integers */
  uint64_t infinity;     /* the float type's, as bits; 0 for integers */
  uint64_t flip;         /* all ones where the least are wanted */
} row;

static uint64_t load(const void* x, int64_t bits, int64_t at) {
  switch (bits) {
    case 8: return ((const uint8_t*)x)[at];
    case 16: return ((const uint16_t*)x)[at];
    case 32: return ((const uint32_t*)x)[at];
    default: return ((const uint64_t*)x)[at];
  }
}

static void store(void* x, int64_t bits, int64_t at, uint64_t raw) {
  switch (bits) {
    case 8: ((uint8_t*)x)[at] = (uint8_t)raw; break;
    case 16: ((uint16_t*)x)[at] = (uint16_t)raw; break;
    case 32: ((uint32_t*)x)[at] = (uint32_t)raw; break;
    default: ((uint64_t*)x)[at] = raw; break;
  }
}

/* A number that is greater for the better element. */
static uint64_t rank_of(const row* r, int64_t i) {
  uint64_t raw = load(r->x, r->bits, r->first + i * r->stride);
  if (r->infinity) {
    uint64_t magnitude = raw & (r->sign - 1);
    int negative = (raw & r->sign) != 0 && magnitude <= r->infinity;
    if (magnitude > r->infinity) magnitude = r->infinity + 1; /* every NaN is the same */
    return (negative ? r->sign - magnitude : r->sign + magnitude) ^ r->flip;
  }
  return raw ^ r->sign ^ r->flip;
}

static int better(const row* r, int64_t a, int64_t b) {
  uint64_t ra = rank_of(r, a), rb = rank_of(r, b);
  return ra != rb ? ra > rb : a < b;
}

/* heap[0 .. size), every `step`-th entry: each parent is worse than its children. Lets the entry at
 * `hole` become `value`, moved down to its place. */
static void sift_down(const row* r, int64_t* heap, int64_t step, int64_t size, int64_t hole, int64_t value) {
  for (;;) {
    int64_t child = 2 * hole + 1;
    if (child >= size) break;
    if (child + 1 < size && better(r, heap[child * step], heap[(child + 1) * step])) ++child;
    if (better(r, heap[child * step], value)) break;
    heap[hole * step] = heap[child * step];
    hole = child;
  }
  heap[hole * step] = value;
}

static void top_of_row(const row* r, int64_t* heap, int64_t n, int64_t k) {
  int64_t step = r->stride;
  for (int64_t i = 0; i < k; ++i) heap[i * step] = i;
  for (int64_t i = k / 2; i-- > 0;) sift_down(r, heap, step, k, i, heap[i * step]);
  for (int64_t i = k; i < n; ++i)
    if (better(r, i, heap[0])) sift_down(r, heap, step, k, 0, i);
  for (int64_t size = k; size-- > 1;) { /* the worst goes last */
    int64_t last = heap[size * step];
    heap[size * step] = heap[0];
    sift_down(r, heap, step, size, 0, last);
  }
}

void tn_topk(const void* x, void* values, int64_t* indices, int64_t outer, int64_t n, int64_t inner, int64_t k,
             int64_t bits, int64_t is_signed, int64_t infinity, int64_t largest) {
  if (k <= 0) return;
  row r = {x, 0, inner, bits, is_signed ? (uint64_t)1 << (bits - 1) : 0, (uint64_t)infinity,
           largest ? 0 : ~(uint64_t)0};
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t i = 0; i < inner; ++i) {
      int64_t* picked = indices + o * k * inner + i;
      r.first = o * n * inner + i;
      top_of_row(&r, picked, n, k);
      for (int64_t j = 0; j < k; ++j) {
        uint64_t raw = load(x, bits, r.first + picked[j * inner] * inner);
        store(values, bits, o * k * inner + i + j * inner, raw);
      }
    }
}
