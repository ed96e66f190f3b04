// ExprPool: interning, constants, generic construction with constant folding, rewriting.
#include "tenon/expr.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <unordered_set>

#include "scalar_fold.h"

namespace tenon {

namespace {

struct SOpInfo {
  std::string_view spelling;
  int arity;
  char cls;  // first letter of the class
};

enum Class : char { leaf = 'l', arith = 'a', float_ = 'f', bitwise = 'b', compare = 'c', test = 't',
                    convert = 'v', other = 'o' };

constexpr char class_letter(std::string_view cls) { return cls == "convert" ? 'v' : cls[0]; }

constexpr SOpInfo kInfo[] = {
#define SCALAR_OP(name, spelling, arity, cls) {spelling, arity, class_letter(#cls)},
#include "tenon/scalar_ops.def"
#undef SCALAR_OP
};

const SOpInfo& op_info(SOp op) { return kInfo[static_cast<int>(op)]; }

size_t mix(size_t h, size_t v) { return (h ^ v) * 0x9E3779B97F4A7C15ull + (h >> 29); }

size_t hash_node(SOp op, DType type, std::span<const Expr> operands, int64_t imm) {
  size_t h = mix(static_cast<size_t>(op) * 64 + static_cast<size_t>(type), static_cast<size_t>(imm));
  for (Expr e : operands) h = mix(h, static_cast<size_t>(e.index));
  return h ^ (h >> 32);
}

}  // namespace

std::string_view spelling(SOp op) { return op_info(op).spelling; }
int arity(SOp op) { return op_info(op).arity; }
bool is_compare(SOp op) { return op_info(op).cls == compare; }

bool accepts(SOp op, DType operand) {
  if (operand == DType::String || is_complex(operand)) return false;
  switch (op_info(op).cls) {
    case float_:
    case test: return is_float(operand);
    case bitwise: return !is_float(operand);
    default: return true;
  }
}

DType result_type(SOp op, DType operand) {
  char cls = op_info(op).cls;
  return cls == compare || cls == test ? DType::Bool : operand;
}

std::optional<SOp> parse_scalar_op(std::string_view text) {
  auto it = std::ranges::find(kInfo, text, &SOpInfo::spelling);
  if (it == std::end(kInfo)) return std::nullopt;
  return static_cast<SOp>(it - std::begin(kInfo));
}

Expr ExprPool::intern(SOp op, DType type, std::span<const Expr> operands, int64_t imm) {
  if (nodes_.size() * 2 >= table_.size()) {
    table_.assign(table_.empty() ? 64 : table_.size() * 2, -1);
    for (size_t i = 0; i < nodes_.size(); ++i) {
      const ExprNode& n = nodes_[i];
      size_t slot = hash_node(n.op, n.type, this->operands(Expr(i)), n.imm) & (table_.size() - 1);
      while (table_[slot] >= 0) slot = (slot + 1) & (table_.size() - 1);
      table_[slot] = static_cast<int32_t>(i);
    }
  }
  size_t slot = hash_node(op, type, operands, imm) & (table_.size() - 1);
  for (; table_[slot] >= 0; slot = (slot + 1) & (table_.size() - 1)) {
    const ExprNode& n = nodes_[static_cast<size_t>(table_[slot])];
    Expr found(static_cast<size_t>(table_[slot]));
    if (n.op == op && n.type == type && n.imm == imm && n.count == operands.size() &&
        std::ranges::equal(this->operands(found), operands))
      return found;
  }
  Expr made(nodes_.size());
  table_[slot] = made.index;
  // The operands may lie inside args_ itself, which the insertion can move.
  std::vector<Expr> copy(operands.begin(), operands.end());
  nodes_.push_back({op, type, static_cast<uint32_t>(args_.size()), static_cast<uint32_t>(copy.size()), imm});
  args_.insert(args_.end(), copy.begin(), copy.end());
  return made;
}

std::span<const Expr> ExprPool::operands(Expr e) const {
  const ExprNode& n = (*this)[e];
  return std::span(args_).subspan(n.first, n.count);
}

Expr ExprPool::index(int64_t value) { return intern(SOp::Const, DType::Index, {}, value); }

Expr ExprPool::constant(DType type, double value) {
  TENON_CHECK(is_float(type), "constant() is for floats");
  value = round_to(type, value);
  if (std::isnan(value)) value = std::numeric_limits<double>::quiet_NaN();
  return intern(SOp::Const, type, {}, std::bit_cast<int64_t>(value));
}

Expr ExprPool::constant_int(DType type, int64_t value) {
  TENON_CHECK(!is_float(type), "constant_int() is for integers");
  return intern(SOp::Const, type, {}, wrap_to(type, value));
}

Expr ExprPool::new_var(Var var) {
  DType type = var.type;
  vars_.push_back(std::move(var));
  return intern(SOp::Var, type, {}, static_cast<int64_t>(vars_.size() - 1));
}

Expr ExprPool::symbol(std::string_view name) {
  auto [it, fresh] = symbols_.try_emplace(std::string(name));
  if (fresh) it->second = new_var({.name = std::string(name)});
  return it->second;
}

Expr ExprPool::symbol_named(const std::string& name) const {
  auto it = symbols_.find(name);
  return it == symbols_.end() ? Expr{} : it->second;
}

Expr ExprPool::axis(std::string name, Expr extent) {
  auto [lo, hi] = bounds(extent);
  int64_t last = hi >= kIndexMax ? kIndexMax : std::max<int64_t>(hi - 1, 0);
  return new_var({.name = std::move(name), .lo = 0, .hi = last, .extent = extent});
}

Expr ExprPool::load(BufferId buffer, DType type, std::span<const Expr> indices) {
  return intern(SOp::Load, type, indices, buffer.index);
}

std::optional<int64_t> ExprPool::as_int(Expr e) const {
  const ExprNode& n = (*this)[e];
  if (n.op != SOp::Const || is_float(n.type)) return std::nullopt;
  return n.imm;
}

std::optional<double> ExprPool::as_double(Expr e) const {
  const ExprNode& n = (*this)[e];
  if (n.op != SOp::Const || !is_float(n.type)) return std::nullopt;
  return std::bit_cast<double>(n.imm);
}

Expr ExprPool::binary(SOp op, Expr a, Expr b) {
  return make(op, result_type(op, type(a)), std::array{a, b});
}

Expr ExprPool::select(Expr condition, Expr a, Expr b) {
  return make(SOp::Select, type(a), std::array{condition, a, b});
}

Expr ExprPool::cast(Expr a, DType to) {
  return type(a) == to ? a : make(SOp::Cast, to, std::array{a});
}

Expr ExprPool::all_of(Expr a, Expr b) {
  if (!a.valid()) return b;
  if (!b.valid()) return a;
  return binary(SOp::And, a, b);
}

// Folds what is known from constants; an invalid id where nothing is.
Expr ExprPool::fold(SOp op, DType type, std::span<const Expr> operands) {
  if (op == SOp::Select) {
    if (operands[1] == operands[2]) return operands[1];
    if (auto c = as_int(operands[0])) return *c ? operands[1] : operands[2];
    return {};
  }
  DType from = operands.empty() ? type : this->type(operands[0]);
  if (is_compare(op) && from == DType::Index && !(is_const(operands[0]) && is_const(operands[1]))) {
    // Comparisons of index expressions, decided by range where possible.
    Expr a = operands[0], b = operands[1];
    if (op == SOp::Gt) return make(SOp::Lt, type, std::array{b, a});
    if (op == SOp::Ge) return make(SOp::Le, type, std::array{b, a});
    if (a == b) return constant_int(DType::Bool, op == SOp::Eq || op == SOp::Le);
    if (op == SOp::Lt || op == SOp::Le) {
      if (provably_nonnegative(sub(sub(b, a), index(op == SOp::Lt)))) return constant_int(DType::Bool, 1);
      if (provably_nonnegative(sub(sub(a, b), index(op == SOp::Le)))) return constant_int(DType::Bool, 0);
    } else if (provably_less(a, b) || provably_less(b, a)) {
      return constant_int(DType::Bool, op == SOp::Ne);
    }
    return {};
  }
  if (op == SOp::And || op == SOp::Or) {
    for (int i = 0; i < 2; ++i) {
      Expr other = operands[static_cast<size_t>(1 - i)];
      if (auto c = as_int(operands[static_cast<size_t>(i)]); c && type == DType::Bool)
        return (op == SOp::And) == (*c != 0) ? other : constant_int(DType::Bool, op == SOp::Or);
    }
  }
  for (Expr e : operands)
    if (!is_const(e)) return {};
  if (op == SOp::Load || op == SOp::Var || operands.empty()) return {};
  ScalarConst args[3];
  for (size_t i = 0; i < operands.size(); ++i) {
    const ExprNode& n = (*this)[operands[i]];
    args[i] = is_float(n.type) ? ScalarConst{.f = std::bit_cast<double>(n.imm)} : ScalarConst{.i = n.imm};
  }
  auto value = fold_scalar(op, type, from, std::span(args, operands.size()));
  if (!value) return {};
  return is_float(type) ? constant(type, value->f) : constant_int(type, value->i);
}

Expr ExprPool::make(SOp op, DType type, std::span<const Expr> operands) {
  TENON_CHECK(arity(op) < 0 || operands.size() == static_cast<size_t>(arity(op)), "wrong operand count");
  if (type == DType::Index) {
    switch (op) {
      case SOp::Add: return add(operands[0], operands[1]);
      case SOp::Sub: return sub(operands[0], operands[1]);
      case SOp::Mul: return mul(operands[0], operands[1]);
      case SOp::FloorDiv: return floordiv(operands[0], operands[1]);
      case SOp::Mod: return mod(operands[0], operands[1]);
      case SOp::Min: return min(operands[0], operands[1]);
      case SOp::Max: return max(operands[0], operands[1]);
      case SOp::Neg: return sub(index(0), operands[0]);
      default: break;
    }
  }
  if (Expr folded = fold(op, type, operands); folded.valid()) return folded;
  return intern(op, type, operands);
}

bool ExprPool::depends_on(Expr e, Expr var) const {
  if (e == var) return true;
  for (Expr child : operands(e))
    if (depends_on(child, var)) return true;
  return false;
}

bool ExprPool::any_part(Expr e, const std::function<bool(Expr)>& holds) const {
  std::unordered_set<Expr> seen = {e};
  std::vector<Expr> open = {e};
  while (!open.empty()) {
    const Expr part = open.back();
    open.pop_back();
    if (holds(part)) return true;
    for (Expr child : operands(part))
      if (seen.insert(child).second) open.push_back(child);
  }
  return false;
}
void ExprPool::collect_vars(Expr e, std::vector<Expr>& out) const {
  if (op(e) == SOp::Var && std::ranges::find(out, e) == out.end()) out.push_back(e);
  for (Expr child : operands(e)) collect_vars(child, out);
}

void ExprPool::collect_loads(Expr e, std::vector<Expr>& out) const {
  if (op(e) == SOp::Load && std::ranges::find(out, e) == out.end()) out.push_back(e);
  for (Expr child : operands(e)) collect_loads(child, out);
}

namespace {

// Post-order rewriting with memoisation; `leaf` returns a replacement or an invalid id, `load` builds loads.
template <class Leaf, class Load>
Expr rewrite(ExprPool& pool, Expr e, std::unordered_map<Expr, Expr>& done, const Leaf& leaf, const Load& load) {
  if (auto it = done.find(e); it != done.end()) return it->second;
  Expr result = leaf(e);
  if (!result.valid()) {
    ExprNode node = pool[e];
    std::vector<Expr> operands(pool.operands(e).begin(), pool.operands(e).end());
    bool changed = false;
    for (Expr& child : operands) {
      Expr next = rewrite(pool, child, done, leaf, load);
      changed |= next != child;
      child = next;
    }
    if (node.op == SOp::Load) result = load(e, std::span<const Expr>(operands));
    else if (!changed) result = e;
    else if (node.count > 2 && (node.op == SOp::Add || node.op == SOp::Mul)) {
      result = operands[0];  // n-ary canonical sums and products
      for (size_t i = 1; i < operands.size(); ++i)
        result = node.op == SOp::Add ? pool.add(result, operands[i]) : pool.mul(result, operands[i]);
    } else {
      result = pool.make(node.op, node.type, operands);
    }
  }
  done.emplace(e, result);
  return result;
}

}  // namespace

Expr ExprPool::substitute(Expr e, const Substitution& map) {
  std::unordered_map<Expr, Expr> done;
  return rewrite(*this, e, done, [&](Expr x) {
    auto it = map.find(x);
    return it == map.end() ? Expr{} : it->second;
  }, [&](Expr load, std::span<const Expr> indices) { return this->load(buffer(load), type(load), indices); });
}

Expr ExprPool::map_loads(Expr e, const LoadMap& f) {
  std::unordered_map<Expr, Expr> done;
  return rewrite(*this, e, done, [](Expr) { return Expr{}; }, f);
}

Expr ExprPool::import(Importer& importer, Expr e) {
  if (auto it = importer.done.find(e); it != importer.done.end()) return it->second;
  const ExprNode node = importer.from[e];
  Expr result;
  if (node.op == SOp::Var) {
    Var var = importer.from.var(e);
    if (var.extent.valid()) {
      Expr extent = import(importer, var.extent);
      var.extent = extent;
      result = new_var(var);
    } else if (var.type == DType::Index) {
      result = symbol(var.name);
      this->var(result).lo = var.lo;
      this->var(result).hi = var.hi;
    } else {
      result = new_var(var);
    }
  } else {
    std::vector<Expr> operands;
    for (Expr child : importer.from.operands(e)) operands.push_back(import(importer, child));
    if (node.op == SOp::Const) {
      result = intern(node.op, node.type, {}, node.imm);
    } else if (node.op == SOp::Load) {
      auto it = importer.buffers.find(node.imm);
      result = intern(node.op, node.type, operands, it == importer.buffers.end() ? node.imm : it->second);
    } else if (node.count > 2 && (node.op == SOp::Add || node.op == SOp::Mul)) {
      result = operands[0];
      for (size_t i = 1; i < operands.size(); ++i)
        result = node.op == SOp::Add ? add(result, operands[i]) : mul(result, operands[i]);
    } else {
      result = make(node.op, node.type, operands);
    }
  }
  importer.done.emplace(e, result);
  return result;
}

std::optional<int64_t> ExprPool::evaluate(Expr e, const Bindings& bindings) const {
  const ExprNode& n = (*this)[e];
  if (n.op == SOp::Const) return n.imm;
  if (auto it = bindings.find(e); it != bindings.end()) return it->second;
  if (n.op == SOp::Var || n.op == SOp::Load) return std::nullopt;
  std::vector<ScalarConst> args;
  for (Expr child : operands(e)) {
    auto value = evaluate(child, bindings);
    if (!value) return std::nullopt;
    args.push_back({.i = *value});
  }
  ScalarConst result = args[0];
  if (n.count > 2 && n.op != SOp::Select) {  // n-ary sums and products
    for (size_t i = 1; i < args.size(); ++i) {
      ScalarConst pair[2] = {result, args[i]};
      result = *fold_scalar(n.op, n.type, DType::Index, pair);
    }
    return result.i;
  }
  auto value = fold_scalar(n.op, n.type, type(operands(e).back()), args);
  return value ? std::optional(value->i) : std::nullopt;
}

}  // namespace tenon
