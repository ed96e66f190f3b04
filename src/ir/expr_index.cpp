// Canonical index arithmetic. An index expression is a sum of terms, a term an integer coefficient
// times a product of atoms (variables, floordiv, mod, min, max, loads, casts). Sums and products are
// distributed, like terms merged, so equal polynomials have equal ids.
#include <algorithm>
#include <map>
#include <numeric>

#include "tenon/expr.h"

namespace tenon {

namespace {

__extension__ using Wide = __int128;

// Arithmetic saturates at kIndexMax, an extent that no tensor may have: absurd dims stay absurd.
int64_t clamp_index(Wide v) {
  return static_cast<int64_t>(std::clamp<Wide>(v, -kIndexMax, kIndexMax));
}
int64_t plus(int64_t a, int64_t b) { return clamp_index(Wide{a} + b); }
int64_t multiply(int64_t a, int64_t b) { return clamp_index(Wide{a} * b); }
// By zero, which only a text can ask for, gives zero as everywhere.
int64_t floor_div(int64_t a, int64_t b) { return b == 0 ? 0 : a / b - ((a % b != 0) && ((a < 0) != (b < 0))); }

}  // namespace

class Polynomial {
 public:
  using Monomial = std::vector<Expr>;  // sorted atoms
  std::map<Monomial, int64_t> terms;

  static Polynomial of(const ExprPool& pool, Expr e) {
    Polynomial p;
    p.add_expr(pool, e, 1);
    return p;
  }

  void add_term(Monomial atoms, int64_t coefficient) {
    auto [it, fresh] = terms.try_emplace(std::move(atoms), 0);
    it->second = plus(it->second, coefficient);
    if (it->second == 0) terms.erase(it);
  }

  void add_expr(const ExprPool& pool, Expr e, int64_t scale) {
    const ExprNode& n = pool[e];
    if (n.op == SOp::Const) return add_term({}, multiply(scale, n.imm));
    if (n.op == SOp::Add) {
      for (Expr child : pool.operands(e)) add_expr(pool, child, scale);
      return;
    }
    if (n.op == SOp::Mul) {
      Monomial atoms;
      int64_t coefficient = scale;
      for (Expr child : pool.operands(e)) {
        if (pool.is_const(child)) coefficient = multiply(coefficient, *pool.as_int(child));
        else atoms.push_back(child);
      }
      std::ranges::sort(atoms);
      return add_term(std::move(atoms), coefficient);
    }
    add_term({e}, scale);
  }

  void add(const Polynomial& other, int64_t scale = 1) {
    for (const auto& [atoms, c] : other.terms) add_term(atoms, multiply(c, scale));
  }

  Polynomial times(const Polynomial& other) const {
    Polynomial p;
    for (const auto& [a, ca] : terms)
      for (const auto& [b, cb] : other.terms) {
        Monomial atoms = a;
        atoms.insert(atoms.end(), b.begin(), b.end());
        std::ranges::sort(atoms);
        p.add_term(std::move(atoms), multiply(ca, cb));
      }
    return p;
  }

  int64_t constant() const {
    auto it = terms.find({});
    return it == terms.end() ? 0 : it->second;
  }

  Expr build(ExprPool& pool) const {
    std::vector<Expr> sum;
    for (const auto& [atoms, c] : terms) {
      if (atoms.empty()) continue;
      std::vector<Expr> product = atoms;
      if (c != 1) product.push_back(pool.index(c));
      sum.push_back(product.size() == 1 ? product[0] : pool.intern(SOp::Mul, DType::Index, product));
    }
    if (int64_t c = constant(); c != 0 || sum.empty()) sum.push_back(pool.index(c));
    return sum.size() == 1 ? sum[0] : pool.intern(SOp::Add, DType::Index, sum);
  }

