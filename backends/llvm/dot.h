// Reductions that end in an Atom of four products of bytes or two of bf16 or f16, acc += sum over k of a[k] * b[lane][k]: both
// operands become 32-bit words, a broadcast, b one word per lane.
#pragma once

#include "emitter.h"

namespace tenon::gen {

struct WordDot {
  Expr a, b;  // i32 words, over the tile's variables
  bool halves = false;  // of two bf16 or f16, else of four bytes:
  bool a_signed = false, b_signed = false;
  bool sums_halves = false;  // of f16, whose sums are pairs of f16 as well
};

// The bytes or halves at k = 0, 1... of `e` as one word: a load, or, of bytes, a load with a constant where a guard is false.
std::optional<Expr> as_word(ExprPool& pool, Expr e, Expr k);

// The two factors of acc + cast(a) * cast(b), the first the same for all lanes; nothing where it is no such sum of bytes in
// i32 or of bf16 or f16 in f32.
struct Factors {
  Expr a, b;
};
std::optional<Factors> match_factors(ExprPool& pool, const Stmt& tile);

// Nothing where the update is not of this form; the Atom is then a loop like any other.
std::optional<WordDot> match_word_dot(ExprPool& pool, const Stmt& tile);

// Whether the instruction at this width takes `a` of the other signedness: then flip_sign(a), which is a - 128 or
// a + 128, stands for it, and the sum is too large by the products of sign_offset() and b.
bool wants_flipped(const Code& code, const WordDot& dot, unsigned width);
Value* flip_sign(Code& code, Value* words);
Value* sign_offset(Code& code, unsigned width);

// A pair of sums of f16 for each lane of v, and what such pairs come to in f32.
llvm::Type* half_sums_type(Code& code, Value* v);
Value* emit_half_sums(Code& code, Value* pairs);

// acc plus the products of one step; `dot.a_signed` says how a is to be read.
Value* emit_word_dot(Code& code, const WordDot& dot, Value* a, Value* b, Value* acc);

}  // namespace tenon::gen
