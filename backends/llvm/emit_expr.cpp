// Expressions and structured control flow around them.
#include <bit>

#include <llvm/IR/Intrinsics.h>

#include "emitter.h"

namespace tenon::gen {

namespace Intrinsic = llvm::Intrinsic;

Emitter::Emitter(Code& code_, ExprPool& pool_, const Store<BufferId, LoopBuffer>& buffers, Values pointers)
    : code(code_), pool(pool_), buffers_(buffers), pointers_(std::move(pointers)), scopes_(1) {}

void Emitter::bind(Expr var, Value* value, const Lanes* lanes) {
  if (bindings_.contains(var))  // bound anew: what was computed from it is stale
    for (Scope& scope : scopes_) scope.plain.clear(), scope.loading.clear();
  bindings_[var] = {value, depth_, lanes};
}

const Lanes* Emitter::new_lanes(unsigned width, Value* mask) {
  Expr var = pool.new_var({.name = "lane", .lo = 0, .hi = width - 1});
  lanes_.push_back({var, width, mask});
  std::vector<llvm::Constant*> counts;
  for (unsigned i = 0; i < width; ++i) counts.push_back(code.b.getInt64(i));
  bindings_[var] = {llvm::ConstantVector::get(counts), 0, &lanes_.back()};
  return &lanes_.back();
}

Emitter::Facts Emitter::facts(Expr e) {
  auto slot = static_cast<size_t>(e.index);
  if (facts_.size() <= slot) facts_.resize(pool.size());
  if (facts_[slot].known) return facts_[slot];
  Facts f{.known = true};
  if (pool.op(e) == SOp::Var) {
    auto it = bindings_.find(e);
    if (it == bindings_.end()) return f;  // bound later: not remembered
    f.lanes = it->second.lanes;
  }
  f.load = pool.op(e) == SOp::Load;
  for (size_t i = 0; i < pool.operands(e).size(); ++i) {
    Facts child = facts(pool.operands(e)[i]);
    f.load |= child.load;
    if (!f.lanes) f.lanes = child.lanes;
  }
  return facts_[slot] = f;
}

const Lanes* Emitter::lanes_of(Expr e) { return facts(e).lanes; }

Value* Emitter::spread(Value* v, unsigned width) {
  return width == 0 || gen::width(v) ? v : code.b.CreateVectorSplat(width, v);
}

Value* Emitter::emit(Expr e, Expr guard) {
  bool loads = has_load(e);
  if (!loads) guard = {};
  uint64_t key = static_cast<uint64_t>(static_cast<uint32_t>(e.index)) << 32 | static_cast<uint32_t>(guard.index);
  for (size_t i = depth_; i-- > 0;) {
    const auto& values = loads ? scopes_[i].loading : scopes_[i].plain;
    if (auto it = values.find(key); it != values.end()) return it->second;
  }
  Value* v = compute(e, guard);
  if (!llvm::isa<llvm::Constant>(v)) {
    Scope& scope = scopes_[depth_ - 1];
    (loads ? scope.loading : scope.plain)[key] = v;
  }
  return v;
}

void Emitter::forget_loads() {
  for (Scope& scope : scopes_) scope.loading.clear();
}

// The load below casts that keep zero zero: under a guard it gives zero where the guard is false.
bool Emitter::zero_where_false(Expr e) {
  while (pool.op(e) == SOp::Cast || pool.op(e) == SOp::CastSat) e = pool.operands(e)[0];
  return pool.op(e) == SOp::Load && pool.type(e) != DType::F8E8M0;
}

Value* Emitter::compute(Expr e, Expr guard) {
  const ExprNode node = pool[e];
  auto operand = [&](size_t i) { return pool.operands(e)[i]; };
  switch (node.op) {
    case SOp::Const: return emit_constant(code, node.type, node.imm);
    case SOp::Var: {
      auto it = bindings_.find(e);
      TENON_CHECK(it != bindings_.end(), "unbound variable " + pool.var(e).name);
      return it->second.value;
    }
    case SOp::Load: return load(e, guard);
    case SOp::Select: {
      if (Value* v = pick(e, guard)) return v;
      Expr c = operand(0), t = operand(1), f = operand(2);
      Expr inside = has_load(t) ? pool.all_of(guard, c) : Expr{};
      Value* yes = emit(t, inside);
      bool zero = pool.is_const(f) && pool[f].imm == 0;
      if (zero && zero_where_false(t)) return yes;
      Value* condition = emit(c, guard);
      Expr outside = has_load(f) ? pool.all_of(guard, pool.unary(SOp::Not, c)) : Expr{};
      Value* no = emit(f, outside);
      unsigned w = std::max({width(condition), width(yes), width(no)});
      return code.b.CreateSelect(condition, spread(yes, w), spread(no, w));
    }
    case SOp::Cast:
    case SOp::CastSat:
      if (auto q = match_quantised(e))
        if (Value* v = quantised_bytes(*q, guard)) return v;
      if (auto q = node.type == DType::F32 ? match_quantised(operand(0)) : std::nullopt) return quantised_float(*q, guard);
      return emit_convert(code, emit(operand(0), guard), pool.type(operand(0)), node.type, node.op == SOp::CastSat);
    case SOp::Bitcast: {
      Value* v = emit(operand(0), guard);
      return code.b.CreateBitCast(v, like(v, code.value_type(node.type)));
    }
    default: break;
  }
  if (node.op == SOp::And && node.type == DType::Bool && has_load(operand(1))) {
    // The right side's loads are guarded by the left side.
    Value* left = emit(operand(0), guard);
    Value* right = emit(operand(1), pool.all_of(guard, operand(0)));
    unsigned w = std::max(width(left), width(right));
    return code.b.CreateAnd(spread(left, w), spread(right, w));
  }
  DType type = pool.type(operand(0));
  if (type == DType::Index) {
    if (is_compare(node.op)) return compare_index(e, guard);
    if (node.op == SOp::Add || node.op == SOp::Mul) return index_sum(e, guard);
  }
  if (is_float(type) && (node.op == SOp::Add || node.op == SOp::Sub))
    if (Value* v = fused(e, guard)) return v;
  if (type == DType::F32 && node.op == SOp::Mul)
    if (Value* v = gated(e, guard)) return v;
  Value* v[3] = {};
  unsigned w = 0;
  for (size_t i = 0; i < node.count; ++i) {
    v[i] = emit(operand(i), guard);
    w = std::max(w, width(v[i]));
  }
  for (size_t i = 0; i < node.count; ++i) v[i] = spread(v[i], w);
  if (type == DType::Index && (node.op == SOp::FloorDiv || node.op == SOp::Mod)) return index_divide(node.op, e, v[0], v[1]);
  return emit_arith(code, node.op, type, v[0], v[1], v[2]);
}

// x * sigmoid(y).
Value* Emitter::gated(Expr e, Expr guard) {
  const Expr left = pool.operands(e)[0], right = pool.operands(e)[1];
  if (left == right) return nullptr;
  for (auto [x, gate] : {std::pair(left, right), std::pair(right, left)}) {
    if (pool.op(gate) != SOp::Sigmoid) continue;
    Value *v = emit(x, guard), *y = emit(pool.operands(gate)[0], guard);
    const unsigned w = std::max(width(v), width(y));
    return emit_gated(code, spread(v, w), spread(y, w));
  }
  return nullptr;
}

// x + a*b and x - a*b in one rounding, where the target can and one side is a product. Two products are
// left alone: x*x - y*y must stay zero for x == y.
Value* Emitter::fused(Expr e, Expr guard) {
  if (!code.isa.fma) return nullptr;
  auto& b = code.b;
  Expr left = pool.operands(e)[0], right = pool.operands(e)[1];
  bool subtract = pool.op(e) == SOp::Sub;
  bool left_product = pool.op(left) == SOp::Mul, right_product = pool.op(right) == SOp::Mul;
  if (left_product == right_product) return nullptr;
  Expr product = left_product ? left : right;
  Value* x = emit(pool.operands(product)[0], guard);
  Value* y = emit(pool.operands(product)[1], guard);
  Value* z = emit(left_product ? right : left, guard);
  unsigned w = std::max({width(x), width(y), width(z)});
  x = spread(x, w), y = spread(y, w), z = spread(z, w);
  if (subtract && left_product) z = b.CreateFNeg(z);
  if (subtract && right_product) x = b.CreateFNeg(x);
  return emit_fma(code, x, y, z);
}

// Canonical sums and products have any number of operands.
Value* Emitter::index_sum(Expr e, Expr guard) {
  auto& b = code.b;
  bool sum = pool.op(e) == SOp::Add;
  Value* total = nullptr;
  for (size_t i = 0; i < pool.operands(e).size(); ++i) {
    Value* v = emit(pool.operands(e)[i], guard);
    if (total) {
      unsigned w = std::max(width(total), width(v));
      total = spread(total, w), v = spread(v, w);
      total = sum ? b.CreateNSWAdd(total, v) : b.CreateNSWMul(total, v);
    } else {
      total = v;
    }
  }
  return total;
}

// Divisors are positive. Dividends that fit 32 bits are divided there.
Value* Emitter::index_divide(SOp op, Expr e, Value* x, Value* y) {
  auto& b = code.b;
  Expr dividend = pool.operands(e)[0], divisor = pool.operands(e)[1];
  bool mod = op == SOp::Mod;
  if (auto d = pool.as_int(divisor); d && (*d & (*d - 1)) == 0) {
    auto constant = [&](int64_t c) { return llvm::ConstantInt::get(x->getType(), static_cast<uint64_t>(c)); };
    return mod ? b.CreateAnd(x, constant(*d - 1)) : b.CreateAShr(x, constant(std::countr_zero(static_cast<uint64_t>(*d))));
  }
  auto [lo, hi] = pool.bounds(dividend);
  if (lo >= 0 || pool.provably_nonnegative(dividend)) {
    if (hi <= UINT32_MAX && pool.bounds(divisor).second <= UINT32_MAX) {
      llvm::Type *narrow = like(x, b.getInt32Ty()), *wide = x->getType();
      Value *nx = b.CreateTrunc(x, narrow), *ny = b.CreateTrunc(y, narrow);
      return b.CreateZExt(mod ? b.CreateURem(nx, ny) : b.CreateUDiv(nx, ny), wide);
    }
    return mod ? b.CreateURem(x, y) : b.CreateUDiv(x, y);
  }
  Value* quotient = b.CreateSDiv(x, y);
  Value* rest = b.CreateSub(x, b.CreateMul(quotient, y));
  Value* below = b.CreateICmpSLT(rest, llvm::ConstantInt::get(x->getType(), 0));
  return mod ? b.CreateSelect(below, b.CreateAdd(rest, y), rest) : b.CreateAdd(quotient, b.CreateSExt(below, x->getType()));
}

// c*lane + rest against zero: the lanes' part is a small constant vector, so the comparison is done in 32
// bits against the clamped rest.
Value* Emitter::compare_index(Expr e, Expr guard) {
  auto& b = code.b;
  SOp op = pool.op(e);
  Expr x = pool.operands(e)[0], y = pool.operands(e)[1];
  constexpr int64_t limit = int64_t{1} << 30;
  if (const Lanes* lanes = lanes_of(e))
    if (auto split = pool.affine(pool.sub(x, y), lanes->var))
      if (auto c = pool.as_int(split->first); c && std::abs(*c) < limit / lanes->width && !lanes_of(split->second)) {
        std::vector<llvm::Constant*> steps;
        for (unsigned i = 0; i < lanes->width; ++i) steps.push_back(b.getInt32(static_cast<uint32_t>(*c * i)));
        Value* bound = emit(pool.sub(pool.index(0), split->second), guard);
        bound = b.CreateBinaryIntrinsic(Intrinsic::smin, bound, code.index(limit));
        bound = b.CreateBinaryIntrinsic(Intrinsic::smax, bound, code.index(-limit));
        Value* all = b.CreateVectorSplat(lanes->width, b.CreateTrunc(bound, b.getInt32Ty()));
        return emit_arith(code, op, DType::I32, llvm::ConstantVector::get(steps), all, nullptr);
      }
  Value *u = emit(x, guard), *v = emit(y, guard);
  unsigned w = std::max(width(u), width(v));
  return emit_arith(code, op, DType::I64, spread(u, w), spread(v, w), nullptr);
}

llvm::BasicBlock* Emitter::block(const char* name) {
  return llvm::BasicBlock::Create(code.context, name, code.b.GetInsertBlock()->getParent());
}

void Emitter::scoped(llvm::function_ref<void()> body) {
  scopes_.emplace_back();
  ++depth_;
  body();
  --depth_;
  scopes_.resize(depth_);
}

void Emitter::if_else(Value* condition, llvm::function_ref<void()> then, llvm::function_ref<void()> otherwise) {
  auto &b = code.b;
  auto *yes = block("then"), *no = otherwise ? block("else") : nullptr, *done = block("done");
  b.CreateCondBr(condition, yes, no ? no : done);
  b.SetInsertPoint(yes);
  scoped(then);
  b.CreateBr(done);
  if (no) {
    b.SetInsertPoint(no);
    scoped(otherwise);
    b.CreateBr(done);
  }
  b.SetInsertPoint(done);
}

Value* Emitter::ahead(const Loop& loop, llvm::function_ref<Value*()> make) {
  llvm::IRBuilderBase::InsertPointGuard back(code.b);
  code.b.SetInsertPoint(loop.preheader->getTerminator());
  size_t inner = std::exchange(depth_, loop.depth);
  Value* v = make();
  depth_ = inner;
  return v;
}

Emitter::Values Emitter::loop(Expr var, Expr begin, Expr end, int64_t step, Values carried,
                              llvm::function_ref<Values(const Values&)> body) {
  auto& b = code.b;
  if (pool.provably_nonnegative(pool.sub(begin, end))) return carried;
  Value *first = emit(begin), *last = emit(end);
  bool runs = pool.provably_less(begin, end);
  auto *before = b.GetInsertBlock(), *preheader = block("ahead"), *header = block("loop"), *exit = block("exit");
  if (runs) b.CreateBr(preheader);
  else b.CreateCondBr(b.CreateICmpSLT(first, last), preheader, exit);
  b.SetInsertPoint(preheader);
  b.CreateBr(header);
  b.SetInsertPoint(header);
  llvm::PHINode* count = b.CreatePHI(b.getInt64Ty(), 2, pool.var(var).name);
  count->addIncoming(first, preheader);
  std::vector<llvm::PHINode*> phis;
  for (Value* v : carried) {
    phis.push_back(b.CreatePHI(v->getType(), 2));
    phis.back()->addIncoming(v, preheader);
  }
  Values next;
  scoped([&] {  // what goes into the preheader, and outlives no loop that may be empty
    loops_.push_back({var, begin, depth_, preheader, header, {}});
    scoped([&] {
      bind(var, count);
      next = body(Values(phis.begin(), phis.end()));
    });
    Loop& self = loops_.back();
    for (Loop::Pointer& p : self.pointers) {
      Value* advance = ahead(self, [&] { return emit(pool.mul(p.coefficient, pool.index(step))); });
      p.phi->addIncoming(b.CreateGEP(p.element, p.phi, advance), b.GetInsertBlock());
    }
    loops_.pop_back();
  });
  llvm::BasicBlock* latch = b.GetInsertBlock();
  Value* following = b.CreateNSWAdd(count, code.index(step));
  count->addIncoming(following, latch);
  b.CreateCondBr(b.CreateICmpSLT(following, last), header, exit);
  for (size_t i = 0; i < phis.size(); ++i) phis[i]->addIncoming(next[i], latch);
  b.SetInsertPoint(exit);
  if (runs) return next;
  for (size_t i = 0; i < next.size(); ++i) {
    llvm::PHINode* result = b.CreatePHI(next[i]->getType(), 2);
    result->addIncoming(carried[i], before);
    result->addIncoming(next[i], latch);
    next[i] = result;
  }
  return next;
}

}  // namespace tenon::gen
