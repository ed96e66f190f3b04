// A select between selects of constants, by AVX2: the conditions are the bits of an index into a vector of the constants, which one
// permutation looks up. A blend by a mask in a register takes three operations there on Intel's cores since Alder Lake.
#include <llvm/IR/IntrinsicsX86.h>

#include "emitter.h"

namespace tenon::gen {

namespace {

constexpr unsigned kEntries = 8;  // of the table: of 32 bits

// select(first, A, B) with A and B constants or selects of two constants, at least one of them such a select.
struct Pick {
  Expr first, then, otherwise;  // conditions; invalid: a constant
  std::array<llvm::Constant*, kEntries> table;
};

}  // namespace

// Null: not of that kind.
Value* Emitter::pick(Expr e, Expr guard) {
  if (!code.isa.picks_of_eight || pool.type(e) != DType::F32) return nullptr;
  auto operands = [&](Expr x) { return pool.operands(x); };
  auto flat = [&](Expr x) { return pool.op(x) == SOp::Select && pool.is_const(operands(x)[1]) && pool.is_const(operands(x)[2]) && !has_load(operands(x)[0]); };
  const Expr yes = operands(e)[1], no = operands(e)[2];
  if ((!flat(yes) && !pool.is_const(yes)) || (!flat(no) && !pool.is_const(no)) || (pool.is_const(yes) && pool.is_const(no))) return nullptr;
  Pick p{.first = operands(e)[0], .then = flat(yes) ? operands(yes)[0] : Expr{}, .otherwise = flat(no) ? operands(no)[0] : Expr{}, .table = {}};
  for (const Expr condition : {p.first, p.then, p.otherwise})
    if (condition.valid() && !lanes_of(condition)) return nullptr;
  // Bit 2 is the first condition, bit 1 that of `yes`, bit 0 that of `no`.
  for (unsigned bits = 0; bits < kEntries; ++bits) {
    Expr chosen = bits & 4 ? yes : no;
    if (!pool.is_const(chosen)) chosen = operands(chosen)[bits & (bits & 4 ? 2U : 1U) ? 1 : 2];
    p.table[bits] = llvm::cast<llvm::Constant>(emit(chosen));
  }
  auto& b = code.b;
  Value* index = nullptr;
  for (unsigned bit = 0; const Expr condition : {p.otherwise, p.then, p.first}) {
    const unsigned at = bit++;
    if (!condition.valid()) continue;
    Value* holds = emit(condition, guard);
    if (width(holds) % kEntries != 0) return nullptr;
    Value* mask = b.CreateSExt(holds, like(holds, b.getInt32Ty()));
    Value* value = b.CreateAnd(mask, llvm::ConstantInt::get(mask->getType(), 1U << at));
    index = index ? b.CreateOr(index, value) : value;
  }
  Value* result = nullptr;
  auto* table = llvm::ConstantVector::get(p.table);
  for (unsigned at = 0; at < width(index); at += kEntries) {
    std::vector<int> lanes;
    for (unsigned i = 0; i < kEntries; ++i) lanes.push_back(static_cast<int>(at + i));
    Value* part = width(index) == kEntries ? index : b.CreateShuffleVector(index, lanes);
    Value* found = b.CreateIntrinsic(llvm::Intrinsic::x86_avx2_permps, {}, {table, part});
    if (!result) {
      result = found;
      continue;
    }
    std::vector<int> both;
    for (unsigned i = 0; i < at + kEntries; ++i) both.push_back(static_cast<int>(i));
    result = b.CreateShuffleVector(result, found, both);
  }
  return result;
}

}  // namespace tenon::gen
