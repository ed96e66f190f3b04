// Axes that may be known only when the model runs: a small vector of index expressions. Ranks stay known, because
// the number of axes is; extents become selections among the operand's.
#pragma once

#include "node.h"

namespace tenon::frontend {

// Checked when the model runs; refused where they are known to be false.
void assume_equal(OnnxNode& n, Expr a, Expr b);
void assume(OnnxNode& n, Expr condition);  // of type bool

// The numbers, where all are known.
std::optional<std::vector<int64_t>> known_integers(const ExprPool& pool, const Dims& numbers);

// An axis counted from the end where negative; that it is one is assumed.
Expr counted_axis(OnnxNode& n, Expr axis, int rank);

// dims[index], index in range.
Expr pick(ExprPool& pool, const Dims& dims, Expr index);

// Distinct axes of a tensor of some rank.
class AxisSet {
 public:
  AxisSet(OnnxNode& n, const Dims& axes, int rank);

  Expr contains(size_t axis) const { return contains_[axis]; }  // of type bool
  Dims without(const Dims& dims) const;                         // the extents of the other axes, in order
  Dims with_ones(const Dims& dims) const;                       // extents of the result's others from `dims`, 1 at the axes

 private:
  Expr before(size_t axis) const;  // how many of the set lie before it

  ExprPool& pool_;
  size_t count_;
  Dims contains_;
};

// Reduces over the set: f is given a tensor of twice the rank and every second axis, which it reduces and drops.
template <class F>
Val reduce_over(OnnxNode& n, Val x, const Dims& axes, bool keep, const F& f) {
  // Each dim d becomes (d, 1), or (1, d) where it is reduced.
  AxisSet set(n, axes, x.rank());
  ExprPool& p = n.pool;
  Dims dims = x.dims(), split, kept;
  std::vector<int64_t> second;
  for (size_t d = 0; d < dims.size(); ++d) {
    kept.push_back(p.select(set.contains(d), p.index(1), dims[d]));
    split.insert(split.end(), {kept.back(), p.select(set.contains(d), dims[d], p.index(1))});
    second.push_back(static_cast<int64_t>(2 * d + 1));
  }
  return reshape(f(reshape(x, split), second), keep ? kept : set.without(dims));
}

// x as [before, axis, after], f along axis 1, and back.
template <class F>
Val along(OnnxNode& n, Val x, Expr axis, const F& f) {
  ExprPool& p = n.pool;
  Dims dims = x.dims();
  axis = counted_axis(n, axis, x.rank());
  Expr before = p.index(1), after = before;
  for (size_t d = 0; d < dims.size(); ++d) {
    Expr number = p.index(static_cast<int64_t>(d));
    before = p.mul(before, p.select(p.binary(SOp::Lt, number, axis), dims[d], p.index(1)));
    after = p.mul(after, p.select(p.binary(SOp::Lt, axis, number), dims[d], p.index(1)));
  }
  return reshape(f(reshape(x, {before, pick(p, dims, axis), after}), 1), dims);
}

}  // namespace tenon::frontend
