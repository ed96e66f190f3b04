// Canonical index arithmetic: the identities that lowering relies on.
#include <gtest/gtest.h>

#include "tenon/expr.h"

namespace tenon {
namespace {

TEST(Index, SumsAreCanonical) {
  ExprPool p;
  Expr P = p.symbol("P"), S = p.symbol("S");
  EXPECT_EQ(p.add(P, S), p.add(S, P));
  EXPECT_EQ(p.sub(p.add(P, S), P), S);
  EXPECT_EQ(p.mul(p.add(P, S), p.index(3)), p.add(p.mul(p.index(3), S), p.mul(P, p.index(3))));
  EXPECT_EQ(p.sub(S, S), p.index(0));
}

TEST(Index, DivModOfLinearisedAxes) {
  ExprPool p;
  Expr S = p.symbol("S");
  Expr i = p.axis("i", S), j = p.axis("j", p.index(12)), k = p.axis("k", p.index(64));
  Expr linear = p.add(p.mul(p.add(p.mul(i, p.index(12)), j), p.index(64)), k);
  EXPECT_EQ(p.floordiv(linear, p.index(768)), i);
  EXPECT_EQ(p.mod(linear, p.index(768)), p.add(p.mul(j, p.index(64)), k));
  EXPECT_EQ(p.mod(p.floordiv(linear, p.index(64)), p.index(12)), j);
}

TEST(Index, WhatWasTakenApartIsPutTogether) {
  ExprPool p;
  Expr i = p.axis("i", p.index(3600)), l = p.axis("l", p.index(2)), x = p.add(p.mul(i, p.index(2)), l);
  auto times = [&](int64_t c, Expr e) { return p.mul(p.index(c), e); };
  Expr column = p.mod(p.floordiv(x, p.index(6)), p.index(40));
  EXPECT_EQ(p.add(times(6, column), p.mod(x, p.index(6))), p.mod(x, p.index(240)));
  EXPECT_EQ(p.add(p.add(times(240, p.floordiv(x, p.index(240))), times(6, column)), p.mod(x, p.index(6))), x);
  EXPECT_EQ(p.add(times(3, times(6, p.floordiv(x, p.index(6)))), times(3, p.mod(x, p.index(6)))), times(3, x));
  EXPECT_NE(p.add(times(7, p.floordiv(x, p.index(6))), p.mod(x, p.index(6))), x);
}

TEST(Index, DivModBySymbols) {
  ExprPool p;
  Expr H = p.symbol("H"), W = p.symbol("W");
  Expr h = p.axis("h", H), w = p.axis("w", W);
  Expr linear = p.add(p.mul(h, W), w);
  EXPECT_EQ(p.floordiv(linear, W), h);
  EXPECT_EQ(p.mod(linear, W), w);
  EXPECT_TRUE(p.provably_less(linear, p.mul(H, W)));
  EXPECT_FALSE(p.provably_less(p.add(linear, p.index(1)), p.mul(H, W)));
}

TEST(Index, DivExact) {
  ExprPool p;
  Expr B = p.symbol("B"), S = p.symbol("S"), P = p.symbol("P");
  Expr n = p.mul(p.mul(B, p.add(P, S)), p.index(768));
  EXPECT_EQ(p.div_exact(n, p.mul(B, p.add(P, S))), p.index(768));
  EXPECT_EQ(p.div_exact(n, p.mul(B, p.index(12))), p.mul(p.add(P, S), p.index(64)));
  EXPECT_FALSE(p.div_exact(n, p.index(7)).has_value());
}

TEST(Index, RangesDecideComparisons) {
  ExprPool p;
  Expr S = p.symbol("S");
  p.var(S).lo = 1;
  Expr i = p.axis("i", S);
  EXPECT_EQ(p.as_int(p.binary(SOp::Lt, i, S)), 1);
  EXPECT_EQ(p.as_int(p.binary(SOp::Ge, i, p.index(0))), 1);
  EXPECT_EQ(p.as_int(p.binary(SOp::Lt, S, p.index(1))), 0);
  EXPECT_EQ(p.max(S, p.index(1)), S);
  EXPECT_EQ(p.as_int(p.binary(SOp::Eq, S, p.index(-1))), 0);
  EXPECT_EQ(p.as_int(p.binary(SOp::Ne, p.add(S, p.index(1)), S)), 1);
  EXPECT_FALSE(p.as_int(p.binary(SOp::Eq, S, p.index(1))));
}

TEST(Index, AbsurdNumbersSaturate) {
  ExprPool p;
  Expr A = p.symbol("A"), B = p.symbol("B"), huge = p.index(int64_t{1} << 40);
  EXPECT_EQ(p.mul(huge, huge), p.index(kIndexMax));
  EXPECT_EQ(p.sub(p.index(0), p.index(INT64_MIN)), p.index(kIndexMax));
  EXPECT_EQ(p.min(p.index(INT64_MAX), A), A);  // the open end of an ONNX Slice
  EXPECT_FALSE(p.provably_nonnegative(p.mul(p.index(14), p.floordiv(p.sub(B, A), p.index(4)))));
}

TEST(Index, AffineInOneVariable) {
  ExprPool p;
  Expr W = p.symbol("W");
  Expr h = p.axis("h", p.symbol("H")), w = p.axis("w", W);
  auto split = p.affine(p.add(p.mul(p.add(p.mul(h, p.index(2)), p.index(-3)), W), w), h);
  ASSERT_TRUE(split);
  EXPECT_EQ(split->first, p.mul(p.index(2), W));
  EXPECT_FALSE(p.affine(p.mod(h, p.index(3)), h).has_value());
}

TEST(Index, SubstituteAndEvaluate) {
  ExprPool p;
  Expr S = p.symbol("S");
  Expr e = p.ceildiv(p.add(S, p.index(5)), p.index(16));
  EXPECT_EQ(p.evaluate(e, {{S, 28}}), 3);
  EXPECT_EQ(p.substitute(e, {{S, p.index(11)}}), p.index(1));
}

// A select has three operands, as a sum may have; it must stay a select.
TEST(Index, SelectSurvivesRewriting) {
  ExprPool p;
  Expr i = p.axis("i", p.index(9)), j = p.axis("j", p.index(9));
  Expr e = p.select(p.binary(SOp::Lt, i, p.index(4)), p.add(i, p.index(4)), i);
  Expr moved = p.substitute(e, {{i, j}});
  EXPECT_EQ(p.op(moved), SOp::Select);
  ExprPool q;
  ExprPool::Importer importer{p};
  EXPECT_EQ(q.op(q.import(importer, e)), SOp::Select);
}

TEST(Index, DivisionByZeroIsZero) {
  ExprPool p;
  Expr x = p.symbol("x"), zero = p.index(0);
  for (Expr a : {x, p.index(7), p.index(-7), zero}) {
    EXPECT_EQ(p.floordiv(a, zero), zero);
    EXPECT_EQ(p.mod(a, zero), zero);
  }
  EXPECT_EQ(p.bounds(p.floordiv(x, p.min(x, zero))).first, 0);
}

}  // namespace
}  // namespace tenon
