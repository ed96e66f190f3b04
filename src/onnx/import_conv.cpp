// Convolutions: float, transposed, integer and quantised.
#include "families.h"
#include "quant.h"
#include "spatial.h"

namespace tenon::frontend {

namespace {

Dims spatial_dims(Val x) {
  Dims dims = x.dims();
  return {dims.begin() + 2, dims.end()};
}

std::vector<int64_t> kernel_of(OnnxNode& n, Val w) {
  std::vector<int64_t> kernel;
  for (Expr d : spatial_dims(w)) {
    auto extent = n.pool.as_int(d);
    if (!extent) n.unsupported("a kernel of symbolic extent");
    kernel.push_back(*extent);
  }
  return kernel;
}

void check_ranks(OnnxNode& n, Val x, Val w) {
  n.require(x.rank() >= 3 && w.rank() == x.rank(), "x and w must have the same rank of at least 3");
}

// With an operand for the value of padding where that is not zero.
Val convolve(OnnxNode& n, Val x, Val w, Val pad_value = {}) {
  check_ranks(n, x, w);
  Window window = window_of(n, spatial_dims(x), kernel_of(n, w));
  Vals operands = {x, w};
  if (pad_value) operands.push_back(reshape(pad_value, {}));
  return n.b.emit(Op::conv, operands, window_attrs(window).set<Attr::groups>(n.integer("group")));
}

Val add_bias(Val y, Val bias) { return bias ? y + align_channels(bias, 1, y.rank()) : y; }

Vals conv(OnnxNode& n) { return {add_bias(convolve(n, n[0], n[1]), n.opt(2))}; }

Vals conv_transpose(OnnxNode& n) {
  ExprPool& p = n.pool;
  Val x = n[0], w = n[1];
  check_ranks(n, x, w);
  Dims extents = spatial_dims(x);
  Window window = window_of(n, extents, kernel_of(n, w));
  std::vector<int64_t> extra = n.integers("output_padding"), shape = n.integers("output_shape");
  std::string automatic = n.text_or("auto_pad", "NOTSET");
  bool same = automatic == "SAME_UPPER" || automatic == "SAME_LOWER";
  extra.resize(extents.size(), 0);
  if (shape.size() > extents.size()) shape.erase(shape.begin(), shape.end() - static_cast<int64_t>(extents.size()));
  if (!shape.empty() && shape.size() != extents.size()) n.malformed("output_shape needs one entry per spatial dim");
  for (size_t d = 0; d < extents.size(); ++d) {
    Expr stride = p.index(window.strides[d]);
    if (!shape.empty() || same) {  // pads follow from the wanted extent
      Expr wanted = shape.empty() ? p.mul(extents[d], stride) : p.index(shape[d]);
      Expr full = p.add(p.mul(p.sub(extents[d], p.index(1)), stride), p.index(reach(window, d) + extra[d]));
      Expr total = p.sub(full, wanted), half = p.floordiv(total, p.index(2));
      window.begin[d] = automatic == "SAME_UPPER" ? half : p.sub(total, half);
      window.end[d] = p.sub(total, window.begin[d]);
    }
    window.end[d] = p.sub(window.end[d], p.index(extra[d]));
  }
  Val y = n.b.emit(Op::conv_transpose, {x, w}, window_attrs(window).set<Attr::groups>(n.integer("group")));
  return {add_bias(y, n.opt(2))};
}

// sum (x - zx) * w = sum x*w - zx * sum w, with padding of zx.
Vals conv_integer(OnnxNode& n) {
  Val x = n[0], w = n[1], zx = nonzero(n.opt(2)), zw = nonzero(n.opt(3));
  if (zw) {
    Val shift = zw.rank() == 0 ? zw : align_channels(zw, 0, w.rank());
    w = cast(w, DType::I32) - cast(shift, DType::I32);
    x = cast(x, DType::I32);
    if (zx) return {convolve(n, x - cast(reshape(zx, {}), DType::I32), w)};
    return {convolve(n, x, w)};
  }
  Val sum = convolve(n, x, w, zx);
  if (!zx) return {sum};
  std::vector<int64_t> taps;
  for (int d = 1; d < w.rank(); ++d) taps.push_back(d);
  Val weights = reduce(Op::reduce_sum, cast(w, DType::I32), taps, false);
  return {sum - align_channels(weights, 1, sum.rank()) * cast(reshape(zx, {}), DType::I32)};
}

// Dequantise, convolve, quantise: the same value; a pass makes integer arithmetic of the pattern.
Vals qlinear_conv(OnnxNode& n) {
  Val x = dequantize(n[0], n[1], n[2], 1), w = dequantize(n[3], n[4], n[5], 0);
  Val y = convolve(n, x, w);
  if (Val bias = n.opt(8)) {
    Val scale = reshape(n[1], {}) * n[4];
    y = add_bias(y, dequantize(bias, scale, {}, 0));
  }
  return {quantize(y, n[6], n[7], 1)};
}

// The transpose of reading windows: every column's elements are added where they came from; what lies in the
// padding goes to one element more than the image has. Blocks may be known only when the model runs.
Vals col2im(OnnxNode& n) {
  ExprPool& p = n.pool;
  Val x = n[0];
  Dims image = n.elements(1), block = n.elements(2);
  n.require(x.rank() == 3 && image.size() == block.size() && !block.empty(), "Col2Im needs columns [N,C,L] and shapes of one rank");
  Window window = window_of(n, image, std::vector<int64_t>(block.size(), 1));
  Expr taps = product(p, block), pixels = product(p, image), places = p.mul(taps, x.dim(2));
  auto number = [&](Expr e) { return scalar_of(n.b, e, DType::I64); };
  Val tap = n.b.iota(DType::I64, {taps, x.dim(2)}, 0), place = n.b.iota(DType::I64, {taps, x.dim(2)}, 1);
  Val linear = number(p.index(0)), inside = n.b.scalar(DType::Bool, 1);
  Expr below = p.index(1);
  for (size_t d = block.size(); d-- > 0;) {
    Expr reach = p.add(p.mul(p.sub(block[d], p.index(1)), p.index(window.dilations[d])), p.index(1));
    Expr padded = p.add(p.add(image[d], window.begin[d]), window.end[d]);
    Expr blocks = p.add(p.floordiv(p.sub(padded, reach), p.index(window.strides[d])), p.index(1));
    Val at = n.b.emit(Op::mod, {place, number(blocks)}) * static_cast<double>(window.strides[d]) +
             n.b.emit(Op::mod, {tap, number(block[d])}) * static_cast<double>(window.dilations[d]) - number(window.begin[d]);
    inside = logical_and(inside, logical_and(0.0 <= at, at < number(image[d])));
    linear = linear + at * number(below);
    tap = tap / number(block[d]);
    place = place / number(blocks);
    below = p.mul(below, image[d]);
  }
  Expr channels = p.div_exact(x.dim(1), taps).value_or(p.floordiv(x.dim(1), p.max(taps, p.index(1))));
  Expr planes = p.mul(x.dim(0), channels), room = p.add(pixels, p.index(1));
  Val columns = reshape(x, {planes, places}), target = reshape(select(inside, linear, number(pixels)), {p.index(1), places});
  Val sum = n.b.emit(Op::scatter_elements, {broadcast(x.like(0), {planes, room}), broadcast(target, {planes, places}), columns},
                     Attrs().set<Attr::axis>(1).set<Attr::reduction>("add"));
  Dims result = {x.dim(0), channels};
  result.insert(result.end(), image.begin(), image.end());
  return {reshape(slice(sum, 1, p.index(0), pixels), result)};
}

constexpr ImportRow kRows[] = {
    {"Col2Im", col2im}, {"Conv", conv}, {"ConvInteger", conv_integer}, {"ConvTranspose", conv_transpose}, {"QLinearConv", qlinear_conv}};

}  // namespace

std::span<const ImportRow> conv_imports() { return kRows; }

}  // namespace tenon::frontend
