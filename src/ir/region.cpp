#include "tenon/region.h"

namespace tenon {

void Statement::fold_single_step(ExprPool& pool) {
  if (!reduce_axes.empty() || scan) return;
  ExprPool::Substitution init, result;
  for (const Accumulator& a : accumulators) init[a.var] = a.init;
  for (const Accumulator& a : accumulators) result[a.var] = pool.substitute(a.update, init);
  accumulators.clear();
  substitute(pool, result);
}

}  // namespace tenon