  // k*floor(x/k) + x mod k = x, and k*(floor(x/k) mod n) + x mod k = x mod k*n: what an index that was taken apart
  // says once it is put together again. Each step leaves fewer terms.
  void recompose(ExprPool& pool) {
    for (bool changed = true; changed;) {
      changed = false;
      for (const auto& [low, c] : terms) {
        if (low.size() != 1 || pool.op(low[0]) != SOp::Mod) continue;
        const Expr x = pool.operands(low[0])[0], k = pool.operands(low[0])[1];
        const auto step = pool.as_int(k);
        if (!step || *step <= 1) continue;
        Expr quotient = {};  // made where something may be it: every sum comes along here
        auto high = std::ranges::find_if(terms, [&, c = c](const auto& term) {
          if (term.second != multiply(c, *step) || term.first.size() != 1) return false;
          if (!quotient.valid()) quotient = pool.floordiv(x, k);
          const Expr e = term.first[0];
          return e == quotient || (pool.op(e) == SOp::Mod && pool.operands(e)[0] == quotient && pool.as_int(pool.operands(e)[1]));
        });
        if (high == terms.end()) continue;
        const Expr e = high->first[0], whole = e == quotient ? x : pool.mod(x, pool.mul(k, pool.operands(e)[1]));
        const int64_t scale = c;
        terms.erase(high);
        terms.erase(Monomial{low});
        add_expr(pool, whole, scale);
        changed = true;
        break;
      }
    }
  }

