// Kernels: statements around tiles.
#include <algorithm>

#include <llvm/IR/IntrinsicsX86.h>

#include "emitter.h"
#include "lower.h"

namespace tenon::gen {

std::vector<Phase> phases(const Kernel& kernel) {
  std::vector<Phase> result;
  std::vector<const Stmt*> lets;
  bool open = false;
  for (const Stmt& s : kernel.body) {
    bool parallel = s.kind == StmtKind::For && s.parallel;
    if (s.kind == StmtKind::Let) lets.push_back(&s);
    if (s.kind == StmtKind::Let && !open) continue;
    if (parallel || !open) result.push_back({lets, parallel ? &s : nullptr});
    if (!parallel) result.back().body.push_back(&s);
    open = !parallel;
  }
  return result;
}

std::string phase_symbol(const Module& module, const Kernel& kernel, size_t phase) {
  std::string name = module.name + "__" + kernel.name;
  return phase == 0 ? name : name + "." + std::to_string(phase);
}

namespace {

// What of a kernel meets subnormals: docs/decisions/0013.
struct Subnormals {
  bool products = false, terms = false, exponentials = false;  // of f32, that are summed
  bool multiplies = false, matters = false;                    // element by element; something tells a subnormal from zero

  // As operands and as results; as results alone.
  bool all_zero() const { return products || (terms && exponentials); }  // the latter: softmax
  bool results_zero() const { return multiplies && !matters; }

  void look(const ExprPool& pool, const Stmt& s) {
    for (const auto* block : {&s.body, &s.otherwise})
      for (const Stmt& inner : *block) look(pool, inner);
    if (s.kind != StmtKind::Tile) return;
    for (const TileStore& store : s.stores) look(pool, store.value);
    for (const Accumulator& a : s.accumulators) {
      look(pool, a.update);
      if ((s.reduce.empty() && !s.lanes_reduce) || pool.type(a.update) != DType::F32 || pool.op(a.update) != SOp::Add) continue;
      terms = true;
      products |= std::ranges::any_of(pool.operands(a.update), [&](Expr term) { return pool.op(term) == SOp::Mul; });
    }
  }
  void look(const ExprPool& pool, Expr e) {
    auto any = [&](auto test) { return pool.any_part(e, [&](Expr part) { return test(pool.op(part), pool.type(part)); }); };
    exponentials |= any([](SOp op, DType type) { return op == SOp::Exp && type == DType::F32; });
    multiplies |= any([](SOp op, DType type) { return op == SOp::Mul && type == DType::F32; });
    matters |= any([](SOp op, DType type) { return (is_float(type) || type == DType::Bool) && !is_smooth(op); });
  }
  // From f32, an error of 2^-126 grows by no more than factors do.
  static bool is_smooth(SOp op) {
    switch (op) {
      case SOp::Const: case SOp::Var: case SOp::Load: case SOp::Add: case SOp::Sub: case SOp::Mul: case SOp::Fma: case SOp::Min: case SOp::Max:
      case SOp::Neg: case SOp::Abs: case SOp::Exp: case SOp::Tanh: case SOp::Erf: case SOp::Sigmoid: return true;
      default: return false;
    }
  }
};

class KernelEmitter {
 public:
  KernelEmitter(Code& code, const Module& module, const Kernel& kernel, const std::vector<bool>& aliased)
      : code_(code), b_(code.b), module_(module), kernel_(kernel), aliased_(aliased) {}

  void run() {
    code_.short_functions = kernel_.short_functions;
    std::vector<Phase> parts = phases(kernel_);
    for (size_t i = 0; i < parts.size(); ++i) phase(parts[i], phase_symbol(module_, kernel_, i));
  }

