// Pooling.
#include <numeric>

#include "families.h"
#include "spatial.h"

namespace tenon::frontend {

namespace {

Dims spatial_dims(OnnxNode& n) {
  n.require(n[0].rank() >= 3, n.op() + " needs an operand of rank 3 or more");
  Dims dims = n[0].dims();
  return {dims.begin() + 2, dims.end()};
}

std::vector<int64_t> spatial_axes(OnnxNode& n) {
  std::vector<int64_t> axes(spatial_dims(n).size());
  std::iota(axes.begin(), axes.end(), 2);
  return axes;
}

// ceil_mode: room at the end for one more window, unless that window would start in the padding.
Dims ceil_room(OnnxNode& n, const Window& w, const Dims& extents) {
  ExprPool& p = n.pool;
  Dims room(extents.size(), p.index(0));
  if (!n.flag("ceil_mode")) return room;
  for (size_t d = 0; d < extents.size(); ++d) {
    Expr stride = p.index(w.strides[d]), padded = p.add(p.add(extents[d], w.begin[d]), w.end[d]);
    Expr slack = p.sub(padded, p.index(reach(w, d)));
    Expr last = p.mul(p.ceildiv(slack, stride), stride);  // where the extra window starts
    Expr starts_inside = p.binary(SOp::Lt, last, p.add(extents[d], w.begin[d]));
    room[d] = p.select(starts_inside, p.sub(last, slack), p.index(0));
  }
  return room;
}

struct Pool {
  Window window;
  Dims room;
};

Pool pool_of(OnnxNode& n) {
  Dims extents = spatial_dims(n);
  Pool pool{.window = window_of(n, extents), .room = {}};
  pool.room = ceil_room(n, pool.window, extents);
  return pool;
}

Val emit_window(OnnxNode& n, Op op, Val x, const Window& w, const Dims& room) {
  Window padded = w;
  for (size_t d = 0; d < room.size(); ++d) padded.end[d] = n.pool.add(w.end[d], room[d]);
  return n.b.emit(op, {x}, window_attrs(padded).set<Attr::kernel>(w.kernel));
}

// Indices into x with the first spatial dim fastest (storage_order 1).
Val column_major(OnnxNode& n, Val index) {
  Dims extents = spatial_dims(n);
  auto number = [&](Expr e) { return scalar_of(n.b, e, DType::I64); };
  Val plane = number(product(n.pool, extents)), rest = n.b.emit(Op::mod, {index, plane}), moved = index - rest;
  Expr below = n.pool.index(1);
  for (size_t d = 0; d < extents.size(); ++d) {
    Val after = number(product(n.pool, std::span(extents).subspan(d + 1)));
    moved = moved + rest / after * number(below);
    rest = n.b.emit(Op::mod, {rest, after});
    below = n.pool.mul(below, extents[d]);
  }
  return moved;
}

Vals max_pool(OnnxNode& n) {
  Pool pool = pool_of(n);
  Window padded = pool.window;
  for (size_t d = 0; d < pool.room.size(); ++d) padded.end[d] = n.pool.add(padded.end[d], pool.room[d]);
  Vals outputs = n.b.emit_all(Op::window_max, {n[0]}, window_attrs(padded).set<Attr::kernel>(padded.kernel),
                              n.wants_output(1) ? 2 : 1);
  if (n.integer_or("storage_order", 0) != 0 && n.wants_output(1)) outputs[1] = column_major(n, outputs[1]);
  return outputs;
}

// ONNX MaxUnpool: every value goes where its index says, in the smallest image that such a pool comes from.
Vals max_unpool(OnnxNode& n) {
  ExprPool& p = n.pool;
  Val x = n[0];
  Window w = window_of(n, spatial_dims(n));
  Dims dims = x.dims();
  for (size_t d = 0; d < w.kernel.size(); ++d) {
    Expr full = p.add(p.mul(p.sub(dims[d + 2], p.index(1)), p.index(w.strides[d])), p.index(w.kernel[d]));
    dims[d + 2] = p.sub(p.sub(full, w.begin[d]), w.end[d]);
  }
  Val zeros = broadcast(x.like(0), {product(p, dims)});
  Val y = n.b.emit(Op::scatter_elements, {zeros, flatten(n[1], 0, n[1].rank()), flatten(x, 0, x.rank())},
                   Attrs().set<Attr::axis>(0).set<Attr::reduction>("none"));
  y = reshape(y, dims);
  if (!n.opt(2)) return {y};
  Dims wanted = n.elements(2), begin(dims.size(), p.index(0)), end = begin;
  n.require(wanted.size() == dims.size(), "output_shape needs one extent per dim");
  for (size_t d = 0; d < dims.size(); ++d) end[d] = p.sub(wanted[d], dims[d]);
  return {pad(y, begin, end, y.like(0))};
}

// Elements per window: all of them, or those inside x (and its padding, if that counts).
Val window_count(OnnxNode& n, const Pool& pool) {
  ExprPool& p = n.pool;
  const Window& w = pool.window;
  bool pads_count = n.flag("count_include_pad");
  Dims ones = {p.index(1), p.index(1)}, extents = spatial_dims(n);
  Window clipped = w;
  bool full = true;
  for (size_t d = 0; d < extents.size(); ++d) {
    bool padded = !p.is_index(w.begin[d], 0) || !p.is_index(w.end[d], 0);
    full &= p.is_index(pool.room[d], 0) && (pads_count || !padded);
    if (pads_count) {
      extents[d] = p.add(p.add(extents[d], w.begin[d]), w.end[d]);
      clipped.begin[d] = clipped.end[d] = p.index(0);
    }
  }
  int64_t taps = std::accumulate(w.kernel.begin(), w.kernel.end(), int64_t{1}, std::multiplies());
  if (full) return n[0].like(static_cast<double>(taps));
  ones.insert(ones.end(), extents.begin(), extents.end());
  return emit_window(n, Op::window_sum, broadcast(n[0].like(1), ones), clipped, pool.room);
}

Vals average_pool(OnnxNode& n) {
  Pool pool = pool_of(n);
  return {emit_window(n, Op::window_sum, n[0], pool.window, pool.room) / window_count(n, pool)};
}

Vals lp_pool(OnnxNode& n) {
  Pool pool = pool_of(n);
  double p = static_cast<double>(n.integer("p"));
  return {pow(emit_window(n, Op::window_sum, pow(abs(n[0]), p), pool.window, pool.room), 1 / p)};
}

Vals global_average_pool(OnnxNode& n) { return {mean(n[0], spatial_axes(n), true)}; }
Vals global_max_pool(OnnxNode& n) { return {reduce(Op::reduce_max, n[0], spatial_axes(n), true)}; }
Vals global_lp_pool(OnnxNode& n) {
  double p = static_cast<double>(n.integer("p"));
  return {pow(reduce(Op::reduce_sum, pow(abs(n[0]), p), spatial_axes(n), true), 1 / p)};
}

constexpr ImportRow kRows[] = {
    {"AveragePool", average_pool},          {"GlobalAveragePool", global_average_pool},
    {"GlobalLpPool", global_lp_pool},       {"GlobalMaxPool", global_max_pool},
    {"LpPool", lp_pool},                    {"MaxPool", max_pool},
    {"MaxUnpool", max_unpool},
};

}  // namespace

std::span<const ImportRow> pool_imports() { return kRows; }

}  // namespace tenon::frontend
