#include "axes.h"

namespace tenon::frontend {

void assume_equal(OnnxNode& n, Expr a, Expr b) { checked(unify_dims(n.b.graph, a, b)); }

void assume(OnnxNode& n, Expr condition) {
  if (n.pool.as_int(condition) == 0) n.malformed("an operand that shapes depend on is out of range");
  if (!n.pool.is_const(condition)) assume_equal(n, n.pool.index(1), n.pool.select(condition, n.pool.index(1), n.pool.index(0)));
}

std::optional<std::vector<int64_t>> known_integers(const ExprPool& pool, const Dims& numbers) {
  std::vector<int64_t> known;
  for (Expr e : numbers) {
    auto number = pool.as_int(e);
    if (!number) return std::nullopt;
    known.push_back(*number);
  }
  return known;
}

Expr counted_axis(OnnxNode& n, Expr axis, int rank) {
  ExprPool& p = n.pool;
  n.require(rank > 0, "a scalar has no axes");
  Expr counted = p.select(p.binary(SOp::Lt, axis, p.index(0)), p.add(axis, p.index(rank)), axis);
  assume(n, p.all_of(p.binary(SOp::Le, p.index(0), counted), p.binary(SOp::Lt, counted, p.index(rank))));
  return counted;
}

Expr pick(ExprPool& pool, const Dims& dims, Expr index) {
  Expr picked = dims.back();
  for (size_t d = dims.size() - 1; d-- > 0;)
    picked = pool.select(pool.binary(SOp::Eq, index, pool.index(static_cast<int64_t>(d))), dims[d], picked);
  return picked;
}

AxisSet::AxisSet(OnnxNode& n, const Dims& axes, int rank) : pool_(n.pool), count_(axes.size()) {
  Dims counted;
  for (Expr axis : axes) counted.push_back(counted_axis(n, axis, rank));
  for (size_t i = 0; i < counted.size(); ++i)
    for (size_t k = 0; k < i; ++k) assume(n, pool_.binary(SOp::Ne, counted[i], counted[k]));  // no axis is named twice
  for (int d = 0; d < rank; ++d) {
    Expr found = pool_.constant_int(DType::Bool, 0);
    for (Expr axis : counted) found = pool_.binary(SOp::Or, found, pool_.binary(SOp::Eq, axis, pool_.index(d)));
    contains_.push_back(found);
  }
}

Expr AxisSet::before(size_t axis) const {
  Expr count = pool_.index(0);
  for (size_t d = 0; d < axis; ++d) count = pool_.add(count, pool_.select(contains_[d], pool_.index(1), pool_.index(0)));
  return count;
}

Dims AxisSet::without(const Dims& dims) const {
  Dims left;
  for (size_t j = 0; j + count_ < dims.size(); ++j) {
    Expr extent = dims.back();
    for (size_t d = dims.size(); d-- > 0;) {
      Expr position = pool_.sub(pool_.index(static_cast<int64_t>(d)), before(d));
      Expr here = pool_.binary(SOp::Eq, position, pool_.index(static_cast<int64_t>(j)));
      extent = pool_.select(pool_.select(contains_[d], pool_.constant_int(DType::Bool, 0), here), dims[d], extent);
    }
    left.push_back(extent);
  }
  return left;
}

Dims AxisSet::with_ones(const Dims& dims) const {
  Dims all;
  for (size_t d = 0; d < contains_.size(); ++d) {
    Expr position = pool_.sub(pool_.index(static_cast<int64_t>(d)), before(d));
    all.push_back(pool_.select(contains_[d], pool_.index(1), dims.empty() ? pool_.index(1) : pick(pool_, dims, position)));
  }
  return all;
}

}  // namespace tenon::frontend
