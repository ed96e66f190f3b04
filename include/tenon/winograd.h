// Winograd's minimal filtering (Lavin and Gray, CVPR 2016): m x m results of a 3x3 convolution by (m+2)^2 products instead
// of 9 m^2, y = A^T [(G w G^T) . (B^T x B)] A for a tile x of (m+2) x (m+2).
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace tenon {

constexpr int64_t kWinogradTaps = 3;

struct WinogradTransform {
  int64_t m = 0;                    // results along each side of a tile
  int64_t points = 0;               // m + 2: operands along each side
  std::span<const double> input;    // B^T [points, points]
  std::span<const double> weights;  // G [points, taps]
  std::span<const double> output;   // A^T [m, points]
};
// m: 2, points 0, 1, -1, infinity; or 4, with 2 and -2.
const WinogradTransform& winograd_transform(int64_t m);

// G w G^T for one pair of channels in f64, rounded once: [points * points].
void transform_weights(const WinogradTransform& t, std::span<const double, 9> w, std::span<double> out);

// Of [O, C, 3, 3] to [O, C, points * points].
struct Tensor;
Tensor transform_weights(const Tensor& w, int64_t m);

}  // namespace tenon
