// Fourier transforms, as products with a matrix of roots of unity.
#include <numbers>

#include "axes.h"
#include "families.h"

namespace tenon::frontend {

namespace {

struct Complex {
  Val re, im;  // im empty: zero
};

// cos and sin of 2 pi rows * columns / length, in f64. The product is reduced to [0, length) first: exact angles.
Complex roots(Builder& b, Expr rows, Expr columns, Expr length) {
  Val row = b.iota(DType::I64, {rows, columns}, 0), column = b.iota(DType::I64, {rows, columns}, 1);
  Val size = scalar_of(b, length, DType::I64);
  Val turn = cast(b.emit(Op::mod, {row * column, size}), DType::F64) / cast(size, DType::F64);
  return {cos(turn * (2 * std::numbers::pi)), sin(turn * (2 * std::numbers::pi))};
}

// x [..., length] along the last dim, cut or padded with zeros to `length`; the first `bins` results.
Complex transformed(Complex x, Expr length, Expr bins, bool inverse) {
  Builder& b = x.re.builder();
  ExprPool& p = b.pool;
  DType type = x.re.type();
  auto fitted = [&](Val v) {
    if (!v || v.dim(v.rank() - 1) == length) return v;
    int last = v.rank() - 1;
    Expr has = v.dim(last), kept = p.min(has, length);
    if (kept != has) v = slice(v, last, p.index(0), kept);
    Dims begin(v.dims().size(), p.index(0)), end = begin;
    end.back() = p.sub(length, kept);
    return p.is_index(end.back(), 0) ? v : pad(v, begin, end, v.like(0));
  };
  x = {fitted(x.re), fitted(x.im)};
  Complex w = roots(b, length, bins, length);
  Val c = cast(w.re, type), s = cast(w.im, type);
  if (!inverse) s = -s;
  if (!x.im) return {dot(x.re, c), dot(x.re, s)};
  return {dot(x.re, c) - dot(x.im, s), dot(x.re, s) + dot(x.im, c)};
}

// [..., 1 or 2] -> parts without the last dim.
Complex parts(OnnxNode& n, Val x) {
  auto count = n.pool.as_int(x.dim(x.rank() - 1));
  n.require(count && (*count == 1 || *count == 2), "the last dim must be 1 (real) or 2 (complex)");
  int last = x.rank() - 1;
  Val re = squeeze(slice(x, last, n.pool.index(0), n.pool.index(1)), last);
  if (*count == 1) return {re, {}};
  return {re, squeeze(slice(x, last, n.pool.index(1), n.pool.index(1)), last)};
}

Val joined(Complex z) { return concat({unsqueeze(z.re, z.re.rank()), unsqueeze(z.im, z.im.rank())}, z.re.rank()); }

Expr length_operand(OnnxNode& n, size_t i) {
  Dims length = n.elements(i);
  n.require(length.size() == 1, "a length must be one number");
  return length[0];
}

// The whole spectrum from its first half: conj(x[length - k]) for the rest.
Complex mirrored(Complex x, Expr length) {
  Builder& b = x.re.builder();
  int last = x.re.rank() - 1;
  Val k = b.iota(DType::I64, {length}, 0), size = scalar_of(b, length, DType::I64);
  Val upper = size - k < k, from = select(upper, size - k, k);
  Complex all = {gather(x.re, from, last), x.im ? gather(x.im, from, last) : Val{}};
  if (all.im) all.im = select(upper, -all.im, all.im);
  return all;
}

Vals dft(OnnxNode& n) {
  ExprPool& p = n.pool;
  Val x = n[0];
  int rank = x.rank();
  n.require(rank >= 2, "DFT needs an operand of rank 2 or more");
  bool inverse = n.flag("inverse"), onesided = n.flag("onesided");
  Expr axis = p.index(n.opset < 20 ? n.integer("axis") : -2);  // an operand since opset 20
  if (n.opset >= 20 && n.opt(2)) axis = length_operand(n, 2);
  axis = counted_axis(n, axis, rank);
  assume(n, p.binary(SOp::Lt, axis, p.index(rank - 1)));  // not the dim of complex parts
  // As [before, after, along, parts].
  Dims dims = x.dims();
  Expr before = p.index(1), after = before, length = pick(p, dims, axis);
  for (int d = 0; d + 1 < rank; ++d) {
    before = p.mul(before, p.select(p.binary(SOp::Lt, p.index(d), axis), dims[static_cast<size_t>(d)], p.index(1)));
    after = p.mul(after, p.select(p.binary(SOp::Lt, axis, p.index(d)), dims[static_cast<size_t>(d)], p.index(1)));
  }
  x = transpose(reshape(x, {before, length, after, dims.back()}), {0, 2, 1, 3});
  if (n.opt(1)) length = length_operand(n, 1);
  else if (inverse && onesided) length = p.mul(p.sub(length, p.index(1)), p.index(2));
  Complex in = parts(n, x);
  if (inverse && onesided) in = mirrored(in, length);  // IRFFT
  Expr bins = onesided && !inverse ? p.add(p.floordiv(length, p.index(2)), p.index(1)) : length;
  Complex out = transformed(in, length, bins, inverse);
  if (inverse) {
    Val scale = 1.0 / scalar_of(n.b, length, out.re.type());
    out = {out.re * scale, out.im * scale};
  }
  Val y = inverse && onesided ? unsqueeze(out.re, out.re.rank()) : joined(out);
  for (int d = 0; d + 1 < rank; ++d) {
    Expr& extent = dims[static_cast<size_t>(d)];
    extent = p.select(p.binary(SOp::Eq, p.index(d), axis), bins, extent);
  }
  dims.back() = y.dim(3);
  return {reshape(transpose(y, {0, 2, 1, 3}), dims)};
}

// Frames of the signal, windowed, transformed: [B, frames, bins, 2].
Vals stft(OnnxNode& n) {
  ExprPool& p = n.pool;
  Val signal = n[0], window = n.opt(2);
  if (signal.rank() == 2) signal = unsqueeze(signal, 2);
  n.require(signal.rank() == 3, "STFT needs a signal [batch, length] or [batch, length, 1 or 2]");
  Complex x = parts(n, signal);
  if (!n.opt(3) && !window) n.malformed("STFT needs a window or a frame_length");
  Expr length = n.opt(3) ? length_operand(n, 3) : window.dim(0), step = length_operand(n, 1), total = signal.dim(1);
  n.require(p.bounds(step).second > 0, "frame_step must be positive");
  assume(n, p.binary(SOp::Lt, p.index(0), step));
  Expr frames = p.add(p.floordiv(p.sub(total, length), p.max(step, p.index(1))), p.index(1));
  Val index = n.b.iota(DType::I64, {frames, length}, 0) * scalar_of(n.b, step, DType::I64) + n.b.iota(DType::I64, {frames, length}, 1);
  auto framed = [&](Val v) {
    if (!v) return v;
    v = gather(v, index, 1);
    return window ? v * window : v;
  };
  x = {framed(x.re), framed(x.im)};
  bool onesided = n.flag("onesided");
  if (onesided && x.im) n.malformed("onesided needs a real signal");
  Expr bins = onesided ? p.add(p.floordiv(length, p.index(2)), p.index(1)) : length;
  return {joined(transformed(x, length, bins, false))};
}

constexpr ImportRow kRows[] = {{"DFT", dft}, {"STFT", stft}};

}  // namespace

std::span<const ImportRow> signal_imports() { return kRows; }

}  // namespace tenon::frontend
