// Reads at computed positions: GridSample, DeformConv. Neighbours are gathered from the flattened plane and weighted.
#include <algorithm>
#include <functional>

#include "families.h"
#include "spatial.h"

namespace tenon::frontend {

namespace {

Dims spatial_dims(Val x) {
  Dims dims = x.dims();
  return {dims.begin() + 2, dims.end()};
}

// One spatial dim at the sampled positions: cell indices (floats that are whole numbers) and their weights.
struct Taps {
  Vals cells, weights;
};

// What a cell outside [0, size) means.
enum class Outside { Zeros, Border, Reflection };

Val clamped(Val v, Val size) { return max(min(v, size - 1.0), 0.0); }

// Reflected at low and high until inside: a wave of period 2 * (high - low). Its floor is taken as an index.
Val reflected(Val v, Val low, Val high) {
  Val range = high - low, from_low = abs(v - low);
  Val phase = from_low - floor(from_low / (range * 2.0)) * (range * 2.0);
  Val inside = low + select(range < phase, range * 2.0 - phase, phase);
  return select(range == 0.0, low, inside);
}

// x [N,C,S...] at cells [N,P] per spatial dim, -> [N,C,P]; weights count as zero where a cell is outside.
Val gathered(Val x, const Vals& cells, const Vals& sizes) {
  Val linear = cells[0];
  for (size_t d = 1; d < cells.size(); ++d) linear = linear * sizes[d] + cells[d];
  Val plane = flatten(x, 2, x.rank());
  Dims target = {x.dim(0), x.dim(1), linear.dim(1)};
  Val index = broadcast(unsqueeze(linear, 1), target);
  return x.builder().emit(Op::gather_elements, {plane, index}, Attrs().set<Attr::axis>(2));
}

// The sum over all combinations of taps, one of each dim.
Val weighted_sum(Val x, const std::vector<Taps>& taps, const Vals& sizes, Outside outside, const Vals& low, const Vals& high) {
  Val sum;
  Vals cells(taps.size());
  std::function<void(size_t, Val)> visit = [&](size_t d, Val weight) {
    if (d == taps.size()) {
      Val read = gathered(x, cells, sizes);
      Val term = weight ? read * unsqueeze(cast(weight, x.type()), 1) : read;
      sum = sum ? sum + term : term;
      return;
    }
    for (size_t k = 0; k < taps[d].cells.size(); ++k) {
      Val cell = taps[d].cells[k], own = taps[d].weights[k], size = cast(sizes[d], cell.type());
      if (outside == Outside::Zeros) {
        Val inside = logical_and(0.0 <= cell, cell < size);
        own = own ? select(inside, own, own.like(0)) : cast(inside, cell.type());
      } else if (outside == Outside::Reflection) {
        cell = floor(reflected(cell, low[d], high[d]));
      }
      cells[d] = cast(clamped(cell, size), DType::I64);
      visit(d + 1, weight && own ? weight * own : own ? own : weight);
    }
  };
  visit(0, {});
  return sum;
}

Taps linear_taps(Val at) {
  Val first = floor(at), t = at - first;
  return {{first, first + 1.0}, {1.0 - t, t}};
}

// Keys' kernel with a = -0.75.
Taps cubic_taps(Val at) {
  constexpr double a = -0.75;
  Val first = floor(at), t = at - first, u = 1.0 - t, near = t + 1.0, far = u + 1.0;
  auto outer = [&](Val v) { return ((v * a - 5 * a) * v + 8 * a) * v - 4 * a; };
  auto inner = [&](Val v) { return (v * (a + 2) - (a + 3)) * v * v + 1.0; };
  return {{first - 1.0, first, first + 1.0, first + 2.0}, {outer(near), inner(t), inner(u), outer(far)}};
}

// ONNX GridSample: grid [N, out..., r] holds positions in [-1, 1], the last spatial dim first.
Vals grid_sample(OnnxNode& n) {
  ExprPool& p = n.pool;
  Val x = n[0], grid = n[1];
  Dims spatial = spatial_dims(x), out = grid.dims();
  n.require(x.rank() >= 3 && grid.rank() == x.rank() && p.is_index(out.back(), static_cast<int64_t>(spatial.size())),
            "GridSample needs x [N,C,S...] and a grid with one coordinate per spatial dim");
  checked(unify_dims(n.b.graph, x.dim(0), out[0]));
  std::string mode = n.text("mode"), padding = n.text("padding_mode");
  bool nearest = mode == "nearest", cubic = mode == "cubic" || mode == "bicubic", align = n.flag("align_corners");
  if (!nearest && !cubic && mode != "linear" && mode != "bilinear") n.malformed("unknown mode '" + mode + "'");
  if (padding != "zeros" && padding != "border" && padding != "reflection") n.malformed("unknown padding_mode '" + padding + "'");
  Outside outside = padding == "zeros" ? Outside::Zeros : padding == "border" ? Outside::Border : Outside::Reflection;
  DType type = x.type() == DType::F64 ? DType::F64 : DType::F32;
  Val positions = reshape(cast(grid, type), {out[0], product(p, std::span(out).subspan(1, out.size() - 2)), out.back()});
  std::vector<Taps> taps;
  Vals sizes, low, high;
  for (size_t d = 0; d < spatial.size(); ++d) {
    Val size = scalar_of(n.b, spatial[d], type);
    auto coordinate = static_cast<int64_t>(spatial.size() - 1 - d);
    Val g = squeeze(slice(positions, 2, p.index(coordinate), p.index(1)), 2) + 1.0;
    Val at = align ? g * 0.5 * (size - 1.0) : (g * size - 1.0) * 0.5;
    sizes.push_back(scalar_of(n.b, spatial[d], DType::I64));
    low.push_back(n.b.scalar(type, align ? 0 : -0.5));
    high.push_back(align ? size - 1.0 : size - 0.5);
    if (nearest) at = round(at);
    // Positions outside go back inside first; the neighbours of one near the edge may still be outside.
    if (outside == Outside::Border) at = select(at < low[d], low[d].like(0), select(high[d] < at, size - 1.0, at));
    if (outside == Outside::Reflection) at = reflected(at, low[d], high[d]);
    taps.push_back(nearest ? Taps{{round(at)}, {Val{}}} : cubic ? cubic_taps(at) : linear_taps(at));
  }
  Val y = weighted_sum(x, taps, sizes, outside, low, high);
  Dims result = {x.dim(0), x.dim(1)};
  result.insert(result.end(), out.begin() + 1, out.end() - 1);
  return {reshape(y, result)};
}

// Deformable convolution of images: every tap of the kernel reads at its own offset, bilinearly, zero outside.
// y[n,o,i,j] = bias + sum over c, k of w[o,c,k] * mask[n,k,i,j] * x[n, c, i*s - p + k*d + offset[n,k,i,j]]
Vals deform_conv(OnnxNode& n) {
  ExprPool& p = n.pool;
  Val x = n[0], w = n[1], offset = n[2], bias = n.opt(3), mask = n.opt(4);
  n.require(x.rank() == 4 && w.rank() == 4 && offset.rank() == 4, "DeformConv is defined for images, [N,C,H,W]");
  std::vector<int64_t> kernel;
  for (Expr d : spatial_dims(w)) {
    if (!p.as_int(d)) n.unsupported("a kernel of symbolic extent");
    kernel.push_back(*p.as_int(d));
  }
  Window window = window_of(n, spatial_dims(x), kernel);
  int64_t groups = n.integer("group"), offset_groups = n.integer("offset_group"), taps = kernel[0] * kernel[1];
  if (groups < 1 || offset_groups < 1) n.malformed("group and offset_group must be positive");
  auto per_group = p.div_exact(x.dim(1), p.index(offset_groups)), inputs = p.div_exact(x.dim(1), p.index(groups)),
       outputs = p.div_exact(w.dim(0), p.index(groups));
  n.require(per_group && inputs && outputs, "channels are no multiple of the groups");
  Expr batch = x.dim(0), rows = offset.dim(2), columns = offset.dim(3), positions = p.mul(rows, columns);
  Expr every = p.mul(batch, p.index(offset_groups)), reads = p.mul(p.index(taps), positions);
  // Groups of channels that share offsets become images of their own.
  Val image = reshape(x, {every, *per_group, x.dim(2), x.dim(3)});
  Val moved = reshape(cast(offset, DType::F32), {every, p.index(taps), p.index(2), rows, columns});
  std::vector<Taps> at;
  Vals sizes;
  Dims grid = {p.index(taps), rows, columns};
  for (int d = 0; d < 2; ++d) {
    auto u = static_cast<size_t>(d);
    Val tap = n.b.iota(DType::I64, {p.index(kernel[0]), p.index(kernel[1])}, d);
    tap = reshape(tap, {p.index(taps), p.index(1), p.index(1)}) * static_cast<double>(window.dilations[u]);
    Val start = n.b.iota(DType::I64, grid, d + 1) * static_cast<double>(window.strides[u]) - scalar_of(n.b, window.begin[u], DType::I64);
    Val place = cast(start + tap, DType::F32) + squeeze(slice(moved, 2, p.index(d), p.index(1)), 2);
    at.push_back(linear_taps(reshape(place, {every, reads})));
    sizes.push_back(scalar_of(n.b, x.dim(d + 2), DType::I64));
  }
  Val read = weighted_sum(image, at, sizes, Outside::Zeros, {}, {});
  if (mask) read = read * reshape(mask, {every, p.index(1), reads});
  // [N, groups, C/g * taps, positions]: a product with w per group.
  Expr depth = p.mul(*inputs, p.index(taps));
  Val y = dot(reshape(w, {p.index(groups), *outputs, depth}), reshape(read, {batch, p.index(groups), depth, positions}));
  y = reshape(y, {batch, w.dim(0), rows, columns});
  return {bias ? y + align_channels(bias, 1, 4) : y};
}

constexpr ImportRow kRows[] = {{"DeformConv", deform_conv}, {"GridSample", grid_sample}};

}  // namespace

std::span<const ImportRow> sample_imports() { return kRows; }

}  // namespace tenon::frontend
