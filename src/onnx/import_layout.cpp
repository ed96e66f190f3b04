// Ops that move elements: reshape, slice, concat, pad and their kin.
#include <algorithm>
#include <numeric>

#include "axes.h"
#include "families.h"

namespace tenon::frontend {

namespace {

// a / b where that is exact for all we know; the artifact checks it otherwise.
Expr divide(ExprPool& p, Expr a, Expr b) { return p.div_exact(a, b).value_or(p.floordiv(a, b)); }

// Of a shape that only the run knows, any dim may be 0 (copied) or -1 (what is left).
Dims dims_from_data(OnnxNode& n, Dims dims) {
  ExprPool& p = n.pool;
  Dims from = n[0].dims();
  Expr one = p.index(1), known = one, total = product(p, from);
  for (size_t d = 0; d < dims.size() && !n.flag("allowzero"); ++d)
    dims[d] = p.select(p.binary(SOp::Eq, dims[d], p.index(0)), d < from.size() ? from[d] : p.index(0), dims[d]);
  auto is_rest = [&](Expr d) { return p.binary(SOp::Eq, d, p.index(-1)); };
  for (Expr d : dims) known = p.mul(known, p.select(is_rest(d), one, d));
  for (Expr& d : dims) d = p.select(is_rest(d), p.floordiv(total, p.max(known, one)), d);
  return dims;
}

Vals reshape_to(OnnxNode& n) {
  Val x = n[0];
  ExprPool& p = n.pool;
  auto target = n.elements_or_attribute(1, "shape");
  if (!target) n.malformed("Reshape without shape");
  Dims dims = *target, from = x.dims();
  size_t inferred = dims.size();
  if (std::ranges::any_of(dims, [&](Expr d) { return n.b.depends_on_input(d) && p.bounds(d).first < 1; }))
    return {reshape(x, dims_from_data(n, dims))};
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
  if (auto given = n.elements_or_attribute(1, "axes")) {
    auto known = known_integers(n.pool, *given);
    if (!known) return {reshape(n[0], AxisSet(n, *given, n[0].rank()).without(dims))};
    axes = n.axes(*known, n[0].rank());
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
  auto given = n.elements_or_attribute(1, "axes");
  if (!given) n.malformed("Unsqueeze without axes");
  Dims dims = n[0].dims();
  int rank = n[0].rank() + static_cast<int>(given->size());
  auto known = known_integers(n.pool, *given);
  if (!known) return {reshape(n[0], AxisSet(n, *given, rank).with_ones(dims))};
  for (int64_t axis : n.axes(*known, rank))
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

// Axes or steps that only the run knows: an index vector per dim, start + i * step.
Val sliced_by_data(OnnxNode& n, const Dims& from, const Dims& to, const Dims& axes, const Dims& steps) {
  ExprPool& p = n.pool;
  Val y = n[0];
  Dims x = y.dims(), counted;
  Expr zero = p.index(0), one = p.index(1);
  for (Expr axis : axes) counted.push_back(counted_axis(n, axis, y.rank()));
  for (Expr step : steps) assume(n, p.binary(SOp::Ne, step, zero));
  for (size_t d = 0; d < x.size(); ++d) {
    Expr start = zero, extent = x[d], step = one, last = p.sub(x[d], one);
    for (size_t i = 0; i < axes.size(); ++i) {
      Expr here = p.binary(SOp::Eq, counted[i], p.index(static_cast<int64_t>(d))), forward = p.binary(SOp::Lt, zero, steps[i]);
      Expr begin = slice_bound(p, from[i], x[d], zero, p.select(forward, x[d], last));
      Expr end = slice_bound(p, to[i], x[d], p.select(forward, zero, p.index(-1)), p.select(forward, x[d], last));
      Expr span = p.select(forward, p.sub(end, begin), p.sub(begin, end)), stride = p.select(forward, steps[i], p.sub(zero, steps[i]));
      start = p.select(here, begin, start);
      step = p.select(here, steps[i], step);
      extent = p.select(here, p.ceildiv(p.max(span, zero), p.max(stride, one)), extent);
    }
    Val index = n.b.iota(DType::I64, {extent}, 0);
    y = gather(y, scalar_of(n.b, start, DType::I64) + index * scalar_of(n.b, step, DType::I64), static_cast<int>(d));
  }
  return y;
}

Vals slice_dims(OnnxNode& n) {
  ExprPool& p = n.pool;
  Dims x = n[0].dims(), dims = x, starts(x.size(), p.index(0));
  std::vector<int64_t> steps(x.size(), 1);
  auto from = n.elements_or_attribute(1, "starts"), to = n.elements_or_attribute(2, "ends");
  if (!from || !to || from->size() != to->size()) n.malformed("Slice needs as many starts as ends");
  Dims axes_given, steps_given(from->size(), p.index(1));
  for (size_t i = 0; i < from->size(); ++i) axes_given.push_back(p.index(static_cast<int64_t>(i)));
  if (auto given = n.elements_or_attribute(3, "axes")) axes_given = *given;
  if (n.opt(4)) steps_given = n.elements(4);
  if (axes_given.size() != from->size() || steps_given.size() != from->size())
    n.malformed("Slice needs as many axes and steps as starts");
  auto known_axes = known_integers(p, axes_given), known_steps = known_integers(p, steps_given);
  if (!known_axes || !known_steps) return {sliced_by_data(n, *from, *to, axes_given, steps_given)};
  std::vector<int64_t> axes = *known_axes, given_steps = *known_steps;
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

// A dim of data broadcasts where the operand's is 1, and must be 1 or equal elsewhere.
Vals expand(OnnxNode& n) {
  ExprPool& p = n.pool;
  Dims target = n.elements(1), x = n[0].dims();
  for (size_t k = 1; k <= std::min(target.size(), x.size()); ++k) {
    Expr &wanted = target[target.size() - k], has = x[x.size() - k];
    if (p.is_index(has, 1) || !n.b.depends_on_input(wanted)) continue;
    Expr extent = p.select(p.binary(SOp::Eq, wanted, p.index(1)), has, wanted);
    assume_equal(n, extent, has);
    wanted = has;
  }
  return {broadcast(n[0], target)};
}

// Each dim d becomes (repeat, d), which broadcasts, and then one dim again.
Vals tile(OnnxNode& n) {
  ExprPool& p = n.pool;
  if (n.opset < 6) n.unsupported("tiles and axis as two operands (opset 1)");
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
  auto pads = n.elements_or_attribute(1, n.opset < 2 ? "paddings" : "pads");
  if (!pads) n.malformed("Pad without pads");
  Dims axes;
  for (int d = 0; d < x.rank(); ++d) axes.push_back(p.index(d));
  if (n.opt(3)) axes = n.elements(3);
  if (pads->size() != 2 * axes.size()) n.malformed("Pad needs two pads for every axis");
  Dims begin(x.dims().size(), p.index(0)), end = begin;
  for (size_t i = 0; i < axes.size(); ++i) {
    auto known = p.as_int(axes[i]);
    Expr axis = known ? p.index(n.axis(*known, x.rank())) : counted_axis(n, axes[i], x.rank());
    for (size_t d = 0; d < begin.size(); ++d) {
      Expr here = p.binary(SOp::Eq, axis, p.index(static_cast<int64_t>(d)));
      begin[d] = p.select(here, (*pads)[i], begin[d]);
      end[d] = p.select(here, (*pads)[i + axes.size()], end[d]);
    }
  }
  std::string mode = n.text("mode");
  // Elements that a run pads with must lie in x.
  for (size_t d = 0; d < begin.size() && mode == "reflect"; ++d)
    for (Expr pad : {begin[d], end[d]})
      if (n.b.depends_on_input(pad)) assume(n, p.binary(SOp::Lt, pad, x.dim(static_cast<int>(d))));
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