 private:
  void phase(const Phase& phase, const std::string& symbol) {
    std::vector<llvm::Type*> types;
    for (const LoopBuffer& buffer : kernel_.buffers)
      if (buffer.space == Space::Param) types.push_back(b_.getPtrTy());
    size_t params = types.size(), symbols = kernel_.symbols.size();
    types.insert(types.end(), symbols, b_.getInt64Ty());
    types.insert(types.end(), {b_.getPtrTy(), b_.getInt64Ty(), b_.getInt64Ty()});
    llvm::Function* f = code_.function(llvm::FunctionType::get(b_.getVoidTy(), types, false), symbol,
                                       llvm::GlobalValue::ExternalLinkage);
    // Totals of sums in parts are spilled: no slot may straddle two cache lines, which the ABI's alignment allows.
    constexpr int kAbiBytes = 16;
    if (code_.isa.x86 && code_.target.vector_bytes > kAbiBytes)
      f->addFnAttr(llvm::Attribute::getWithStackAlignment(code_.context, llvm::Align(static_cast<uint64_t>(code_.target.vector_bytes))));
    b_.SetInsertPoint(llvm::BasicBlock::Create(code_.context, "entry", f));

    ExprPool pool = kernel_.pool;
    Emitter::Values pointers;
    unsigned at = 0;
    for (const LoopBuffer& buffer : kernel_.buffers) {
      if (buffer.space != Space::Param) continue;
      f->getArg(at)->setName(buffer.name);
      if (!aliased_[at]) f->addParamAttr(at, llvm::Attribute::NoAlias);
      if (!buffer.written) f->addParamAttr(at, llvm::Attribute::ReadOnly);
      pointers.push_back(f->getArg(at++));
    }
    Emitter emitter(code_, pool, kernel_.buffers, pointers);
    for (size_t i = 0; i < symbols; ++i) emitter.bind(kernel_.symbols[i], f->getArg(static_cast<unsigned>(params + i)));
    place_scratch(emitter, f->getArg(static_cast<unsigned>(params + symbols)));

    emitter_ = &emitter;
    Subnormals met;
    for (const Stmt* s : phase.body) met.look(kernel_.pool, *s);
    if (phase.tasks) met.look(kernel_.pool, *phase.tasks);
    Value* state = code_.isa.x86 && (met.all_zero() || met.results_zero()) ? flush_subnormals(met.all_zero()) : nullptr;
    for (const Stmt* s : phase.body) statement(*s);
    if (phase.tasks) {
      auto bound = [&](const char* name, unsigned argument) {
        Expr var = pool.new_var({.name = name});
        emitter.bind(var, f->getArg(argument));
        return var;
      };
      auto last = static_cast<unsigned>(params + symbols);
      loop(phase.tasks->var, bound("first_task", last + 1), bound("end_task", last + 2), phase.tasks->body);
    }
    if (code_.tile_config) b_.CreateIntrinsic(llvm::Intrinsic::x86_tilerelease, {}, {});  // callers' threads stay clean
    code_.tile_config = code_.tile_sums = nullptr;
    if (state) b_.CreateIntrinsic(llvm::Intrinsic::x86_sse_ldmxcsr, {}, {state});
    b_.CreateRetVoid();
  }

  // Subnormal results of the kernel are zero from here on, and operands (docs/decisions/0013). Where the caller's floating-point
  // state is kept.
  Value* flush_subnormals(bool operands) {
    constexpr uint32_t kDenormalsAreZero = 0x40, kFlushToZero = 0x8000;
    Value *old = b_.CreateAlloca(b_.getInt32Ty(), nullptr, "caller_mxcsr"), *own = b_.CreateAlloca(b_.getInt32Ty(), nullptr, "mxcsr");
    b_.CreateIntrinsic(llvm::Intrinsic::x86_sse_stmxcsr, {}, {old});
    b_.CreateStore(b_.CreateOr(b_.CreateLoad(b_.getInt32Ty(), old), b_.getInt32(kFlushToZero | (operands ? kDenormalsAreZero : 0))), own);
    b_.CreateIntrinsic(llvm::Intrinsic::x86_sse_ldmxcsr, {}, {own});
    return old;
  }

