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

// The transpose of reading windows: every column is added back where it came from, which is a transposed
// convolution with ones.
Vals col2im(OnnxNode& n) {
  ExprPool& p = n.pool;
  Val x = n[0];
  Dims image = n.elements(1);
  std::vector<int64_t> kernel = n.constant_integers(2);
  n.require(x.rank() == 3 && image.size() == kernel.size() && !kernel.empty(), "Col2Im needs columns [N,C,L] and shapes of one rank");
  Window window = window_of(n, image, kernel);
  Expr taps = p.index(1);
  Dims blocks;
  for (size_t d = 0; d < image.size(); ++d) {
    taps = p.mul(taps, p.index(kernel[d]));
    Expr padded = p.add(p.add(image[d], window.begin[d]), window.end[d]);
    blocks.push_back(p.add(p.floordiv(p.sub(padded, p.index(reach(window, d))), p.index(window.strides[d])), p.index(1)));
    Expr covered = p.add(p.mul(p.sub(blocks[d], p.index(1)), p.index(window.strides[d])), p.index(reach(window, d)));
    window.end[d] = p.sub(p.sub(covered, window.begin[d]), image[d]);
  }
  auto channels = p.div_exact(x.dim(1), taps);
  auto groups = channels ? p.as_int(*channels) : std::nullopt;
  n.require(groups.has_value(), "the columns' rows are no known multiple of the block");
  Dims square = {taps, taps}, ones = {x.dim(1), p.index(1)}, columns = {x.dim(0), x.dim(1)};
  for (int64_t k : kernel) ones.push_back(p.index(k));
  columns.insert(columns.end(), blocks.begin(), blocks.end());
  Val eye = cast(n.b.iota(DType::I64, square, 0) == n.b.iota(DType::I64, square, 1), x.type());
  Val w = reshape(broadcast(unsqueeze(eye, 0), {*channels, taps, taps}), ones);
  return {n.b.emit(Op::conv_transpose, {reshape(x, columns), w}, window_attrs(window).set<Attr::groups>(*groups))};
}

constexpr ImportRow kRows[] = {
    {"Col2Im", col2im}, {"Conv", conv}, {"ConvInteger", conv_integer}, {"ConvTranspose", conv_transpose}, {"QLinearConv", qlinear_conv}};

}  // namespace

std::span<const ImportRow> conv_imports() { return kRows; }

}  // namespace tenon::frontend
