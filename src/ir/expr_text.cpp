// Text of scalar expressions. Infix where C has an operator, calls otherwise; index sums and products
// are written in an order that does not depend on ids. Types are shown where nothing implies them.
#include "expr_text.h"

#include <algorithm>
#include <bit>

namespace tenon {

namespace {

enum Level : int { kAny, kOr, kAnd, kCompare, kSum, kProduct, kUnary };

struct Infix {
  SOp op;
  std::string_view token;
  Level level;
};

constexpr Infix kInfix[] = {
    {SOp::Or, "|", kOr},       {SOp::And, "&", kAnd},     {SOp::Eq, "==", kCompare}, {SOp::Ne, "!=", kCompare},
    {SOp::Lt, "<", kCompare},  {SOp::Le, "<=", kCompare}, {SOp::Gt, ">", kCompare},  {SOp::Ge, ">=", kCompare},
    {SOp::Add, "+", kSum},     {SOp::Sub, "-", kSum},     {SOp::Mul, "*", kProduct}, {SOp::Div, "/", kProduct},
};

bool is_convert(SOp op) { return op == SOp::Cast || op == SOp::CastSat || op == SOp::Bitcast; }

// ---- printing

class Printer {
 public:
  Printer(const ExprPool& pool, const ExprNames& names) : p_(pool), names_(names) {}

  std::string print(Expr e, Level context) const {
    const ExprNode& n = p_[e];
    if (n.op == SOp::Const) return constant(n);
    if (n.op == SOp::Var) return variable(e);
    if (n.op == SOp::Load) return load(e);
    if (n.type == DType::Index && n.op == SOp::Add) return parens(sum(e), kSum, context);
    if (n.type == DType::Index && n.op == SOp::Mul) return parens(term(e).signed_text(), kProduct, context);
    auto args = p_.operands(e);
    auto infix = std::ranges::find(kInfix, n.op, &Infix::op);
    if (infix != std::end(kInfix) && !(n.op == SOp::Div && n.type == DType::Index)) {
      auto tighter = static_cast<Level>(infix->level + 1);
      std::string token(infix->token);
      if (infix->level != kProduct) token = ' ' + token + ' ';
      std::string left = print(args[0], infix->level == kCompare ? tighter : infix->level);
      return parens(left + token + print(args[1], tighter), infix->level, context);
    }
    if (n.op == SOp::Neg) return parens('-' + print(args[0], kUnary), kUnary, context);
    return call(e);
  }

 private:
  // A product in a sum: how it is ordered and written.
  struct Term {
    size_t degree;
    int64_t coefficient;
    std::string atoms;

    std::string text() const {  // without sign
      auto magnitude = coefficient < 0 ? 0 - static_cast<uint64_t>(coefficient) : static_cast<uint64_t>(coefficient);
      if (degree == 0) return std::to_string(magnitude);
      return magnitude == 1 ? atoms : std::to_string(magnitude) + '*' + atoms;
    }
    std::string signed_text() const { return (coefficient < 0 ? "-" : "") + text(); }
    auto key() const { return std::tuple(coefficient < 0, ~degree, -(coefficient < 0 ? 0 : coefficient), atoms); }
  };

  static std::string parens(std::string text, Level level, Level context) {
    return level < context ? '(' + text + ')' : text;
  }

  Term term(Expr e) const {
    if (auto value = p_.as_int(e)) return {0, *value, {}};
    if (p_.op(e) != SOp::Mul) return {1, 1, print(e, kUnary)};
    Term result{0, 1, {}};
    std::vector<std::string> atoms;
    for (Expr factor : p_.operands(e)) {
      if (auto value = p_.as_int(factor)) result.coefficient = *value;
      else atoms.push_back(print(factor, kUnary));
    }
    result.degree = atoms.size();
    std::ranges::sort(atoms);
    for (const std::string& atom : atoms) result.atoms += (result.atoms.empty() ? "" : "*") + atom;
    return result;
  }

  std::string sum(Expr e) const {
    std::vector<Term> terms;
    for (Expr operand : p_.operands(e)) terms.push_back(term(operand));
    std::ranges::sort(terms, {}, &Term::key);
    std::string text = terms[0].signed_text();
    for (const Term& t : std::span(terms).subspan(1)) text += (t.coefficient < 0 ? " - " : " + ") + t.text();
    return text;
  }

