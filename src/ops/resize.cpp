// resize: every output element is a weighted sum of a few elements per axis. A coordinate in x is a
// fraction of integer expressions, so indices are floor divisions, exact for any extents, and only the
// weights are rounded. Modes and formulas: ONNX Resize.
#include "resize.h"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "bound.h"
#include "lower.h"

namespace tenon {

Fraction simplest_fraction(double value) {
  // Walks the Stern-Brocot tree by continued fractions, to the first convergent or semiconvergent in range.
  const auto target = static_cast<float>(value);
  if (static_cast<double>(target) != value || !(std::abs(value) < 0x1p30))
    return {static_cast<int64_t>(std::llround(value * 0x1p30)), int64_t{1} << 30};
  int64_t p0 = 0, q0 = 1, p1 = 1, q1 = 0;
  double rest = std::abs(value);
  for (int step = 0; step < 64; ++step) {
    auto whole = static_cast<int64_t>(std::floor(rest));
    for (int64_t a = step && whole > 1 ? (whole + 1) / 2 : whole; a <= whole; ++a) {
      int64_t p = a * p1 + p0, q = a * q1 + q0;
      if (q && static_cast<float>(static_cast<double>(p) / static_cast<double>(q)) == std::abs(target))
        return {value < 0 ? -p : p, q};
    }
    std::tie(p0, q0, p1, q1) = std::tuple(p1, q1, whole * p1 + p0, whole * q1 + q0);
    rest = 1 / (rest - static_cast<double>(whole));
  }
  return {static_cast<int64_t>(std::llround(value * 0x1p30)), int64_t{1} << 30};
}

namespace {

bool one_of(const std::string& value, std::initializer_list<std::string_view> allowed) {
  return std::ranges::find(allowed, value) != allowed.end();
}

Result<std::vector<ValueType>> infer_resize(Graph& graph, const Node& node) {
  const Value& x = graph.values[node.inputs[0]];
  const Attrs& a = node.attrs;
  size_t rank = x.dims.size();
  if (!one_of(a.get_or<Attr::mode>("nearest"), {"nearest", "linear", "cubic"}) ||
      !one_of(a.get_or<Attr::nearest>("round_prefer_floor"), {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"}) ||
      !one_of(a.get_or<Attr::coordinates>("half_pixel"),
              {"half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric", "tf_crop_and_resize"}))
    return fail(Code::E0206, "unknown mode, nearest_mode or coordinate_transformation_mode");
  if (a.get<Attr::dims>().size() != rank) return fail(Code::E0204, "dims must have one entry per dim of x");
  if (a.has(Attr::scales)) {
    const std::vector<double>& scales = a.get<Attr::scales>();
    auto legal = [](double s) { return s >= 0x1p-20 && s <= 0x1p20; };
    if (scales.size() != rank || !std::ranges::all_of(scales, legal))
      return fail(Code::E0206, "scales must be one positive number per dim");
  }
  if (a.get_or<Attr::coordinates>("half_pixel") == "tf_crop_and_resize" &&
      (!a.has(Attr::roi) || a.get<Attr::roi>().size() != 2 * rank))
    return fail(Code::E0206, "tf_crop_and_resize needs a roi of two numbers per dim");
  if (a.get_or<Attr::antialias>(0) && a.get_or<Attr::mode>("nearest") == "nearest")
    return fail(Code::E0206, "antialias needs mode linear or cubic");
  return std::vector{ValueType{x.type, a.get<Attr::dims>()}};
}

// num / den, den > 0.
struct Coordinate {
  Expr num, den;
};

class Resizer {
 public:
  Resizer(Lower& lower, size_t axis, Expr in, Expr out)
      : l(lower), p(lower.p), axis_(axis), in_(in), out_(out) {
    const Attrs& a = l.attrs();
    if (a.has(Attr::scales)) {
      Fraction scale = simplest_fraction(a.get<Attr::scales>()[axis]);
      scale_ = {p.index(scale.p), p.index(scale.q)};
    } else {
      scale_ = {out, in};
    }
    mode_ = a.get_or<Attr::mode>("nearest");
    coordinates_ = a.get_or<Attr::coordinates>("half_pixel");
    weights_ = compute_type(l.buffer(l.in(0)).type);
    if (!is_float(weights_)) weights_ = DType::F32;
  }

  DType weights() const { return weights_; }
  bool identity() const {
    return in_ == out_ && scale_.num == scale_.den && (coordinates_ != "tf_crop_and_resize" || whole());
  }

  // Where output index x lies in the input.
  Coordinate source(Expr x) {
    Expr one = p.index(1), two = p.index(2);
    auto [sp, sq] = scale_;
    Expr length = p.mul(in_, sp);                    // of the output, times sq; real, where scales are
    bool cropped = coordinates_ == "tf_crop_and_resize";
    if (coordinates_ == "asymmetric") return {p.mul(x, sq), sp};
    if (coordinates_ == "align_corners" || cropped) {
      // x * (in-1) / (length-1), of the part of the input that roi selects.
      Expr steps = p.sub(length, sq), span = p.sub(in_, one);
      Coordinate c{p.mul(p.mul(x, span), sq), steps};
      if (cropped) {
        const std::vector<double>& roi = l.attrs().get<Attr::roi>();
        Fraction from = simplest_fraction(roi[axis_]), to = simplest_fraction(roi[axis_ + roi.size() / 2]);
        Expr width = p.index(to.p * from.q - from.p * to.q), unit = p.index(from.q * to.q);
        Expr start = p.mul(p.mul(p.index(from.p * to.q), span), steps);
        c = {p.add(start, p.mul(c.num, width)), p.mul(unit, steps)};
        Coordinate single{p.add(p.mul(two, p.mul(p.index(from.p * to.q), span)), p.mul(width, span)), p.mul(two, unit)};
        return choose(steps, single, c);
      }
      return choose(steps, {p.index(0), one}, c);
    }
    // ((x + 1/2) / scale) - 1/2
    Coordinate c{p.sub(p.mul(p.add(p.mul(two, x), one), sq), sp), p.mul(two, sp)};
    if (coordinates_ == "half_pixel_symmetric")  // + in/2 * (1 - out/length): nothing where out == length
      c.num = p.add(c.num, p.sub(length, p.mul(out_, sq)));
    if (coordinates_ == "pytorch_half_pixel") return choose(p.sub(length, sq), {p.index(-1), two}, c);
    return c;
  }

  // The index of the nearest element, clamped.
  Expr nearest(Coordinate c) {
    const std::string how = l.attrs().get_or<Attr::nearest>("round_prefer_floor");
    Expr two = p.index(2), num2 = p.mul(two, c.num), den2 = p.mul(two, c.den);
    Expr at = how == "floor"               ? p.floordiv(c.num, c.den)
              : how == "ceil"              ? p.ceildiv(c.num, c.den)
              : how == "round_prefer_ceil" ? p.floordiv(p.add(num2, c.den), den2)
                                           : p.ceildiv(p.sub(num2, c.den), den2);
    return clamp(at);
  }

  struct Tap {
    Expr index;   // clamped
    Expr weight;
  };

  // Taps to either side of the coordinate: 1 for linear, 2 for cubic, more where antialiasing shrinks.
  Expr reach() {
    Expr radius = p.index(mode_ == "cubic" ? 2 : 1);
    if (!antialias()) return radius;
    return p.max(radius, p.ceildiv(p.mul(radius, scale_.den), scale_.num));
  }

  // Tap `t` of 2 * reach(): element floor(c) + 1 - reach + t, its weight not yet normalised.
  Tap tap(Coordinate c, Expr t) {
    Expr at = p.add(p.floordiv(c.num, c.den), p.add(p.sub(p.index(1), reach()), t));
    Expr distance = p.sub(p.mul(at, c.den), c.num);  // times den
    Expr d = p.unary(SOp::Abs, p.binary(SOp::Div, real(distance), real(c.den)));
    if (antialias()) {
      Expr scale = p.binary(SOp::Div, real(p.min(scale_.num, scale_.den)), real(scale_.den));
      d = p.binary(SOp::Mul, d, scale);
    }
    Expr weight = mode_ == "cubic" ? cubic(d) : p.binary(SOp::Max, number(0), p.binary(SOp::Sub, number(1), d));
    if (excludes())
      if (Expr inside = l.inside(at, in_); inside.valid()) weight = p.select(inside, weight, number(0));
    return {clamp(at), weight};
  }

  // Whether the weights sum to 1 by themselves.
  bool normalised() const { return !antialias() && !excludes(); }

  // Coordinates inside the input; invalid: all are, or it does not matter.
  Expr covered(Coordinate c) {
    if (coordinates_ != "tf_crop_and_resize") return {};
    Expr last = p.mul(p.sub(in_, p.index(1)), c.den);
    return p.all_of(p.binary(SOp::Le, p.index(0), c.num), p.binary(SOp::Le, c.num, last));
  }

  Expr number(double v) { return p.constant(weights_, v); }

 private:
  bool antialias() const { return l.attrs().get_or<Attr::antialias>(0) != 0; }
  // Two linear taps need no exclusion: the one outside repeats the one inside.
  bool excludes() const {
    return l.attrs().get_or<Attr::exclude_outside>(0) && (mode_ == "cubic" || antialias());
  }
  // The roi of this axis is all of it.
  bool whole() const {
    const std::vector<double>& roi = l.attrs().get<Attr::roi>();
    return roi[axis_] == 0 && roi[axis_ + roi.size() / 2] == 1;
  }
  Expr real(Expr index) { return p.cast(index, weights_); }
  Expr clamp(Expr at) { return p.max(p.index(0), p.min(at, p.sub(in_, p.index(1)))); }

  // `single` where steps == 0, else c.
  Coordinate choose(Expr steps, Coordinate single, Coordinate c) {
    if (p.is_index(steps, 0)) return single;
    if (p.bounds(steps).first > 0) return c;
    Expr none = p.binary(SOp::Eq, steps, p.index(0));
    return {p.select(none, single.num, c.num), p.select(none, single.den, c.den)};
  }

  // The cubic convolution kernel at distance d >= 0.
  Expr cubic(Expr d) {
    double a = l.attrs().get_or<Attr::cubic>(-0.75);
    auto horner = [&](std::initializer_list<double> coefficients) {
      Expr sum = {};
      for (double c : coefficients)
        sum = sum.valid() ? p.binary(SOp::Add, p.binary(SOp::Mul, sum, d), number(c)) : number(c);
      return sum;
    };
    Expr near = horner({a + 2, -(a + 3), 0, 1}), far = horner({a, -5 * a, 8 * a, -4 * a});
    Expr outer = p.select(p.binary(SOp::Lt, d, number(2)), far, number(0));
    return p.select(p.binary(SOp::Le, d, number(1)), near, outer);
  }

  Lower& l;
  ExprPool& p;
  size_t axis_;
  Expr in_, out_;
  Coordinate scale_;
  std::string mode_, coordinates_;
  DType weights_{};
};

// A weighted sum rounded to integers as ONNX does: half to even, saturated.
Expr narrowed(Lower& l, Expr value, DType type) {
  return is_float(type) ? l.p.cast(value, type) : l.p.make(SOp::CastSat, type, std::array{value});
}

void lower_nearest(Lower& l) {
  std::vector<Expr> axes = l.axes(l.dims(l.out())), at;
  Expr covered = {};
  for (size_t d = 0; d < axes.size(); ++d) {
    Resizer r(l, d, l.dims(l.in(0))[d], l.dims(l.out())[d]);
    if (r.identity()) {
      at.push_back(axes[d]);
      continue;
    }
    Coordinate c = r.source(axes[d]);
    at.push_back(r.nearest(c));
    covered = l.p.all_of(covered, r.covered(c));
  }
  Expr value = l.load(l.in(0), at);
  if (covered.valid()) value = l.p.select(covered, value, l.number(l.p.type(value), l.attrs().get_or<Attr::value>(0)));
  l.store(l.out(), axes, value);
}

// Interpolates along one axis from `from` to `to`; a fixed few taps are written out, others are summed in
// a loop.
void lower_axis(Lower& l, size_t axis, BufferId from, BufferId to) {
  ExprPool& p = l.p;
  Resizer r(l, axis, l.dims(from)[axis], l.dims(to)[axis]);
  std::vector<Expr> axes = l.axes(l.dims(to)), at = axes;
  Coordinate c = r.source(axes[axis]);
  Expr taps = p.mul(p.index(2), r.reach());
  auto element = [&](Expr index) {
    at[axis] = index;
    return p.cast(l.load(from, at), r.weights());
  };
  auto step = [&](Expr t) {
    Resizer::Tap tap = r.tap(c, t);
    return std::pair{tap.weight, p.binary(SOp::Mul, tap.weight, element(tap.index))};
  };
  Expr total = {}, sum = {};
  std::vector<Expr> reduce;
  std::vector<Accumulator> accumulators;
  if (auto n = p.as_int(taps); n && *n <= 4) {
    for (int64_t t = 0; t < *n; ++t) {
      auto [weight, term] = step(p.index(t));
      total = t ? p.binary(SOp::Add, total, weight) : weight;
      sum = t ? p.binary(SOp::Add, sum, term) : term;
    }
  } else {
    reduce.push_back(p.axis("t", taps));
    auto [weight, term] = step(reduce[0]);
    accumulators = {l.sum("sum", term), l.sum("total", weight)};
    sum = accumulators[0].var;
    total = accumulators[1].var;
  }
  Expr value = r.normalised() ? sum : p.binary(SOp::Div, sum, total);
  if (Expr covered = r.covered(c); covered.valid())
    value = p.select(covered, value, r.number(l.attrs().get_or<Attr::value>(0)));
  Statement& s = l.store(to, axes, narrowed(l, value, l.buffer(to).type));
  s.reduce_axes = std::move(reduce);
  s.accumulators = std::move(accumulators);
}

// Separable: one statement per axis that changes, over temporaries.
void lower_resize(LowerInput& in) {
  Lower l(in);
  if (l.attrs().get_or<Attr::mode>("nearest") == "nearest") return lower_nearest(l);
  std::vector<size_t> changed;
  DType weights = DType::F32;
  for (size_t d = 0; d < l.rank(l.out()); ++d) {
    Resizer r(l, d, l.dims(l.in(0))[d], l.dims(l.out())[d]);
    weights = r.weights();
    if (!r.identity()) changed.push_back(d);
  }
  if (changed.empty()) {
    std::vector<Expr> axes = l.axes(l.dims(l.out()));
    l.store(l.out(), axes, l.load(l.in(0), axes));
    return;
  }
  BufferId from = l.in(0);
  std::vector<Expr> dims = l.dims(from);
  for (size_t d : changed) {
    dims[d] = l.dims(l.out())[d];
    BufferId to = d == changed.back() ? l.out() : l.temporary(l.buffer(l.out()).name + ".axis" + std::to_string(d), weights, dims);
    lower_axis(l, d, from, to);
    from = to;
  }
}

// Per axis, the weights are rounded (coordinate, distance, and where antialiased their sum) and so is the sum.
std::vector<Tensor> resize_bounds(const BoundInput& in) {
  const Attrs& a = in.eval.node.attrs;
  const std::string mode = a.get_or<Attr::mode>("nearest");
  if (mode == "nearest") return monotone_bounds(in);
  constexpr double kPerWeight = 6;
  double roundings = 0;
  for (size_t d = 0; d < in.eval.output_dims[0].size(); ++d) {
    const auto from = static_cast<double>(in.eval.inputs[0]->dims[d]), to = static_cast<double>(in.eval.output_dims[0][d]);
    if (from == to) continue;
    const double taps = (mode == "cubic" ? 4 : 2) * (a.get_or<Attr::antialias>(0) ? std::max(1.0, from / to) : 1);
    roundings += kPerWeight + taps;
  }
  std::vector<Tensor> bounds = sum_bounds(in, roundings);
  if (mode != "cubic") return bounds;
  // Cubic weights have both signs, and magnitudes that add up to less than 2 per axis.
  double largest = 0;
  const Tensor most = magnitude(in, 0);
  for (double x : most.f) largest = std::max(largest, x);
  for (double& e : bounds[0].f) e = std::max(e, 4 * roundings * unit_roundoff(compute_type(in.results[0].type)) * largest);
  return bounds;
}

}  // namespace

constexpr OpDef def_resize{
    .name = "resize", .kind = OpKind::Gather,
    .attrs = {Attr::dims, Attr::mode, Attr::coordinates, Attr::nearest, Attr::antialias, Attr::exclude_outside,
              Attr::scales, Attr::roi, Attr::cubic, Attr::value},
              .needs = {Attr::dims},
    .infer = infer_resize, .eval = eval_resize, .lower = lower_resize, .bound = resize_bounds};
static_assert(complete(def_resize));

}  // namespace tenon
