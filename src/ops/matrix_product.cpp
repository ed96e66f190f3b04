// A block of a and b that fits the second-level cache; in it, tiles of c that fit registers. Compiled once for each
// width of vectors that the host may have; never with fused multiply-adds.
#include "matrix_product.h"

#include <algorithm>
#include <cstring>

namespace tenon {

namespace {

constexpr int64_t kDepth = 128, kWidth = 256;

template <class T, int Lanes>
using Vector [[gnu::vector_size(Lanes * sizeof(T))]] = T;

// Rows x (2 vectors) of c.
template <int Rows, int Lanes, class T>
[[gnu::always_inline]] inline void tile(Matrix<const T> a, Matrix<const T> b, Matrix<T> c, int64_t depth) {
  Vector<T, Lanes> sum[Rows][2];
  for (int r = 0; r < Rows; ++r) std::memcpy(sum[r], c.row(r), sizeof sum[r]);
  for (int64_t s = 0; s < depth; ++s) {
    Vector<T, Lanes> from[2];
    std::memcpy(from, b.row(s), sizeof from);
    for (int r = 0; r < Rows; ++r) {
      const T scale = a.row(r)[s];
      sum[r][0] += scale * from[0];
      sum[r][1] += scale * from[1];
    }
  }
  for (int r = 0; r < Rows; ++r) std::memcpy(c.row(r), sum[r], sizeof sum[r]);
}

template <int Rows, int Lanes, class T>
[[gnu::always_inline]] inline void strip(Matrix<const T> a, Matrix<const T> b, Matrix<T> c, int64_t width, int64_t depth) {
  int64_t j = 0;
  for (; j + 2 * Lanes <= width; j += 2 * Lanes) tile<Rows, Lanes, T>(a, {b.data + j, b.stride}, {c.data + j, c.stride}, depth);
  for (; j < width; ++j)
    for (int r = 0; r < Rows; ++r) {
      T sum = c.row(r)[j];
      for (int64_t s = 0; s < depth; ++s) sum += a.row(r)[s] * b.row(s)[j];
      c.row(r)[j] = sum;
    }
}

template <int Lanes, class T>
[[gnu::always_inline]] inline void blocked(Matrix<const T> a, Matrix<const T> b, Matrix<T> c, int64_t m, int64_t n, int64_t k) {
  for (int64_t k0 = 0; k0 < k; k0 += kDepth)
    for (int64_t n0 = 0; n0 < n; n0 += kWidth) {
      const int64_t depth = std::min(k - k0, kDepth), width = std::min(n - n0, kWidth);
      auto rows = [&]<int Rows>(int64_t i) __attribute__((always_inline)) {
        strip<Rows, Lanes, T>({a.row(i) + k0, a.stride}, {b.row(k0) + n0, b.stride}, {c.row(i) + n0, c.stride}, width, depth);
      };
      int64_t i = 0;
      for (; i + 4 <= m; i += 4) rows.template operator()<4>(i);
      for (; i < m; ++i) rows.template operator()<1>(i);
    }
}

#if defined(__x86_64__)
[[gnu::target("avx512f")]] void with_512_bits(Matrix<const double> a, Matrix<const double> b, Matrix<double> c, int64_t m, int64_t n, int64_t k) {
  blocked<8>(a, b, c, m, n, k);
}
[[gnu::target("avx2")]] void with_256_bits(Matrix<const double> a, Matrix<const double> b, Matrix<double> c, int64_t m, int64_t n, int64_t k) {
  blocked<4>(a, b, c, m, n, k);
}
#endif

}  // namespace

void multiply(Matrix<const double> a, Matrix<const double> b, Matrix<double> c, int64_t m, int64_t n, int64_t k) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) return with_512_bits(a, b, c, m, n, k);
  if (__builtin_cpu_supports("avx2")) return with_256_bits(a, b, c, m, n, k);
#endif
  blocked<2>(a, b, c, m, n, k);
}

void multiply(Matrix<const uint64_t> a, Matrix<const uint64_t> b, Matrix<uint64_t> c, int64_t m, int64_t n, int64_t k) {
  blocked<2>(a, b, c, m, n, k);
}

}  // namespace tenon