  std::string constant(const ExprNode& n) const {
    if (n.type == DType::Bool) return n.imm ? "true" : "false";
    if (n.type == DType::Index) return std::to_string(n.imm);
    std::string digits = is_float(n.type)       ? real_text(n.type, std::bit_cast<double>(n.imm))
                         : n.type == DType::U64 ? std::to_string(static_cast<uint64_t>(n.imm))
                                                : std::to_string(n.imm);
    return digits + ':' + std::string(spelling(n.type));
  }

  std::string variable(Expr e) const {
    auto it = names_.vars.find(e);
    return name_text(it == names_.vars.end() ? p_.var(e).name : it->second);
  }

  std::string load(Expr e) const {
    auto it = names_.buffers.find(p_.buffer(e));
    bool named = it != names_.buffers.end();
    std::string text = (named ? name_text(it->second) : 'b' + std::to_string(p_.buffer(e).index)) + '[';
    for (bool first = true; Expr index : p_.operands(e))
      text += (std::exchange(first, false) ? "" : ", ") + print(index, kAny);
    return text + ']' + (named ? "" : ':' + std::string(spelling(p_.type(e))));
  }

  std::string call(Expr e) const {
    std::vector<std::string> args;
    for (Expr operand : p_.operands(e)) args.push_back(print(operand, kAny));
    // Operands that canonical form orders by id.
    if (p_.type(e) == DType::Index && (p_.op(e) == SOp::Min || p_.op(e) == SOp::Max)) std::ranges::sort(args);
    if (is_convert(p_.op(e))) args.emplace_back(spelling(p_.type(e)));
    std::string text(spelling(p_.op(e)));
    for (size_t i = 0; i < args.size(); ++i) text += (i ? ", " : "(") + args[i];
    return text + ')';
  }

  const ExprPool& p_;
  const ExprNames& names_;
};

// ---- parsing

class Parser {
 public:
  Parser(Lexer& in, ExprPool& pool, const ParseScope& scope) : in_(in), p_(pool), scope_(scope) {}

  Expr parse(int level = kOr) {
    if (level == kUnary) return unary();
    Expr left = parse(level + 1);
    while (!in_.failed()) {
      auto infix = std::ranges::find_if(kInfix, [&](const Infix& i) { return i.level == level && in_.at(i.token); });
      if (infix == std::end(kInfix)) break;
      in_.expect(infix->token);
      std::array operands = {left, parse(level + 1)};
      if (infix->op == SOp::Div && p_.type(left) == DType::Index) {
        in_.error("`/` is not for indices: write floordiv(a, b) or ceildiv(a, b)");
      }
      left = make(infix->op, operands);
      if (level == kCompare) break;
    }
    return left;
  }

 private:
  Expr placeholder() { return p_.index(0); }

  Expr unary() {
    if (in_.at(Lexer::Kind::Number)) return constant("");
    if (!in_.accept("-")) return primary();
    if (in_.at(Lexer::Kind::Number)) return constant("-");
    if (in_.at("inf")) return p_.unary(SOp::Neg, primary());
    return make(SOp::Neg, std::array{unary()});
  }

  Expr constant(std::string text) {
    text += in_.number();
    bool integral = text.find_first_of(".e") == std::string::npos;
    DType type = in_.accept(":") ? in_.dtype() : DType::Index;
    if (is_float(type)) return p_.constant(type, Lexer(text).real(type));
    if (!integral || type == DType::Bool || !(is_integer(type) || type == DType::Index)) {
      in_.error("`" + text + "` needs a type that fits it, such as 1.5:f32");
      return placeholder();
    }
    Lexer digits(text);
    int64_t value = type == DType::U64 ? static_cast<int64_t>(digits.integer<uint64_t>()) : digits.integer<int64_t>();
    if (digits.failed()) in_.error("`" + text + "` is out of range");
    return type == DType::Index ? p_.index(value) : p_.constant_int(type, value);
  }

