// Indirect reads and writes.
#include "axes.h"
#include "families.h"

namespace tenon::frontend {

namespace {

Vals gather_axis(OnnxNode& n) { return {gather(n[0], n[1], n.axis("axis", n[0].rank()))}; }

Vals gather_elements(OnnxNode& n) {
  return {n.b.emit(Op::gather_elements, {n[0], n[1]}, Attrs().set<Attr::axis>(n.axis("axis", n[0].rank())))};
}

Vals gather_nd(OnnxNode& n) {
  return {n.b.emit(Op::gather_nd, {n[0], n[1]}, Attrs().set<Attr::batch_dims>(n.integer_or("batch_dims", 0)))};
}

Vals scatter_elements(OnnxNode& n) {
  return {n.b.emit(Op::scatter_elements, {n[0], n[1], n[2]},
                   Attrs().set<Attr::axis>(n.axis("axis", n[0].rank())).set<Attr::reduction>(n.text_or("reduction", "none")))};
}

Vals scatter_nd(OnnxNode& n) {
  return {n.b.emit(Op::scatter_nd, {n[0], n[1], n[2]}, Attrs().set<Attr::reduction>(n.text_or("reduction", "none")))};
}

// on where the index along a new axis equals indices, counted from the end where negative.
Vals one_hot(OnnxNode& n) {
  Val indices = cast(n[0], DType::I64), values = n[2];
  Dims depth = n.elements(1);
  n.require(depth.size() == 1, "depth must be one number");
  int axis = n.axis("axis", indices.rank() + 1);
  Val size = scalar_of(n.b, depth[0], DType::I64);
  Val at = unsqueeze(select(indices < 0.0, indices + size, indices), axis);
  Dims dims = at.dims();
  dims[static_cast<size_t>(axis)] = depth[0];
  auto value = [&](int64_t i) { return reshape(slice(values, 0, n.pool.index(i), n.pool.index(1)), {}); };
  return {select(n.b.iota(DType::I64, dims, axis) == at, value(1), value(0))};
}

// y[t] = x[len - 1 - t] for t < len, per batch.
Vals reverse_sequence(OnnxNode& n) {
  Val x = n[0];
  int time = n.axis("time_axis", x.rank()), batch = n.axis("batch_axis", x.rank());
  Val t = n.b.iota(DType::I64, x.dims(), time), length = align_channels(cast(n[1], DType::I64), batch, x.rank());
  Val from = select(t < length, length - 1.0 - t, t);
  return {n.b.emit(Op::gather_elements, {x, from}, Attrs().set<Attr::axis>(time))};
}

// k was an attribute before opset 10.
Vals top_k(OnnxNode& n) {
  Dims k = n.opt(1) ? n.elements(1) : Dims{n.pool.index(n.integer("k"))};
  n.require(k.size() == 1, "k must be one number");
  Expr extent = n[0].dim(n.axis("axis", n[0].rank()));
  if (!n.pool.as_int(k[0])) assume(n, n.pool.binary(SOp::Le, k[0], extent));
  return n.b.emit_all(Op::top_k, {n[0]},
                      Attrs()
                          .set<Attr::axis>(n.axis("axis", n[0].rank()))
                          .set<Attr::dims>(k)
                          .set<Attr::largest>(n.integer_or("largest", 1))
                          .set<Attr::sorted>(n.integer_or("sorted", 1)),
                      2);
}

// A cache of one sequence per batch, with `update` written from write_indices on along axis.
Vals tensor_scatter(OnnxNode& n) {
  Val past = n[0], update = n[1];
  int rank = past.rank(), axis = n.axis(n.integer_or("axis", -2), rank);
  n.require(rank == update.rank() && axis > 0, "update must have the cache's rank, and axis may not be the batch");
  for (int d = 0; d < rank; ++d)
    if (d != axis) checked(unify_dims(n.b.graph, past.dim(d), update.dim(d)));
  Val at = n.b.iota(DType::I64, past.dims(), axis);
  if (Val first = n.opt(2)) at = at - align_channels(cast(first, DType::I64), 0, rank);
  Val size = scalar_of(n.b, past.dim(axis), DType::I64), count = scalar_of(n.b, update.dim(axis), DType::I64);
  std::string mode = n.text_or("mode", "linear");
  if (mode == "circular") at = n.b.emit(Op::mod, {at, size});
  else if (mode != "linear") n.malformed("unknown mode '" + mode + "'");
  Val from = max(min(at, count - 1.0), 0.0);
  Val moved = n.b.emit(Op::gather_elements, {update, from}, Attrs().set<Attr::axis>(axis));
  return {select(logical_and(0.0 <= at, at < count), moved, past)};
}

constexpr ImportRow kRows[] = {
    {"Gather", gather_axis},      {"GatherElements", gather_elements}, {"GatherND", gather_nd},
    {"OneHot", one_hot},          {"ReverseSequence", reverse_sequence}, {"Scatter", scatter_elements},
    {"ScatterElements", scatter_elements}, {"ScatterND", scatter_nd},
    {"TensorScatter", tensor_scatter}, {"TopK", top_k},
};

}  // namespace

std::span<const ImportRow> gather_imports() { return kRows; }

}  // namespace tenon::frontend
