// Models of the runtime's routines on widened tensors: the C code itself, on encoded elements.
#pragma once

#include <bit>
#include <cmath>
#include <span>
#include <string_view>

#include "tenon/loops.h"
#include "tenon/onednn_words.h"
#include "tenon/tensor.h"

extern "C" void tn_topk(const void*, void*, int64_t*, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t,
                        int64_t, int64_t);

namespace tenon::testing {

// What the words of a call of oneDNN mean, one result after the other.
class OneDnnModel {
 public:
  OneDnnModel(std::span<Tensor* const> buffers, std::span<const int64_t> words)
      : buffers_(buffers), words_(words), rank_(words[1]), spatial_(words[0] == TN_CONVOLUTION ? rank_ - 2 : 0) {}

  void run() {
    const auto last = static_cast<int64_t>(buffers_.size()) - 1;
    std::vector<int64_t> at(static_cast<size_t>(rank_));
    do {
      double value = words_[0] == TN_CONVOLUTION ? convolved(at) : multiplied(at);
      int64_t tensor = 2;
      if (words_[2]) value += element(tensor++, at);
      for (int64_t k = 0; k < words_[4]; ++k) {
        const int64_t* post = &words_[static_cast<size_t>(TN_WORDS_HEAD + 4 * spatial_ + TN_WORDS_POST * k)];
        auto number = [&](int64_t word) { return double(std::bit_cast<float>(static_cast<int32_t>(post[word]))); };
        value = TN_IS_BINARY(post[0]) ? combined(post[0], value, element(tensor++, at)) : applied(post[0], value, number(1), number(2));
      }
      buffers_[static_cast<size_t>(last)]->f[static_cast<size_t>(offset(last, at))] = value;
    } while (next(at, last));
  }

 private:
  int64_t dim(int64_t tensor, int64_t d) const { return shape(tensor)[d]; }
  const int64_t* shape(int64_t tensor) const {
    return &words_[static_cast<size_t>(TN_WORDS_HEAD + 4 * spatial_ + TN_WORDS_POST * words_[4] + 2 * rank_ * tensor)];
  }
  // Extents of 1 stand for any.
  int64_t offset(int64_t tensor, const std::vector<int64_t>& at) const {
    int64_t sum = 0;
    for (int64_t d = 0; d < rank_; ++d)
      if (dim(tensor, d) > 1) sum += at[static_cast<size_t>(d)] * shape(tensor)[rank_ + d];
    return sum;
  }
  double element(int64_t tensor, const std::vector<int64_t>& at) const {
    return buffers_[static_cast<size_t>(tensor)]->f.at(static_cast<size_t>(offset(tensor, at)));
  }
  bool next(std::vector<int64_t>& at, int64_t tensor, int64_t first = 0) const {
    for (int64_t d = rank_; d-- > first; at[static_cast<size_t>(d)] = 0)
      if (++at[static_cast<size_t>(d)] < dim(tensor, d)) return true;
    return false;
  }
  double multiplied(const std::vector<int64_t>& at) const {
    const auto row = static_cast<size_t>(rank_ - 2);
    std::vector<int64_t> a = at, b = at;
    double sum = 0;
    for (int64_t k = 0; k < dim(0, rank_ - 1); ++k) {
      a[row + 1] = b[row] = k;
      sum += element(0, a) * element(1, b);
    }
    return sum;
  }
  double convolved(const std::vector<int64_t>& at) const {
    const int64_t* windows = &words_[TN_WORDS_HEAD];  // strides, dilations, pads
    const int64_t per_group = dim(static_cast<int64_t>(buffers_.size()) - 1, 1) / words_[3], group = at[1] / per_group;
    std::vector<int64_t> x = at, w(at.size());
    double sum = 0;
    w[0] = at[1];
    do {
      bool inside = true;
      x[1] = group * dim(1, 1) + w[1];
      for (int64_t d = 0; d < spatial_; ++d) {
        const auto k = static_cast<size_t>(d + 2);
        x[k] = at[k] * windows[d] + w[k] * windows[spatial_ + d] - windows[2 * spatial_ + d];
        inside &= x[k] >= 0 && x[k] < dim(0, d + 2);
      }
      if (inside) sum += element(0, x) * element(1, w);
    } while (next(w, 1, 1));
    return sum;
  }
  static double combined(int64_t algorithm, double a, double b) {
    switch (algorithm) {
      case TN_BINARY_ADD: return a + b;
      case TN_BINARY_MUL: return a * b;
      case TN_BINARY_DIV: return a / b;
      case TN_BINARY_SUB: return a - b;
      default: return NAN;
    }
  }
  static double applied(int64_t algorithm, double x, double alpha, double beta) {
    switch (algorithm) {
      case TN_ELTWISE_RELU: return x > 0 ? x : alpha * x;
      case TN_ELTWISE_TANH: return std::tanh(x);
      case TN_ELTWISE_LINEAR: return alpha * x + beta;
      case TN_ELTWISE_LOGISTIC: return 1 / (1 + std::exp(-x));
      case TN_ELTWISE_SWISH: return x / (1 + std::exp(-alpha * x));
      case TN_ELTWISE_CLIP: return std::min(std::max(x, alpha), beta);
      case TN_ELTWISE_GELU_ERF: return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0)));
      default: return NAN;
    }
  }

  std::span<Tensor* const> buffers_;
  std::span<const int64_t> words_;
  int64_t rank_, spatial_;
};

inline bool run_routine(std::string_view routine, std::span<Tensor* const> buffers,
                        std::span<const int64_t> a) {
  if (routine == kOneDnn) {
    OneDnnModel(buffers, a).run();
    return true;
  }
  if (routine != "tn_topk") return false;
  std::vector<std::byte> x = encode(*buffers[0]), values = encode(*buffers[1]);
  tn_topk(x.data(), values.data(), buffers[2]->i.data(), a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7]);
  *buffers[1] = decode(buffers[1]->type, buffers[1]->dims, values.data(), values.size());
  return true;
}

}  // namespace tenon::testing