  Expr primary() {
    if (in_.accept("(")) {
      Expr e = parse();
      in_.expect(")");
      return e;
    }
    bool is_quoted = in_.at(Lexer::Kind::String);
    std::string name = in_.name();
    if (in_.failed()) return placeholder();
    if (in_.at("[")) return load(name);
    if (!is_quoted) {
      if (name == "true" || name == "false") return p_.constant_int(DType::Bool, name == "true");
      if (name == "inf" || name == "nan") return special(name);
      if (in_.at("(")) return call(name);
    }
    auto it = scope_.vars.find(name);
    return it != scope_.vars.end() ? it->second : p_.symbol(name);
  }

  Expr special(std::string_view name) {
    in_.expect(":");
    DType type = in_.dtype();
    if (!is_float(type)) in_.error("inf and nan are floats");
    return in_.failed() ? placeholder() : p_.constant(type, Lexer(name).real(type));
  }

  Expr load(const std::string& name) {
    std::vector<Expr> indices;
    in_.list("[", "]", [&] { indices.push_back(parse()); });
    if (std::ranges::any_of(indices, [&](Expr i) { return p_.type(i) != DType::Index; }))
      in_.error("an index of `" + name + "` is not of type index");
    if (auto it = scope_.buffers.find(name); it != scope_.buffers.end())
      return p_.load(it->second.buffer, it->second.type, indices);
    int number = 0;
    auto [end, bad] = std::from_chars(name.data() + 1, name.data() + name.size(), number);
    if (name[0] != 'b' || bad != std::errc{} || end != name.data() + name.size() || number < 0) {
      in_.error("no buffer is named `" + name + "` here");
      return placeholder();
    }
    in_.expect(":");
    return p_.load(BufferId(static_cast<size_t>(number)), in_.dtype(), indices);
  }

  Expr call(const std::string& name) {
    auto op = parse_scalar_op(name);
    bool ceil = name == "ceildiv";
    if (!ceil && (!op || arity(*op) <= 0)) {
      in_.error("no function is named `" + name + "`");
      return placeholder();
    }
    std::vector<Expr> args;
    std::optional<DType> to;
    in_.list("(", ")", [&] {
      if (op && is_convert(*op) && args.size() == 1) to = in_.dtype();
      else args.push_back(parse());
    });
    if (args.size() != static_cast<size_t>(ceil ? 2 : arity(*op))) in_.error("wrong number of operands of " + name);
    if (op && is_convert(*op) && !to) in_.error(name + " needs a type: " + name + "(x, f32)");
    if (in_.failed()) return placeholder();
    if (to) return p_.make(*op, *to, args);
    if (!ceil) return make(*op, args);
    Expr one = p_.type(args[1]) == DType::Index ? p_.index(1) : p_.constant_int(p_.type(args[1]), 1);
    return make(SOp::FloorDiv, std::array{make(SOp::Add, std::array{args[0], make(SOp::Sub, std::array{args[1], one})}), args[1]});
  }

  // make() with what it assumes checked first.
  Expr make(SOp op, std::span<const Expr> operands) {
    if (in_.failed()) return placeholder();
    DType type = p_.type(operands.back());
    bool same = std::ranges::all_of(operands.subspan(op == SOp::Select), [&](Expr e) { return p_.type(e) == type; });
    bool condition = op != SOp::Select || p_.type(operands[0]) == DType::Bool;
    if (!same || !condition || !accepts(op, type)) {
      in_.error("operand types do not suit " + std::string(spelling(op)));
      return placeholder();
    }
    if (type == DType::Index && (op == SOp::FloorDiv || op == SOp::Mod)) {
      if (auto divisor = p_.as_int(operands[1]); divisor && *divisor <= 0) {
        in_.error("an index is divided by " + std::to_string(*divisor));
        return placeholder();
      }
    }
    return p_.make(op, result_type(op, type), operands);
  }

  Lexer& in_;
  ExprPool& p_;
  const ParseScope& scope_;
};

}  // namespace

std::string ExprPool::text(Expr e, const ExprNames& names) const { return Printer(*this, names).print(e, kAny); }

Expr parse_expr(Lexer& in, ExprPool& pool, const ParseScope& scope) { return Parser(in, pool, scope).parse(); }

Result<Expr> parse_expr(ExprPool& pool, std::string_view text, const ParseScope& scope) {
  Lexer in(text);
  Expr e = parse_expr(in, pool, scope);
  if (!in.at(Lexer::Kind::End)) in.error("text goes on after the expression");
  if (in.failed()) return in.failure();
  return e;
}

}  // namespace tenon