  // Scratch buffers lie one after another, each at a multiple of 64 bytes.
  void place_scratch(Emitter& emitter, Value* scratch) {
    Expr offset = emitter.pool.index(0), line = emitter.pool.index(64);
    for (const LoopBuffer& buffer : kernel_.buffers) {
      if (buffer.space == Space::Param) continue;
      emitter.add_pointer(b_.CreateGEP(b_.getInt8Ty(), scratch, emitter.emit(offset), buffer.name));
      ExprPool& pool = emitter.pool;
      Expr bytes = pool.ceildiv(pool.mul(buffer.size, pool.index(bits(buffer.type))), pool.index(8));
      offset = pool.add(offset, pool.mul(pool.ceildiv(bytes, line), line));
    }
  }

  void body(const std::vector<Stmt>& statements) {
    for (const Stmt& s : statements) statement(s);
  }

  void statement(const Stmt& s) {
    Emitter& e = *emitter_;
    e.forget_loads();
    switch (s.kind) {
      case StmtKind::For: return loop(s.var, e.pool.index(0), s.extent, s.body);
      case StmtKind::Let: return e.bind(s.var, e.emit(s.value));
      case StmtKind::If: {
        Value* condition = e.emit(s.value);
        e.forget_loads();
        auto otherwise = [&] { body(s.otherwise); };
        e.if_else(condition, [&] { body(s.body); },
                  s.otherwise.empty() ? llvm::function_ref<void()>() : llvm::function_ref<void()>(otherwise));
        return;
      }
      case StmtKind::While: return loop_while(s);
      case StmtKind::Store: {
        const TileStore& store = s.stores[0];
        return e.store(store.buffer, store.offset, store.value, store.condition, nullptr);
      }
      case StmtKind::Tile: return emit_tile(e, s);
      case StmtKind::Call: return call(s);
    }
  }

  void loop(Expr var, Expr begin, Expr end, const std::vector<Stmt>& statements) {
    emitter_->loop(var, begin, end, 1, {}, [&](const Emitter::Values&) {
      body(statements);
      return Emitter::Values{};
    });
  }

  void loop_while(const Stmt& s) {
    Emitter& e = *emitter_;
    auto *test = e.block("while"), *run = e.block("do"), *done = e.block("done");
    b_.CreateBr(test);
    b_.SetInsertPoint(test);
    e.scoped([&] { b_.CreateCondBr(e.emit(s.value), run, done); });
    b_.SetInsertPoint(run);
    e.scoped([&] { body(s.body); });
    b_.CreateBr(test);
    b_.SetInsertPoint(done);
  }

  // C types of a routine: pointers, then int64_t for integers and indices, float and double as they are.
  void call(const Stmt& s) {
    std::vector<Value*> arguments;
    std::vector<llvm::Type*> types;
    for (BufferId buffer : s.buffers) arguments.push_back(emitter_->pointer(buffer));
    for (Expr scalar : s.scalars) {
      DType type = emitter_->pool.type(scalar);
      Value* v = emitter_->emit(scalar);
      arguments.push_back(is_float(type) ? v : emit_convert(code_, v, type, DType::I64, false));
    }
    for (Value* v : arguments) types.push_back(v->getType());
    auto* type = llvm::FunctionType::get(b_.getVoidTy(), types, false);
    b_.CreateCall(code_.module.getOrInsertFunction(s.routine, type), arguments);
  }

  Code& code_;
  llvm::IRBuilder<>& b_;
  const Module& module_;
  const Kernel& kernel_;
  const std::vector<bool>& aliased_;
  Emitter* emitter_ = nullptr;
};

}  // namespace

void emit_kernel(Code& code, const Module& module, KernelId kernel, const std::vector<bool>& aliased) {
  KernelEmitter(code, module, module.kernels[kernel], aliased).run();
}

}  // namespace tenon::gen
