// Reductions that end in an Atom of four byte products, acc += sum over k of a[k] * b[lane][k]: both
// operands become 32-bit words of four bytes, a broadcast, b one word per lane.
#pragma once

#include "emitter.h"

namespace tenon::gen {

struct ByteDot {
  Expr a, b;  // i32 words, over the tile's variables
  bool a_signed = false, b_signed = false;
};

// The four bytes at k = 0..3 of `e` as one word: a load, or a load with a constant where a guard is false.
std::optional<Expr> as_word(ExprPool& pool, Expr e, Expr k);

// Nothing where the update is not of this form; the Atom is then a loop like any other.
std::optional<ByteDot> match_byte_dot(ExprPool& pool, const Stmt& tile);

// Whether the instruction at this width takes `a` of the other signedness: then flip_sign(a), which is a - 128 or
// a + 128, stands for it, and the sum is too large by the products of sign_offset() and b.
bool wants_flipped(const Code& code, const ByteDot& dot, unsigned width);
Value* flip_sign(Code& code, Value* words);
Value* sign_offset(Code& code, unsigned width);

// acc plus the products of one step; `dot.a_signed` says how a is to be read.
Value* emit_byte_dot(Code& code, const ByteDot& dot, Value* a, Value* b, Value* acc);

}  // namespace tenon::gen
