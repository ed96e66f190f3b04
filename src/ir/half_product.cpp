#include "tenon/loops.h"

namespace tenon {

std::optional<HalfProduct> half_product(const ExprPool& pool, std::span<const Accumulator> accumulators) {
  if (accumulators.size() != 1 || accumulators[0].monoid != Monoid::Sum || pool.type(accumulators[0].var) != DType::F32) return std::nullopt;
  const Accumulator& acc = accumulators[0];
  if (!acc.update.valid() || pool.op(acc.update) != SOp::Add) return std::nullopt;
  const auto terms = pool.operands(acc.update);
  const Expr product = terms[0] == acc.var ? terms[1] : terms[1] == acc.var ? terms[0] : Expr{};
  if (!product.valid() || pool.op(product) != SOp::Mul) return std::nullopt;
  Expr factors[2];
  for (size_t i = 0; i < 2; ++i) {
    const Expr cast = pool.operands(product)[i];
    if (pool.op(cast) != SOp::Cast) return std::nullopt;
    factors[i] = pool.operands(cast)[0];
    if (pool.op(factors[i]) != SOp::Load || pool.type(factors[i]) != DType::F16) return std::nullopt;
  }
  return HalfProduct{factors[0], factors[1]};
}

}  // namespace tenon
