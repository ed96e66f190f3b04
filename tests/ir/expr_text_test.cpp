// Expressions as text: what they look like, that they read back as the same id, and what is refused.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "tenon/expr.h"

namespace tenon {
namespace {

TEST(ExprText, IndexFormsDoNotDependOnIds) {
  ExprPool p;
  Expr S = p.symbol("S"), P = p.symbol("P"), i = p.axis("i", p.index(64)), j = p.axis("j", S);
  EXPECT_EQ(p.text(p.add(P, S)), "P + S");
  EXPECT_EQ(p.text(p.add(p.mul(j, p.index(2)), p.add(p.mul(p.mul(S, i), p.index(64)), p.index(-3)))),
            "64*S*i + 2*j - 3");
  EXPECT_EQ(p.text(p.floordiv(p.add(S, p.index(15)), p.index(16))), "floordiv(S + 15, 16)");
  EXPECT_EQ(p.text(p.max(S, P)), "max(P, S)");
  EXPECT_EQ(p.text(p.sub(p.index(0), S)), "-S");
  EXPECT_EQ(p.text(p.sub(P, S)), "P - S");
  EXPECT_EQ(p.text(p.symbol("seq len")), "\"seq len\"");
  EXPECT_EQ(p.text(p.symbol("inf")), "\"inf\"");
}

TEST(ExprText, TypesShowWhereNothingImpliesThem) {
  ExprPool p;
  Expr i = p.axis("i", p.index(8));
  Expr x = p.load(BufferId(3), DType::F16, std::array{i});
  Expr value = p.binary(SOp::Mul, p.cast(x, DType::F32), p.constant(DType::F32, 0.1));
  EXPECT_EQ(p.text(value), "cast(b3[i]:f16, f32)*0.1:f32");
  ExprNames names{.vars = {{i, "row"}}, .buffers = {{BufferId(3), "/in:0"}}};
  EXPECT_EQ(p.text(value, names), "cast(\"/in:0\"[row], f32)*0.1:f32");
  ParseScope scope{.vars = {{"row", i}}, .buffers = {{"/in:0", {BufferId(3), DType::F16}}}};
  EXPECT_EQ(parse_expr(p, p.text(value, names), scope), value);
}

TEST(ExprText, FloatsAreExact) {
  ExprPool p;
  for (DType type : {DType::F32, DType::F64, DType::F16, DType::BF16, DType::F8E4M3FN})
    for (double value : {0.0, -0.0, 0.1, -1.0 / 3, 1e-45, 3.4028234663852886e38, 5e-324, 1e300, HUGE_VAL, -HUGE_VAL}) {
      Expr e = p.constant(type, value);
      EXPECT_EQ(parse_expr(p, p.text(e)), e) << p.text(e);
    }
  Expr nan = p.constant(DType::F32, NAN);
  EXPECT_EQ(p.text(nan), "nan:f32");
  EXPECT_EQ(parse_expr(p, "nan:f32"), nan);
  EXPECT_EQ(p.text(p.constant(DType::F32, -HUGE_VAL)), "-inf:f32");
  EXPECT_EQ(p.text(p.constant_int(DType::U64, -1)), "18446744073709551615:u64");
  Expr least = p.constant_int(DType::I64, INT64_MIN);
  EXPECT_EQ(parse_expr(p, p.text(least)), least);
}

TEST(ExprText, AssociationIsKept) {
  ExprPool p;
  auto x = [&](size_t b) { return p.load(BufferId(b), DType::F32, {}); };
  Expr right = p.binary(SOp::Sub, x(0), p.binary(SOp::Sub, x(1), x(2)));
  EXPECT_EQ(p.text(right), "b0[]:f32 - (b1[]:f32 - b2[]:f32)");
  Expr left = p.binary(SOp::Div, p.binary(SOp::Mul, x(0), x(1)), p.binary(SOp::Mul, x(1), x(2)));
  EXPECT_EQ(p.text(left), "b0[]:f32*b1[]:f32/(b1[]:f32*b2[]:f32)");
  for (Expr e : {right, left}) EXPECT_EQ(parse_expr(p, p.text(e)), e);
}

// Random well-typed expressions over a few variables and buffers.
class RandomExprs {
 public:
  explicit RandomExprs(ExprPool& pool, unsigned seed) : p(pool), rng_(seed) {
    for (const char* name : {"S", "P"}) index_vars_.push_back(p.symbol(name));
    p.var(index_vars_[0]).lo = 1;
    index_vars_.push_back(p.axis("i", p.index(12)));
    index_vars_.push_back(p.axis("j", index_vars_[0]));
    for (Expr v : index_vars_) scope.vars[p.var(v).name] = v;
  }

  ParseScope scope;

