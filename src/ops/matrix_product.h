#pragma once

#include <cstdint>

namespace tenon {

template <class T>
struct Matrix {
  T* data;
  int64_t stride;  // between rows
  T* row(int64_t i) const { return data + i * stride; }
};

// c[m,n] += a[m,k] * b[k,n]; every element's products are added in order of k and rounded one by one, so that
// results are the same bits on every machine. The second form computes modulo 2^64.
void multiply(Matrix<const double> a, Matrix<const double> b, Matrix<double> c, int64_t m, int64_t n, int64_t k);
void multiply(Matrix<const uint64_t> a, Matrix<const uint64_t> b, Matrix<uint64_t> c, int64_t m, int64_t n, int64_t k);

}  // namespace tenon
