// Canonical forms against plain arithmetic: random expressions, random values of their variables.
#include <gtest/gtest.h>

#include <functional>
#include <random>

#include "tenon/expr.h"

namespace tenon {
namespace {

int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b != 0 && (a < 0) != (b < 0)); }

// An expression as it was written, beside what the pool made of it.
struct Written {
  Expr e;
  std::function<int64_t(const ExprPool::Bindings&)> value;
};

class Random {
 public:
  explicit Random(unsigned seed) : rng_(seed) {
    for (const char* name : {"A", "B"}) {
      symbols_.push_back(p.symbol(name));
      p.var(symbols_.back()).lo = pick(0, 2);
    }
    axes_ = {p.axis("i", symbols_[0]), p.axis("j", p.index(12)), p.axis("k", symbols_[1])};
  }

  ExprPool p;

  int64_t pick(int64_t lo, int64_t hi) { return std::uniform_int_distribution<int64_t>(lo, hi)(rng_); }

  // Values for all variables within their ranges; nothing where an axis has no value.
  std::optional<ExprPool::Bindings> bindings() {
    ExprPool::Bindings b;
    for (Expr s : symbols_) b[s] = pick(p.var(s).lo, 9);
    for (Expr a : axes_) {
      int64_t extent = *p.evaluate(p.var(a).extent, b);
      if (extent == 0) return std::nullopt;
      b[a] = pick(0, extent - 1);
    }
    return b;
  }

  Written leaf() {
    int64_t which = pick(0, 6);
    if (which < 2) {
      int64_t c = pick(-5, 24);
      return {p.index(c), [c](const auto&) { return c; }};
    }
    Expr v = which < 4 ? symbols_[static_cast<size_t>(which - 2)] : axes_[static_cast<size_t>(which - 4)];
    return {v, [v](const auto& b) { return b.at(v); }};
  }

  Written divisor() {  // positive
    Expr s = symbols_[static_cast<size_t>(pick(0, 1))];
    int64_t c = pick(1, 12), factor = pick(1, 3);
    switch (pick(0, 3)) {
      case 0: return {p.add(s, p.index(c)), [=](const auto& b) { return b.at(s) + c; }};
      case 1:
        if (p.var(s).lo > 0)
          return {p.mul(s, p.index(factor)), [=](const auto& b) { return b.at(s) * factor; }};
        [[fallthrough]];
      default: return {p.index(c), [c](const auto&) { return c; }};
    }
  }

  Written make(int depth) {
    if (depth == 0) return leaf();
    Written a = make(depth - 1);
    int64_t which = pick(0, 6);
    Written b = which == 3 || which == 4 ? divisor() : make(depth - 1);
    auto with = [&](Expr e, auto f) -> Written {
      return {e, [=, x = a.value, y = b.value](const auto& at) { return f(x(at), y(at)); }};
    };
    switch (which) {
      case 0: return with(p.add(a.e, b.e), [](int64_t x, int64_t y) { return x + y; });
      case 1: return with(p.sub(a.e, b.e), [](int64_t x, int64_t y) { return x - y; });
      case 2: return with(p.mul(a.e, b.e), [](int64_t x, int64_t y) { return x * y; });
      case 3: return with(p.floordiv(a.e, b.e), floor_div);
      case 4: return with(p.mod(a.e, b.e), [](int64_t x, int64_t y) { return x - floor_div(x, y) * y; });
      case 5: return with(p.min(a.e, b.e), [](int64_t x, int64_t y) { return std::min(x, y); });
      default: return with(p.max(a.e, b.e), [](int64_t x, int64_t y) { return std::max(x, y); });
    }
  }

 private:
  std::mt19937 rng_;
  std::vector<Expr> symbols_, axes_;
};

TEST(IndexProperty, CanonicalFormsKeepTheirValue) {
  for (unsigned seed = 0; seed < 4000; ++seed) {
    Random r(seed);
    Written w = r.make(static_cast<int>(r.pick(1, 4)));
    auto [lo, hi] = r.p.bounds(w.e);
    bool nonnegative = r.p.provably_nonnegative(w.e);
    for (int round = 0; round < 8; ++round) {
      auto b = r.bindings();
      if (!b) continue;
      int64_t value = w.value(*b);
      ASSERT_EQ(r.p.evaluate(w.e, *b), value) << "seed " << seed << ": " << r.p.text(w.e);
      ASSERT_TRUE(lo <= value && value <= hi) << "seed " << seed << ": " << r.p.text(w.e) << " = " << value;
      ASSERT_TRUE(!nonnegative || value >= 0) << "seed " << seed << ": " << r.p.text(w.e);
    }
  }
}

TEST(IndexProperty, RewritesKeepTheirValue) {
  for (unsigned seed = 0; seed < 2000; ++seed) {
    Random r(seed);
    Written a = r.make(2), b = r.make(2);
    std::vector<Expr> vars;
    r.p.collect_vars(a.e, vars);
    auto quotient = r.p.div_exact(r.p.mul(a.e, b.e), b.e);
    Expr var = vars.empty() ? Expr{} : vars[0];
    auto affine = var.valid() ? r.p.affine(a.e, var) : std::nullopt;
    for (int round = 0; round < 8; ++round) {
      auto at = r.bindings();
      if (!at) continue;
      if (quotient && b.value(*at) != 0) {
        ASSERT_EQ(r.p.evaluate(*quotient, *at), a.value(*at)) << "seed " << seed;
      }
      if (!affine) continue;
      ASSERT_EQ(*r.p.evaluate(affine->first, *at) * at->at(var) + *r.p.evaluate(affine->second, *at),
                a.value(*at));
    }
  }
}

// What lowering does to a reshape: linear positions taken apart by other extents.
TEST(IndexProperty, LinearPositionsComeApart) {
  for (unsigned seed = 0; seed < 500; ++seed) {
    Random r(seed);
    ExprPool& p = r.p;
    std::vector<Expr> extents, axes;
    for (int d = 0; d < 3; ++d) {
      extents.push_back(r.pick(0, 1) ? p.index(r.pick(2, 9)) : p.symbol("S" + std::to_string(d)));
      if (!p.is_const(extents.back())) p.var(extents.back()).lo = 1;
      axes.push_back(p.axis("a", extents.back()));
    }
    Expr linear = p.add(p.mul(p.add(p.mul(axes[0], extents[1]), axes[1]), extents[2]), axes[2]);
    EXPECT_EQ(p.mod(linear, extents[2]), axes[2]) << seed;
    EXPECT_EQ(p.mod(p.floordiv(linear, extents[2]), extents[1]), axes[1]) << seed;
    EXPECT_EQ(p.floordiv(linear, p.mul(extents[1], extents[2])), axes[0]) << seed;
  }
}

}  // namespace
}  // namespace tenon