  // Splits into `quotient * divisor + rest` term by term; divisor is one monomial.
  void divide(const Monomial& divisor, int64_t coefficient, Polynomial& quotient, Polynomial& rest) const {
    for (const auto& [atoms, c] : terms) {
      Monomial left;
      bool contains = std::ranges::includes(atoms, divisor);
      if (contains) std::ranges::set_difference(atoms, divisor, std::back_inserter(left));
      if (contains && left.empty() && divisor.size() == atoms.size() && atoms.empty()) {
        int64_t q = floor_div(c, coefficient);  // the constant term: keep the rest in [0, coefficient)
        if (q) quotient.add_term({}, q);
        if (c - q * coefficient) rest.add_term({}, c - q * coefficient);
      } else if (contains && c % coefficient == 0) {
        quotient.add_term(std::move(left), c / coefficient);
      } else {
        rest.add_term(atoms, c);
      }
    }
  }
};

Expr ExprPool::add(Expr a, Expr b) {
  if (auto ca = as_int(a), cb = as_int(b); ca && cb) return index(plus(*ca, *cb));
  if (is_index(a, 0)) return b;
  if (is_index(b, 0)) return a;
  Polynomial p = Polynomial::of(*this, a);
  p.add_expr(*this, b, 1);
  p.recompose(*this);
  return p.build(*this);
}

Expr ExprPool::sub(Expr a, Expr b) {
  if (auto ca = as_int(a), cb = as_int(b); ca && cb) return index(clamp_index(Wide{*ca} - *cb));
  if (is_index(b, 0)) return a;
  Polynomial p = Polynomial::of(*this, a);
  p.add_expr(*this, b, -1);
  return p.build(*this);
}

Expr ExprPool::mul(Expr a, Expr b) {
  if (auto ca = as_int(a), cb = as_int(b); ca && cb) return index(multiply(*ca, *cb));
  if (is_index(a, 1)) return b;
  if (is_index(b, 1)) return a;
  return Polynomial::of(*this, a).times(Polynomial::of(*this, b)).build(*this);
}

std::optional<Expr> ExprPool::div_exact(Expr a, Expr b) {
  if (a == b) return index(1);
  Polynomial divisor = Polynomial::of(*this, b);
  if (divisor.terms.empty()) return std::nullopt;
  Polynomial dividend = Polynomial::of(*this, a), quotient;
  // Long division by the leading term; ends because every step removes the dividend's leading term.
  const auto& [lead, lead_c] = *divisor.terms.rbegin();
  for (int step = 0; step < 64 && !dividend.terms.empty(); ++step) {
    auto [atoms, c] = *dividend.terms.rbegin();
    if (!std::ranges::includes(atoms, lead) || c % lead_c != 0) return std::nullopt;
    Polynomial::Monomial left;
    std::ranges::set_difference(atoms, lead, std::back_inserter(left));
    Polynomial factor;
    factor.add_term(left, c / lead_c);
    quotient.add(factor);
    dividend.add(factor.times(divisor), -1);
  }
  if (!dividend.terms.empty()) return std::nullopt;
  return quotient.build(*this);
}

namespace {

// The divisor as one monomial, where it is one.
std::optional<std::pair<Polynomial::Monomial, int64_t>> as_monomial(const ExprPool& pool, Expr e) {
  Polynomial p = Polynomial::of(pool, e);
  if (p.terms.size() != 1) return std::nullopt;
  return *p.terms.begin();
}

}  // namespace

Expr ExprPool::floordiv(Expr a, Expr b) {
  if (is_index(b, 1) || is_index(a, 0)) return a;
  if (is_index(b, 0)) return b;
  if (a == b) return index(1);
  auto divisor = as_int(b);
  if (auto ca = as_int(a); ca && divisor && *divisor > 0) return index(floor_div(*ca, *divisor));
  Expr quotient = index(0);
  if (auto m = as_monomial(*this, b); m && m->second > 0) {
    Polynomial q, r;
    Polynomial::of(*this, a).divide(m->first, m->second, q, r);
    quotient = q.build(*this);
    a = r.build(*this);
    if (divisor && !r.terms.empty()) {  // (g*x + k) / (g*d) = (x + k/g) / d
      int64_t g = *divisor;
      for (const auto& [atoms, c] : r.terms)
        if (!atoms.empty()) g = std::gcd(g, c);
      if (g > 1) {
        Polynomial reduced;
        for (const auto& [atoms, c] : r.terms) reduced.add_term(atoms, floor_div(c, g));
        return add(quotient, floordiv(reduced.build(*this), index(*divisor / g)));
      }
    }
  } else if (auto exact = div_exact(a, b)) {
    return *exact;
  }
  if (auto ca = as_int(a); ca && divisor) return add(quotient, index(floor_div(*ca, *divisor)));
  if (provably_nonnegative(a) && provably_less(a, b)) return quotient;
  if (op(a) == SOp::FloorDiv && divisor) {  // (x / c) / d = x / (c*d)
    Expr x = operands(a)[0], c = operands(a)[1];
    if (as_int(c)) return add(quotient, floordiv(x, mul(c, b)));
  }
  return add(quotient, intern(SOp::FloorDiv, DType::Index, std::array{a, b}));
}

Expr ExprPool::ceildiv(Expr a, Expr b) { return floordiv(add(a, sub(b, index(1))), b); }

Expr ExprPool::mod(Expr a, Expr b) {
  if (is_index(b, 1) || is_index(b, 0) || a == b) return index(0);
  auto divisor = as_int(b);
  if (auto ca = as_int(a); ca && divisor) return index(*ca - floor_div(*ca, *divisor) * *divisor);
  if (auto m = as_monomial(*this, b); m && m->second > 0) {
    Polynomial q, r;
    Polynomial::of(*this, a).divide(m->first, m->second, q, r);
    a = r.build(*this);
  } else if (div_exact(a, b)) {
    return index(0);
  }
  if (auto ca = as_int(a); ca && divisor) return index(*ca - floor_div(*ca, *divisor) * *divisor);
  if (provably_nonnegative(a) && provably_less(a, b)) return a;
  if (op(a) == SOp::Mod && divisor) {  // (x mod c) mod d = x mod d where d divides c
    Expr x = operands(a)[0];
    if (auto c = as_int(operands(a)[1]); c && *c % *divisor == 0) return mod(x, b);
  }
  return intern(SOp::Mod, DType::Index, std::array{a, b});
}

Expr ExprPool::min(Expr a, Expr b) {
  if (a == b || provably_nonnegative(sub(b, a))) return a;
  if (provably_nonnegative(sub(a, b))) return b;
  return intern(SOp::Min, DType::Index, a < b ? std::array{a, b} : std::array{b, a});
}

Expr ExprPool::max(Expr a, Expr b) {
  if (a == b || provably_nonnegative(sub(a, b))) return a;
  if (provably_nonnegative(sub(b, a))) return b;
  return intern(SOp::Max, DType::Index, a < b ? std::array{a, b} : std::array{b, a});
}

std::optional<std::pair<Expr, Expr>> ExprPool::affine(Expr e, Expr var) {
  Polynomial coefficient, rest;
  for (const auto& [atoms, c] : Polynomial::of(*this, e).terms) {
    int hits = 0;
    Polynomial::Monomial left;
    for (Expr atom : atoms) {
      if (atom == var && hits == 0) ++hits;
      else if (depends_on(atom, var)) return std::nullopt;
      else left.push_back(atom);
    }
    if (hits) coefficient.add_term(std::move(left), c);
    else rest.add_term(atoms, c);
  }
  return std::pair{coefficient.build(*this), rest.build(*this)};
}

std::pair<int64_t, int64_t> ExprPool::bounds(Expr e) const {
  const ExprNode& n = (*this)[e];
  auto unknown = std::pair{-kIndexMax, kIndexMax};
  switch (n.op) {
    case SOp::Const: return {n.imm, n.imm};
    case SOp::Var: return {var(e).lo, var(e).hi};
    case SOp::Add: {
      Wide lo = 0, hi = 0;
      for (Expr child : operands(e)) {
        auto [l, h] = bounds(child);
        lo += l;
        hi += h;
      }
      return {clamp_index(lo), clamp_index(hi)};
    }
    case SOp::Mul: {
      Wide lo = 1, hi = 1;
      for (Expr child : operands(e)) {
        auto [l, h] = bounds(child);
        Wide c[4] = {lo * l, lo * h, hi * l, hi * h};
        lo = clamp_index(*std::min_element(c, c + 4));
        hi = clamp_index(*std::max_element(c, c + 4));
      }
      return {static_cast<int64_t>(lo), static_cast<int64_t>(hi)};
    }
    case SOp::FloorDiv: {
      auto [l, h] = bounds(operands(e)[0]);
      auto [dl, dh] = bounds(operands(e)[1]);
      if (dl <= 0) dl = 1;
      dh = std::max(dh, dl);
      int64_t lo = l >= 0 ? (dh >= kIndexMax ? 0 : floor_div(l, dh)) : (l <= -kIndexMax ? -kIndexMax : floor_div(l, dl));
      int64_t hi = h >= kIndexMax ? kIndexMax : (h >= 0 ? floor_div(h, dl) : -1);
      return {lo, hi};
    }
    case SOp::Mod: {
      auto [dl, dh] = bounds(operands(e)[1]);
      return {0, dh >= kIndexMax ? kIndexMax : std::max<int64_t>(dh - 1, 0)};
    }
    case SOp::Min:
    case SOp::Max: {
      auto [al, ah] = bounds(operands(e)[0]);
      auto [bl, bh] = bounds(operands(e)[1]);
      if (n.op == SOp::Min) return {std::min(al, bl), std::min(ah, bh)};
      return {std::max(al, bl), std::max(ah, bh)};
    }
    case SOp::Select: {
      auto [al, ah] = bounds(operands(e)[1]);
      auto [bl, bh] = bounds(operands(e)[2]);
      return {std::min(al, bl), std::max(ah, bh)};
    }
    default: return unknown;
  }
}

// Replaces every variable that has a symbolic extent by the end of its range that makes the sum
// smallest, then asks for non-negative coefficients over symbols shifted to their lower bounds.
bool ExprPool::provably_nonnegative(Expr e) {
  constexpr int64_t kShiftMax = 1 << 20;  // products of shifts must not saturate
  if (bounds(e).first >= 0) return true;
  Polynomial p = Polynomial::of(*this, e);
  for (int round = 0; round < 16; ++round) {
    Expr next{};
    for (const auto& [atoms, c] : p.terms)
      for (Expr atom : atoms)
        if (op(atom) == SOp::Var && var(atom).extent.valid() && atom > next) next = atom;
    if (!next.valid()) break;
    auto split = affine(p.build(*this), next);
    if (!split) return false;
    auto [coefficient, rest] = *split;
    Expr extreme;
    if (bounds(coefficient).first >= 0) extreme = index(0);
    else if (bounds(coefficient).second <= 0) extreme = sub(var(next).extent, index(1));
    else return false;
    p = Polynomial::of(*this, add(mul(coefficient, extreme), rest));
  }
  // Shift: atom = lo + atom', atom' >= 0. Then all coefficients must be non-negative.
  Polynomial shifted;
  for (const auto& [atoms, c] : p.terms) {
    Polynomial product;
    product.add_term({}, c);
    for (Expr atom : atoms) {
      int64_t lo = std::min(bounds(atom).first, kShiftMax);
      if (lo < -kShiftMax) return false;
      Polynomial factor;
      factor.add_term({atom}, 1);
      if (lo) factor.add_term({}, lo);
      product = product.times(factor);
    }
    shifted.add(product);
  }
  return std::ranges::all_of(shifted.terms, [](const auto& t) { return t.second >= 0; });
}

}  // namespace tenon
