#include "tenon/region.h"

namespace tenon {

std::optional<Product> match_product(const ExprPool& pool, std::span<const Accumulator> accumulators) {
  if (accumulators.size() != 1 || accumulators[0].monoid != Monoid::Sum) return std::nullopt;
  const Accumulator& acc = accumulators[0];
  if (pool.op(acc.update) != SOp::Add) return std::nullopt;
  auto sum = pool.operands(acc.update);
  Expr term = sum[0] == acc.var ? sum[1] : sum[1] == acc.var ? sum[0] : Expr{};
  if (!term.valid() || pool.op(term) != SOp::Mul || pool.operands(term).size() != 2) return std::nullopt;
  return Product{pool.operands(term)[0], pool.operands(term)[1]};
}

std::optional<Product> half_product(const ExprPool& pool, std::span<const Accumulator> accumulators) {
  if (accumulators.size() != 1 || pool.type(accumulators[0].var) != DType::F32 || !accumulators[0].update.valid()) return std::nullopt;
  const auto product = match_product(pool, accumulators);
  if (!product) return std::nullopt;
  auto half = [&](Expr factor) {
    const Expr load = pool.op(factor) == SOp::Cast ? pool.operands(factor)[0] : Expr{};
    return load.valid() && pool.op(load) == SOp::Load && pool.type(load) == DType::F16 ? load : Expr{};
  };
  const Product halves{half(product->a), half(product->b)};
  return halves.a.valid() && halves.b.valid() ? std::optional(halves) : std::nullopt;
}

}  // namespace tenon
