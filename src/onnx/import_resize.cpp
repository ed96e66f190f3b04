// Resize and its predecessor.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "families.h"

namespace tenon::frontend {

namespace {

std::vector<double> constant_reals(OnnxNode& n, size_t i) {
  std::vector<double> numbers;
  for (Expr e : n.elements(i)) {
    auto number = n.pool.as_double(e);
    if (!number) n.unsupported("scales that are not constant", "give sizes instead");
    numbers.push_back(*number);
  }
  return numbers;
}

// floor(extent * scale), as ONNX computes it for known extents.
Expr scaled(OnnxNode& n, Expr extent, double scale) {
  ExprPool& p = n.pool;
  if (auto known = p.as_int(extent)) return p.index(static_cast<int64_t>(std::floor(static_cast<double>(*known) * scale)));
  for (int64_t den = 1; den <= 64; ++den)
    if (double num = scale * static_cast<double>(den); num == std::round(num) && num < 0x1p31)
      return p.floordiv(p.mul(extent, p.index(static_cast<int64_t>(num))), p.index(den));
  n.unsupported("a symbolic extent and scale " + std::to_string(scale), "give sizes instead, or pin the dim");
}

// One scale for all axes that have a size: the smallest or largest, and sizes that follow from it.
void keep_ratio(OnnxNode& n, const std::vector<int64_t>& axes, const Dims& x, Dims& dims, std::vector<double>& scales) {
  std::vector<double> ratios;
  for (int64_t axis : axes) {
    auto at = static_cast<size_t>(axis);
    auto from = n.pool.as_int(x[at]), to = n.pool.as_int(dims[at]);
    if (!from || !to || *from == 0) n.unsupported("keep_aspect_ratio_policy and symbolic extents");
    ratios.push_back(static_cast<double>(*to) / static_cast<double>(*from));
  }
  double ratio = n.text("keep_aspect_ratio_policy") == "not_larger" ? std::ranges::min(ratios) : std::ranges::max(ratios);
  for (int64_t axis : axes) {
    auto at = static_cast<size_t>(axis);
    dims[at] = n.pool.index(static_cast<int64_t>(std::floor(ratio * static_cast<double>(*n.pool.as_int(x[at])) + 0.5)));
    scales[at] = ratio;
  }
}

Vals resize(OnnxNode& n) {
  bool oldest = n.opset < 11;  // operands x, scales; coordinates by division
  Dims x = n[0].dims(), dims = x;
  std::vector<int64_t> axes(x.size());
  std::iota(axes.begin(), axes.end(), 0);
  if (n.has("axes")) {
    axes = n.integers("axes");
    for (int64_t& axis : axes) axis = n.axis(axis, n[0].rank());
  }
  std::vector<double> scales(x.size(), 1);
  size_t scales_at = oldest ? 1 : 2;
  bool by_scale = n.opt(scales_at) && !n.elements(scales_at).empty();
  if (by_scale) {
    std::vector<double> given = constant_reals(n, scales_at);
    if (given.size() != axes.size()) n.malformed("scales must have one number per axis");
    for (size_t i = 0; i < axes.size(); ++i) {
      auto at = static_cast<size_t>(axes[i]);
      scales[at] = given[i];
      dims[at] = scaled(n, x[at], given[i]);
    }
  } else {
    Dims sizes = n.elements(3);
    if (sizes.size() != axes.size()) n.malformed("sizes must have one number per axis");
    for (size_t i = 0; i < axes.size(); ++i) dims[static_cast<size_t>(axes[i])] = sizes[i];
    if (n.has("keep_aspect_ratio_policy") && n.text("keep_aspect_ratio_policy") != "stretch") {
      keep_ratio(n, axes, x, dims, scales);
      by_scale = true;
    }
  }
  Attrs attrs = Attrs()
                    .set<Attr::dims>(dims)
                    .set<Attr::mode>(n.text("mode"))
                    .set<Attr::coordinates>(oldest ? "asymmetric" : n.text("coordinate_transformation_mode"))
                    .set<Attr::nearest>(oldest ? "floor" : n.text("nearest_mode"))
                    .set<Attr::cubic>(n.real_or("cubic_coeff_a", -0.75))
                    .set<Attr::exclude_outside>(n.integer_or("exclude_outside", 0))
                    .set<Attr::antialias>(n.integer_or("antialias", 0))
                    .set<Attr::value>(n.real_or("extrapolation_value", 0));
  if (by_scale) attrs.set<Attr::scales>(scales);
  if (attrs.get<Attr::coordinates>() == "tf_crop_and_resize") {
    std::vector<double> given = constant_reals(n, 1), roi(2 * x.size(), 0);
    std::fill(roi.begin() + static_cast<int64_t>(x.size()), roi.end(), 1);
    if (given.size() != 2 * axes.size()) n.malformed("roi must have two numbers per axis");
    for (size_t i = 0; i < axes.size(); ++i) {
      roi[static_cast<size_t>(axes[i])] = given[i];
      roi[static_cast<size_t>(axes[i]) + x.size()] = given[i + axes.size()];
    }
    attrs.set<Attr::roi>(roi);
  }
  return {n.b.emit(Op::resize, {n[0]}, attrs)};
}

// Opset 7 (attribute) and 9 (operand).
Vals upsample(OnnxNode& n) {
  Dims x = n[0].dims(), dims;
  std::vector<double> scales = n.has("scales") ? n.reals("scales") : constant_reals(n, 1);
  if (scales.size() != x.size()) n.malformed("scales must have one number per dim");
  for (size_t d = 0; d < x.size(); ++d) dims.push_back(scaled(n, x[d], scales[d]));
  return {n.b.emit(Op::resize, {n[0]},
                   Attrs()
                       .set<Attr::dims>(dims)
                       .set<Attr::scales>(scales)
                       .set<Attr::mode>(n.text("mode"))
                       .set<Attr::coordinates>("asymmetric")
                       .set<Attr::nearest>("floor"))};
}

constexpr ImportRow kRows[] = {{"Resize", resize}, {"Upsample", upsample}};

}  // namespace

std::span<const ImportRow> resize_imports() { return kRows; }

}  // namespace tenon::frontend
