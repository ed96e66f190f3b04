#include "tenon/winograd.h"

#include "tenon/result.h"
#include "tenon/tensor.h"

namespace tenon {

namespace {

constexpr std::array<double, 16> kInput2 = {1, 0, -1, 0,  //
                                            0, 1, 1, 0,   //
                                            0, -1, 1, 0,  //
                                            0, 1, 0, -1};
constexpr std::array<double, 12> kWeights2 = {1, 0, 0,         //
                                              0.5, 0.5, 0.5,   //
                                              0.5, -0.5, 0.5,  //
                                              0, 0, 1};
constexpr std::array<double, 8> kOutput2 = {1, 1, 1, 0,  //
                                            0, 1, -1, -1};

constexpr std::array<double, 36> kInput4 = {4, 0, -5, 0, 1, 0,    //
                                            0, -4, -4, 1, 1, 0,   //
                                            0, 4, -4, -1, 1, 0,   //
                                            0, -2, -1, 2, 1, 0,   //
                                            0, 2, -1, -2, 1, 0,   //
                                            0, 4, 0, -5, 0, 1};
constexpr std::array<double, 18> kWeights4 = {1.0 / 4, 0, 0,                     //
                                              -1.0 / 6, -1.0 / 6, -1.0 / 6,      //
                                              -1.0 / 6, 1.0 / 6, -1.0 / 6,       //
                                              1.0 / 24, 1.0 / 12, 1.0 / 6,       //
                                              1.0 / 24, -1.0 / 12, 1.0 / 6,      //
                                              0, 0, 1};
constexpr std::array<double, 24> kOutput4 = {1, 1, 1, 1, 1, 0,   //
                                             0, 1, -1, 2, -2, 0,  //
                                             0, 1, 1, 4, 4, 0,    //
                                             0, 1, -1, 8, -8, 1};

}  // namespace

const WinogradTransform& winograd_transform(int64_t m) {
  static const WinogradTransform two{2, 4, kInput2, kWeights2, kOutput2}, four{4, 6, kInput4, kWeights4, kOutput4};
  TENON_CHECK(m == 2 || m == 4, "Winograd's F(m,3) is there for m = 2 and 4");
  return m == 2 ? two : four;
}

void transform_weights(const WinogradTransform& t, std::span<const double, 9> w, std::span<double> out) {
  constexpr size_t kTaps = kWinogradTaps;
  const auto points = static_cast<size_t>(t.points);
  double rows[6 * kTaps];
  for (size_t i = 0; i < points; ++i)
    for (size_t k = 0; k < kTaps; ++k) {
      double sum = 0;
      for (size_t j = 0; j < kTaps; ++j) sum += t.weights[i * kTaps + j] * w[j * kTaps + k];
      rows[i * kTaps + k] = sum;
    }
  for (size_t i = 0; i < points; ++i)
    for (size_t j = 0; j < points; ++j) {
      double sum = 0;
      for (size_t k = 0; k < kTaps; ++k) sum += rows[i * kTaps + k] * t.weights[j * kTaps + k];
      out[i * points + j] = static_cast<double>(static_cast<float>(sum));
    }
}

Tensor transform_weights(const Tensor& w, int64_t m) {
  const WinogradTransform& t = winograd_transform(m);
  const auto points = static_cast<size_t>(t.points * t.points);
  constexpr size_t kWindow = kWinogradTaps * kWinogradTaps;
  Tensor made = Tensor::zeros(w.type, {w.dims[0], w.dims[1], t.points * t.points});
  for (size_t p = 0; p < w.f.size() / kWindow; ++p)
    transform_weights(t, std::span<const double, kWindow>(&w.f[p * kWindow], kWindow), std::span(made.f).subspan(p * points, points));
  return made;
}

}  // namespace tenon
