#include "precision.h"

#include <algorithm>

namespace tenon {

Result<void> check_precision(const Target& target, Precision precision) {
  if (precision == Precision::Fp16)
    return fail(Code::E0405, "target " + target.name + ": there are no products of f16 yet", "compile with --precision bf16 or strict");
  if (precision != Precision::Bf16) return {};
  const bool has_products = std::ranges::any_of(target.atoms, [](const Atom& atom) { return atom.a == DType::BF16 && atom.b == DType::BF16; });
  if (has_products) return {};
  return fail(Code::E0405, "target " + target.name + " has no instruction that multiplies bf16: --precision bf16 would round and not be faster",
              "choose a target with AVX512-BF16 or AMX (`tenon targets`: znver5, sapphirerapids), or leave --precision out");
}

DType rounded_to(Precision precision) { return precision == Precision::Bf16 ? DType::BF16 : DType::F32; }

bool rounds(const Region& region, DType to) {
  const ExprPool& pool = region.pool;
  return std::ranges::any_of(region.statements, [&](const Statement& s) {
    if (s.accumulators.size() != 1) return false;
    std::vector<Expr> open = {s.accumulators[0].update};
    for (int steps = 0; !open.empty() && steps < 8; ++steps) {  // acc + cast(cast(x)) * ...: near the root
      const Expr e = open.back();
      open.pop_back();
      if (pool.op(e) == SOp::Cast && pool.type(e) == DType::F32 && pool.type(pool.operands(e)[0]) == to && to != DType::F32 &&
          pool.op(pool.operands(e)[0]) == SOp::Cast)
        return true;
      if (pool.op(e) == SOp::Add || pool.op(e) == SOp::Mul)
        for (Expr operand : pool.operands(e)) open.push_back(operand);
    }
    return false;
  });
}

}  // namespace tenon
