// The vocabulary that lowerings are written in.
#pragma once

#include "tenon/ops.h"

namespace tenon {

// The type in which values of `type` are computed: f32 for narrower floats, itself otherwise.
constexpr DType compute_type(DType type) { return is_float(type) && bits(type) < 32 ? DType::F32 : type; }

class Lower {
 public:
  explicit Lower(LowerInput& in) : in_(in), p(in.region.pool) {}

  LowerInput& in_;
  ExprPool& p;

  BufferId in(size_t i) const { return i < in_.inputs.size() ? in_.inputs[i] : BufferId{}; }
  BufferId out(size_t i = 0) const { return in_.outputs[i]; }
  const RegionBuffer& buffer(BufferId b) const { return in_.region.buffers[b]; }
  const std::vector<Expr>& dims(BufferId b) const { return buffer(b).dims; }
  size_t rank(BufferId b) const { return dims(b).size(); }
  const Attrs& attrs() const { return in_.node.attrs; }

  // Fresh loop variables, one per extent.
  std::vector<Expr> axes(const std::vector<Expr>& extents, const char* prefix = "i") {
    std::vector<Expr> made;
    for (size_t d = 0; d < extents.size(); ++d) made.push_back(p.axis(prefix + std::to_string(d), extents[d]));
    return made;
  }

  // The element at `indices`, in compute_type.
  Expr load(BufferId b, const std::vector<Expr>& indices) {
    Expr raw = p.load(b, buffer(b).type, indices);
    return p.cast(raw, compute_type(buffer(b).type));
  }
  Expr load_raw(BufferId b, const std::vector<Expr>& indices) { return p.load(b, buffer(b).type, indices); }

  // The element that NumPy's broadcasting pairs with `axes` of a result.
  Expr load_broadcast(BufferId b, const std::vector<Expr>& axes) {
    const std::vector<Expr>& d = dims(b);
    std::vector<Expr> indices;
    for (size_t k = 0; k < d.size(); ++k) indices.push_back(broadcast_index(d[k], axes[axes.size() - d.size() + k]));
    return load(b, indices);
  }

  // `axis mod extent`: the axis itself where the extents are equal, 0 where extent is 1, and right for
  // both where only the run decides.
  Expr broadcast_index(Expr extent, Expr axis) {
    if (p.is_index(extent, 1)) return p.index(0);
    if (p.op(axis) == SOp::Var && p.var(axis).extent == extent) return axis;
    return p.mod(axis, extent);
  }

  // out[axes] = value, narrowed to out's type.
  Statement& store(BufferId out, std::vector<Expr> axes, Expr value) {
    Statement s;
    s.out = out;
    s.indices = axes;
    s.axes = std::move(axes);
    s.value = p.cast(value, buffer(out).type);
    in_.region.statements.push_back(std::move(s));
    return in_.region.statements.back();
  }

  // An accumulator in `type`: its variable is what `value` and `update` refer to.
  Accumulator accumulator(const char* name, DType type, Expr init, Monoid monoid) {
    return {.var = p.new_var({.name = name, .type = type, .lo = -kIndexMax}), .init = init, .update = {}, .monoid = monoid};
  }
  // sum over reduce axes of `term`; the caller pushes it into a Statement.
  Accumulator sum(const char* name, Expr term) {
    DType t = p.type(term);
    Accumulator a = accumulator(name, t, zero(t), Monoid::Sum);
    a.update = p.binary(SOp::Add, a.var, term);
    return a;
  }

  // A temporary of the region.
  BufferId temporary(std::string name, DType type, std::vector<Expr> dims) {
    return in_.region.buffers.push({.name = std::move(name), .value = {}, .type = type, .dims = std::move(dims)});
  }

  Expr zero(DType t) { return is_float(t) ? p.constant(t, 0) : t == DType::Index ? p.index(0) : p.constant_int(t, 0); }
  Expr number(DType t, double v) { return is_float(t) ? p.constant(t, v) : p.constant_int(t, static_cast<int64_t>(v)); }

  // 0 <= index < extent, leaving out what is known; invalid: always true.
  Expr inside(Expr index, Expr extent) {
    Expr condition = {};
    if (!p.provably_nonnegative(index)) condition = p.binary(SOp::Le, p.index(0), index);
    if (!p.provably_less(index, extent)) condition = p.all_of(condition, p.binary(SOp::Lt, index, extent));
    return condition;
  }
};

}  // namespace tenon