  Expr make(DType type, int depth) {
    if (depth == 0 || pick(6) == 0) return leaf(type, depth);
    if (type == DType::Bool) return make_bool(depth);
    if (type == DType::Index) return make_index(depth);
    if (pick(5) == 0) return p.cast(make(pick_type(), depth - 1), type);
    if (pick(6) == 0) return p.select(make(DType::Bool, depth - 1), make(type, depth - 1), make(type, depth - 1));
    constexpr SOp kArith[] = {SOp::Add, SOp::Sub, SOp::Mul, SOp::Div, SOp::Min, SOp::Max, SOp::Rem};
    constexpr SOp kFloat[] = {SOp::Exp, SOp::Sqrt, SOp::Tanh};
    constexpr SOp kBits[] = {SOp::And, SOp::Or, SOp::Xor, SOp::Shl};
    if (pick(4) == 0)
      return is_float(type) ? p.unary(kFloat[pick(3)], make(type, depth - 1))
                            : p.binary(kBits[pick(4)], make(type, depth - 1), make(type, depth - 1));
    if (pick(5) == 0) return p.unary(pick(2) ? SOp::Neg : SOp::Abs, make(type, depth - 1));
    return p.binary(kArith[pick(7)], make(type, depth - 1), make(type, depth - 1));
  }

 private:
  size_t pick(size_t n) { return rng_() % n; }
  DType pick_type() {
    constexpr DType kTypes[] = {DType::F32, DType::F64, DType::I32, DType::U8, DType::Index};
    return kTypes[pick(5)];
  }

  Expr leaf(DType type, int depth) {
    int64_t small = static_cast<int64_t>(pick(17)) - 8;
    if (type == DType::Index) return pick(2) ? index_vars_[pick(4)] : p.index(small);
    if (type == DType::Bool) return p.constant_int(type, small > 0);
    if (pick(2)) return is_float(type) ? p.constant(type, static_cast<double>(small) / 3) : p.constant_int(type, small);
    return p.load(BufferId(pick(4)), type, std::array{make(DType::Index, depth / 2), make(DType::Index, 0)});
  }

  Expr make_bool(int depth) {
    if (pick(3) == 0) return p.binary(pick(2) ? SOp::And : SOp::Or, make(DType::Bool, depth - 1), make(DType::Bool, depth - 1));
    if (pick(5) == 0) return p.unary(SOp::Not, make(DType::Bool, depth - 1));
    constexpr SOp kCompare[] = {SOp::Eq, SOp::Ne, SOp::Lt, SOp::Le, SOp::Gt, SOp::Ge};
    DType type = pick_type();
    return p.binary(kCompare[pick(6)], make(type, depth - 1), make(type, depth - 1));
  }

  Expr make_index(int depth) {
    Expr a = make(DType::Index, depth - 1);
    switch (pick(8)) {
      case 0: return p.mul(a, make(DType::Index, depth - 1));
      case 1: return p.floordiv(a, p.index(1 + static_cast<int64_t>(pick(16))));
      case 2: return p.mod(a, p.index(1 + static_cast<int64_t>(pick(16))));
      case 3: return p.floordiv(a, index_vars_[0]);
      case 4: return p.max(a, make(DType::Index, depth - 1));
      case 5: return p.sub(a, make(DType::Index, depth - 1));
      case 6: return p.cast(make(DType::I32, depth - 1), DType::Index);
      default: return p.add(a, make(DType::Index, depth - 1));
    }
  }

  ExprPool& p;
  std::mt19937 rng_;
  std::vector<Expr> index_vars_;
};

TEST(ExprText, RandomExpressionsReadBackAsTheSameId) {
  for (unsigned seed = 0; seed < 400; ++seed) {
    ExprPool p;
    RandomExprs random(p, seed);
    for (DType type : {DType::Index, DType::F32, DType::I32, DType::Bool}) {
      Expr e = random.make(type, 4);
      auto parsed = parse_expr(p, p.text(e), random.scope);
      ASSERT_TRUE(parsed) << p.text(e) << ": " << parsed.error()[0].message;
      EXPECT_EQ(*parsed, e) << "seed " << seed << ": " << p.text(e) << "  read as  " << p.text(*parsed);
    }
  }
}

TEST(ExprText, MalformedTextIsRefused) {
  for (const char* text :
       {"", "1 +", "(1", "1 2", "f(1)", "min(1)", "cast(1)", "cast(1, f33)", "1.5", "3:bool", "1:f32 + 1:i32", "sqrt(2:i32)",
        "select(1, 2, 3)", "S/2", "floordiv(S, 0)", "mod(S, -1)", "x[1]", "b0[1]", "b0[1.5:f32]:f32", "1 < 2 < 3",
        "99999999999999999999", "\"open", "true & 1", "isnan(3:i32)", "b-1[0]:f32"}) {
    ExprPool p;
    auto parsed = parse_expr(p, text);
    EXPECT_FALSE(parsed) << text;
    if (!parsed) { EXPECT_EQ(parsed.error()[0].code, Code::E0603); }
  }
}

TEST(ExprText, ErrorsNameTheirPlace) {
  ExprPool p;
  auto parsed = parse_expr(p, "S +\n  foo(1)");
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error()[0].message, "line 2, column 6: no function is named `foo`");
}

}  // namespace
}  // namespace tenon
