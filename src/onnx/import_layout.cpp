// Ops that move elements: reshape, slice, concat, pad and their kin.
#include <algorithm>
#include <numeric>

#include "families.h"

namespace tenon::frontend {

namespace {

// a / b where that is exact for all we know; the artifact checks it otherwise.
Expr divide(ExprPool& p, Expr a, Expr b) { return p.div_exact(a, b).value_or(p.floordiv(a, b)); }

Vals reshape_to(OnnxNode& n) {
  Val x = n[0];
  ExprPool& p = n.pool;
  auto target = n.elements_or_attribute(1, "shape");
  if (!target) n.malformed("Reshape without shape");
  Dims dims = *target, from = x.dims();
  size_t inferred = dims.size();
  Expr known = p.index(1), total = p.index(1);
  for (size_t d = 0; d < dims.size(); ++d) {
    if (p.is_index(dims[d], 0) && !n.flag("allowzero")) {
      n.require(d < from.size(), "Reshape copies a dim that the operand does not have");
      dims[d] = from[d];
    }
    if (p.is_index(dims[d], -1)) {
      if (inferred != dims.size()) n.malformed("Reshape with -1 twice");
      inferred = d;
    } else {
      n.require(p.bounds(dims[d]).second >= 0, "Reshape to a negative extent");
      known = p.mul(known, dims[d]);
    }
  }
  if (inferred == dims.size()) return {reshape(x, dims)};
  // Dims that stay where they are cancel first: B*S / B also where B may be zero.
  for (Expr d : from) total = p.mul(total, d);
  if (p.is_index(known, 0)) n.malformed("Reshape with -1 beside an extent of zero");
  dims[inferred] = divide(p, total, known);
  return {reshape(x, dims)};
}

Vals flatten_to_matrix(OnnxNode& n) {
  Dims dims = n[0].dims();
  int64_t rank = n[0].rank(), axis = n.integer("axis");
  if (axis < -rank || axis > rank) n.malformed("axis " + std::to_string(axis) + " is outside of the operand");
  auto split = static_cast<size_t>(axis < 0 ? axis + rank : axis);
  auto all = std::span<const Expr>(dims);
  return {reshape(n[0], {product(n.pool, all.first(split)), product(n.pool, all.subspan(split))})};
}

Vals squeeze_dims(OnnxNode& n) {
  Dims dims = n[0].dims();
  std::vector<int64_t> axes;
  if (auto given = n.integers_or_attribute(1, "axes")) {
    axes = n.axes(*given, n[0].rank());
  } else {
    for (size_t d = 0; d < dims.size(); ++d)
      if (n.pool.is_index(dims[d], 1)) axes.push_back(static_cast<int64_t>(d));
  }
  for (int64_t axis : axes) {
    auto extent = n.pool.as_int(dims[static_cast<size_t>(axis)]);
    n.require(!extent || *extent == 1, "Squeeze of dim " + std::to_string(axis) + ", which is not 1");
  }
  for (auto axis = axes.rbegin(); axis != axes.rend(); ++axis) dims.erase(dims.begin() + *axis);
  return {reshape(n[0], dims)};
}

Vals unsqueeze_dims(OnnxNode& n) {
  auto given = n.integers_or_attribute(1, "axes");
  if (!given) n.malformed("Unsqueeze without axes");
  Dims dims = n[0].dims();
  for (int64_t axis : n.axes(*given, n[0].rank() + static_cast<int>(given->size())))
    dims.insert(dims.begin() + axis, n.pool.index(1));
  return {reshape(n[0], dims)};
}

Vals transpose_dims(OnnxNode& n) {
  std::vector<int64_t> perm = n.integers("perm");
  if (!n.has("perm")) {
    perm.resize(n[0].dims().size());
    std::iota(perm.rbegin(), perm.rend(), 0);
  }
  return {transpose(n[0], perm)};
}

Vals concatenate(OnnxNode& n) { return {concat(n.operands(), n.axis("axis", n[0].rank()))}; }

Vals split(OnnxNode& n) {
  Val x = n[0];
  ExprPool& p = n.pool;
  int axis = n.axis("axis", x.rank());
  auto parts = n.elements_or_attribute(1, "split");
  if (!parts) {  // equal chunks, the last may be smaller
    auto count = static_cast<int64_t>(n.output_count());
    Expr chunk = p.ceildiv(x.dim(axis), p.index(count));
    parts = Dims(n.output_count(), chunk);
    parts->back() = p.sub(x.dim(axis), p.mul(chunk, p.index(count - 1)));
  }
  if (parts->size() < n.output_count()) n.malformed("Split has more outputs than parts");
  Vals outputs;
  Expr start = p.index(0);
  for (Expr part : *parts) {
    outputs.push_back(slice(x, axis, start, part));
    start = p.add(start, part);
  }
  checked(unify_dims(n.b.graph, start, x.dim(axis)));
  return outputs;
}

// Bounds beyond this mean "to the end", also of a dim that only the run knows.
constexpr int64_t kFar = INT32_MAX;

// A slice bound, counted from the end where negative, clamped into [low, high].
Expr slice_bound(ExprPool& p, Expr bound, Expr dim, Expr low, Expr high) {
  if (auto number = p.as_int(bound); number && !p.is_const(dim)) {
    if (*number >= kFar) return high;
    if (*number <= -kFar) return low;
  }
  if (p.bounds(bound).second < 0) bound = p.add(bound, dim);
  else if (!p.provably_nonnegative(bound))
    bound = p.select(p.binary(SOp::Lt, bound, p.index(0)), p.add(bound, dim), bound);
  return p.max(p.min(bound, high), low);
}

Vals slice_dims(OnnxNode& n) {
  ExprPool& p = n.pool;
  Dims x = n[0].dims(), dims = x, starts(x.size(), p.index(0));
  std::vector<int64_t> steps(x.size(), 1);
  auto from = n.elements_or_attribute(1, "starts"), to = n.elements_or_attribute(2, "ends");
  if (!from || !to || from->size() != to->size()) n.malformed("Slice needs as many starts as ends");
  std::vector<int64_t> axes(from->size());
  std::iota(axes.begin(), axes.end(), 0);
  if (auto given = n.integers_or_attribute(3, "axes")) axes = *given;
  std::vector<int64_t> given_steps = n.opt(4) ? n.constant_integers(4) : std::vector<int64_t>(axes.size(), 1);
  if (axes.size() != from->size() || given_steps.size() != from->size())
    n.malformed("Slice needs as many axes and steps as starts");
  for (size_t i = 0; i < axes.size(); ++i) {
    auto d = static_cast<size_t>(n.axis(axes[i], n[0].rank()));
    int64_t step = std::clamp<int64_t>(given_steps[i], -kFar, kFar);
    if (step == 0) n.malformed("Slice with step 0");
    Expr zero = p.index(0), last = p.sub(x[d], p.index(1));
    Expr low = step > 0 ? zero : p.index(-1), high = step > 0 ? x[d] : last;
    Expr start = slice_bound(p, (*from)[i], x[d], zero, high);
    Expr end = slice_bound(p, (*to)[i], x[d], low, high);
    Expr span = step > 0 ? p.sub(end, start) : p.sub(start, end);
    starts[d] = start;
    steps[d] = step;
    dims[d] = p.ceildiv(p.max(span, zero), p.index(std::abs(step)));
  }
  return {n.b.emit(Op::slice, {n[0]}, Attrs().set<Attr::starts>(starts).set<Attr::steps>(steps).set<Attr::dims>(dims))};
}

Vals expand(OnnxNode& n) { return {broadcast(n[0], n.elements(1))}; }

// Each dim d becomes (repeat, d), which broadcasts, and then one dim again.
Vals tile(OnnxNode& n) {
  ExprPool& p = n.pool;
  Dims x = n[0].dims(), repeats = n.elements(1), split, repeated, merged;
  n.require(repeats.size() == x.size(), "Tile needs a repeat for every dim");
  for (size_t d = 0; d < x.size(); ++d) {
    split.insert(split.end(), {p.index(1), x[d]});
    repeated.insert(repeated.end(), {repeats[d], x[d]});
    merged.push_back(p.mul(repeats[d], x[d]));
  }
  if (merged == x) return {n[0]};
  return {reshape(broadcast(reshape(n[0], split), repeated), merged)};
}

Vals pad_dims(OnnxNode& n) {
  ExprPool& p = n.pool;
  Val x = n[0];
  auto pads = n.elements_or_attribute(1, "pads");
  if (!pads) n.malformed("Pad without pads");
  std::vector<int64_t> axes(x.dims().size());
  std::iota(axes.begin(), axes.end(), 0);
  if (n.opt(3)) axes = n.constant_integers(3);
  if (pads->size() != 2 * axes.size()) n.malformed("Pad needs two pads for every axis");
  Dims begin(x.dims().size(), p.index(0)), end = begin;
  for (size_t i = 0; i < axes.size(); ++i) {
    auto d = static_cast<size_t>(n.axis(axes[i], x.rank()));
    begin[d] = (*pads)[i];
    end[d] = (*pads)[i + axes.size()];
  }
  std::string mode = n.text("mode");
  Val value = n.opt(2);
  if (!value && n.has("value")) value = x.like(n.real("value"));
  Vals operands = {x};
  if (value && mode == "constant") operands.push_back(reshape(value, {}));
  return {n.b.emit(Op::pad, operands,
                   Attrs().set<Attr::pads_begin>(begin).set<Attr::pads_end>(end).set<Attr::mode>(mode))};
}

Vals depth_to_space(OnnxNode& n) {
  Dims x = n[0].dims();
  n.require(x.size() == 4, "DepthToSpace needs rank 4");
  ExprPool& p = n.pool;
  Expr b = p.index(n.integer("blocksize")), c = divide(p, x[1], p.mul(b, b));
  Dims result = {x[0], c, p.mul(x[2], b), p.mul(x[3], b)};
  if (n.text_or("mode", "DCR") == "CRD")
    return {reshape(transpose(reshape(n[0], {x[0], c, b, b, x[2], x[3]}), {0, 1, 4, 2, 5, 3}), result)};
  return {reshape(transpose(reshape(n[0], {x[0], b, b, c, x[2], x[3]}), {0, 3, 4, 1, 5, 2}), result)};
}

Vals space_to_depth(OnnxNode& n) {
  Dims x = n[0].dims();
  n.require(x.size() == 4, "SpaceToDepth needs rank 4");
  ExprPool& p = n.pool;
  Expr b = p.index(n.integer("blocksize")), h = divide(p, x[2], b), w = divide(p, x[3], b);
  Val blocks = reshape(n[0], {x[0], x[1], h, b, w, b});
  bool crd = n.text_or("mode", "DCR") == "CRD";
  Val moved = transpose(blocks, crd ? std::vector<int64_t>{0, 1, 3, 5, 2, 4} : std::vector<int64_t>{0, 3, 5, 1, 2, 4});
  return {reshape(moved, {x[0], p.mul(x[1], p.mul(b, b)), h, w})};
}

constexpr ImportRow kRows[] = {
    {"Concat", concatenate},      {"DepthToSpace", depth_to_space}, {"Expand", expand},    {"Flatten", flatten_to_matrix},
    {"Pad", pad_dims},            {"Reshape", reshape_to},          {"Slice", slice_dims}, {"SpaceToDepth", space_to_depth},
    {"Split", split},             {"Squeeze", squeeze_dims},        {"Tile", tile},        {"Transpose", transpose_dims},
    {"Unsqueeze", unsqueeze_dims},
};

}  // namespace

std::span<const ImportRow> layout_imports() { return kRows; }

}  // namespace tenon::frontend
