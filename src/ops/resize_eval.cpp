// The reference of resize: ONNX's formulas in float64, one axis after the other.
#include <algorithm>
#include <cmath>

#include "resize.h"

namespace tenon {

namespace {

struct Axis {
  std::string mode, coordinates, nearest;
  bool antialias, exclude;
  double cubic, outside;
  Fraction scale, start, end;  // of the axis: out / in, and the roi
  int64_t in, out;

  // x_original of the ONNX specification, divided last so that halves and integers are exact.
  double source(double x) const {
    auto n = static_cast<double>(in), p = static_cast<double>(scale.p), q = static_cast<double>(scale.q);
    double steps = n * p - q;  // (length - 1) * q, where length = scale * in
    if (coordinates == "asymmetric") return x * q / p;
    if (coordinates == "align_corners") return steps == 0 ? 0 : x * (n - 1) * q / steps;
    if (coordinates == "tf_crop_and_resize") {
      auto unit = static_cast<double>(start.q * end.q), from = static_cast<double>(start.p * end.q);
      double width = static_cast<double>(end.p * start.q) - from;
      if (steps == 0) return (n - 1) * (2 * from + width) / (2 * unit);
      return (n - 1) * (from * steps + x * width * q) / (unit * steps);
    }
    if (coordinates == "pytorch_half_pixel" && steps == 0) return -0.5;
    double centre = coordinates == "half_pixel_symmetric" ? n * p - static_cast<double>(out) * q : 0;
    return (centre + (2 * x + 1) * q - p) / (2 * p);
  }

  double kernel(double d) const {
    d = std::abs(d);
    if (mode == "linear") return std::max(0.0, 1 - d);
    double a = cubic;
    if (d <= 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
    return d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0;
  }

  int64_t clamped(double at) const {
    return std::clamp<int64_t>(static_cast<int64_t>(at), 0, in - 1);
  }

  int64_t nearest_to(double at) const {
    if (nearest == "floor") return clamped(std::floor(at));
    if (nearest == "ceil") return clamped(std::ceil(at));
    return clamped(nearest == "round_prefer_ceil" ? std::floor(at + 0.5) : std::ceil(at - 0.5));
  }

  // Element x of the output from a row of the input.
  template <class Load>
  double element(int64_t x, Load load) const {
    double at = source(static_cast<double>(x));
    if (coordinates == "tf_crop_and_resize" && (at < 0 || at > static_cast<double>(in - 1))) return outside;
    if (mode == "nearest") return load(nearest_to(at));
    double shrink = antialias ? std::min(1.0, static_cast<double>(scale.p) / static_cast<double>(scale.q)) : 1;
    double reach = std::ceil((mode == "cubic" ? 2 : 1) / shrink), sum = 0, total = 0;
    for (double tap = std::floor(at) + 1 - reach; tap <= std::floor(at) + reach; ++tap) {
      if (exclude && (tap < 0 || tap >= static_cast<double>(in))) continue;
      double weight = kernel((tap - at) * shrink);
      if (weight == 0) continue;
      total += weight;
      sum += weight * load(clamped(tap));
    }
    return total == 0 ? 0 : sum / total;
  }
};

Axis axis_of(const EvalInput& in, size_t d) {
  const Attrs& a = in.node.attrs;
  int64_t extent = in.inputs[0]->dims[d], result = in.output_dims[0][d];
  Fraction scale = a.has(Attr::scales) ? simplest_fraction(a.get<Attr::scales>()[d]) : Fraction{result, extent};
  std::vector<double> roi = a.get_or<Attr::roi>({});
  return {.mode = a.get_or<Attr::mode>("nearest"), .coordinates = a.get_or<Attr::coordinates>("half_pixel"),
          .nearest = a.get_or<Attr::nearest>("round_prefer_floor"), .antialias = a.get_or<Attr::antialias>(0) != 0,
          .exclude = a.get_or<Attr::exclude_outside>(0) != 0, .cubic = a.get_or<Attr::cubic>(-0.75),
          .outside = a.get_or<Attr::value>(0), .scale = scale,
          .start = simplest_fraction(roi.empty() ? 0 : roi[d]),
          .end = simplest_fraction(roi.empty() ? 1 : roi[d + roi.size() / 2]), .in = extent, .out = result};
}

}  // namespace

std::vector<Tensor> eval_resize(const EvalInput& in) {
  const Tensor& x = *in.inputs[0];
  bool real = is_float(x.type);
  std::vector<int64_t> dims = x.dims;
  std::vector<double> now = real ? x.f : std::vector<double>(x.i.begin(), x.i.end());
  for (size_t d = 0; d < dims.size(); ++d) {
    Axis axis = axis_of(in, d);
    bool whole = axis.start.p == 0 && axis.end.p == axis.end.q;
    if (axis.in == axis.out && axis.scale.p == axis.scale.q && (axis.coordinates != "tf_crop_and_resize" || whole)) continue;
    int64_t inner = count({dims.begin() + static_cast<int64_t>(d) + 1, dims.end()});
    dims[d] = axis.out;
    std::vector<double> next(static_cast<size_t>(count(dims)));
    for (size_t k = 0; k < next.size(); ++k) {
      auto at = static_cast<int64_t>(k);
      int64_t outer = at / inner / axis.out, column = at % inner;
      next[k] = axis.element(at / inner % axis.out, [&](int64_t i) {
        return now[static_cast<size_t>((outer * axis.in + i) * inner + column)];
      });
    }
    now = std::move(next);
  }
  Tensor out = Tensor::zeros(x.type, in.output_dims[0]);
  if (real) {
    out.f = std::move(now);
  } else {
    double lo = is_signed(x.type) ? -std::ldexp(1, bits(x.type) - 1) : 0;
    double hi = std::ldexp(1, bits(x.type) - (is_signed(x.type) ? 1 : 0)) - 1;
    std::ranges::transform(now, out.i.begin(), [&](double v) {
      return static_cast<int64_t>(std::clamp(std::nearbyint(v), lo, hi));
    });
  }
  return {std::move(out)};
}

}  // namespace tenon
