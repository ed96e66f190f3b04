#include "count_ops.h"

#include <unordered_set>

#include "tenon/short_functions.h"

namespace tenon {

namespace {

class Counter {
 public:
  Counter(const ExprPool& pool, std::span<const Expr> skip) : pool_(pool), skip_(skip.begin(), skip.end()) {}

  void walk(Expr e, bool counts) {
    if (!e.valid() || !seen_.insert(e).second) return;
    counts = counts && !skip_.contains(e);
    const SOp op = pool_.op(e);
    // Where an element lies decides what it is: loops are cut there, nothing is selected.
    const bool guards = op == SOp::Select && !pool_.any_part(pool_.operands(e)[0], [&](Expr part) { return pool_.op(part) == SOp::Load; });
    for (size_t k = 0; k < pool_.operands(e).size(); ++k) walk(pool_.operands(e)[k], counts && !(guards && k == 0));
    if (guards || op == SOp::Const || op == SOp::Var || op == SOp::Load) return;
    if (pool_.type(e) == DType::Index) counts_.index += static_cast<double>(pool_.operands(e).size()) - 1;
    else if (counts) count(e, op);
  }
  OpCounts counts() const { return counts_; }

 private:
  void count(Expr e, SOp op) {
    const DType type = pool_.type(e);
    switch (op) {
      case SOp::Cast: case SOp::CastSat: ++counts_.conversions; return;
      case SOp::Bitcast: return;
      case SOp::Select: ++counts_.compares; return;
      case SOp::Div: case SOp::FloorDiv: case SOp::Mod: case SOp::Rem: case SOp::Sqrt: ++counts_.divisions; break;
      case SOp::Exp: case SOp::Expm1: case SOp::Log: case SOp::Log1p: case SOp::Sin: case SOp::Cos: case SOp::Tan: case SOp::Asin: case SOp::Acos:
      case SOp::Atan: case SOp::Sinh: case SOp::Cosh: case SOp::Tanh: case SOp::Asinh: case SOp::Acosh: case SOp::Atanh: case SOp::Erf:
      case SOp::Sigmoid: case SOp::Pow:
        ++counts_.transcendental;
        counts_.short_form += type == DType::F32 && has_short_form(op);
        break;
      default:
        if (is_compare(op) || op == SOp::IsNan || op == SOp::IsInf) {
          counts_.compares += pool_.type(pool_.operands(e)[0]) != DType::Index;
          return;
        }
        // Bounds of floats are NaN where either is: two instructions more.
        counts_.simple += (op == SOp::Min || op == SOp::Max) && is_float(type) ? 3 : op == SOp::Fma ? 2 : 1;
    }
    (is_float(type) ? counts_.flops : counts_.integer) += op == SOp::Fma ? 2 : 1;
  }

  const ExprPool& pool_;
  std::unordered_set<Expr> skip_, seen_;
  OpCounts counts_;
};

}  // namespace

OpCounts count_ops(const ExprPool& pool, std::span<const Expr> of, std::span<const Expr> skip) {
  Counter counter(pool, skip);
  for (Expr e : of) counter.walk(e, true);
  return counter.counts();
}

}  // namespace tenon
