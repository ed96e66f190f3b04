// The host program: NAME_host and the functions that say how much memory it needs. See tenon_abi.h.
#include "emitter.h"
#include "lower.h"

namespace tenon::gen {

namespace {

template <class Visit>
void for_each_call(const std::vector<HostStmt>& statements, const Visit& visit) {
  for (const HostStmt& s : statements) {
    if (s.kind == HostStmt::Kind::Call) visit(s);
    for_each_call(s.body, visit);
    for_each_call(s.otherwise, visit);
  }
}

// Members of tn_call and tn_env, in order.
enum CallField : unsigned { Inputs, Outputs, Weights, Workspace, Symbols, Env };
enum EnvField : unsigned { Size, Width, User, ParallelFor, Event };

class HostEmitter {
 public:
  HostEmitter(Code& code, const Module& module)
      : code_(code), b_(code.b), module_(module), pool_(module.pool),
        call_type_(llvm::StructType::get(code.context, std::vector<llvm::Type*>(6, b_.getPtrTy()))),
        env_type_(llvm::StructType::get(b_.getInt32Ty(), b_.getInt32Ty(), b_.getPtrTy(), b_.getPtrTy(), b_.getPtrTy())) {
    for (const HostBuffer& buffer : module.buffers) buffers_.push({.name = buffer.name, .type = buffer.type});
  }

  void run() {
    host();
    bytes("_workspace_bytes", module_.workspace_bytes);
    bytes("_scratch_bytes", module_.scratch_bytes);
    shapes();
  }

 private:
  llvm::Function* begin(const std::string& suffix, llvm::Type* result, std::vector<llvm::Type*> arguments) {
    auto* f = code_.function(llvm::FunctionType::get(result, arguments, false), module_.name + suffix,
                             llvm::GlobalValue::ExternalLinkage);
    b_.SetInsertPoint(llvm::BasicBlock::Create(code_.context, "entry", f));
    return f;
  }

  void bind_symbols(Emitter& emitter, Value* values) {
    for (size_t i = 0; i < module_.symbols.size(); ++i)
      emitter.bind(module_.symbols[i], b_.CreateLoad(b_.getInt64Ty(), b_.CreateConstGEP1_64(b_.getInt64Ty(), values, i),
                                                     pool_.var(module_.symbols[i]).name));
  }

  Value* field(llvm::StructType* type, Value* object, unsigned index) {
    return b_.CreateLoad(type->getElementType(index), b_.CreateStructGEP(type, object, index));
  }

  void bytes(const std::string& suffix, Expr value) {
    llvm::Function* f = begin(suffix, b_.getInt64Ty(), {b_.getPtrTy()});
    Emitter emitter(code_, pool_, buffers_, {});
    bind_symbols(emitter, f->getArg(0));
    Value* size = value.valid() ? emitter.emit(value) : code_.index(0);
    if (module_.requirement.valid())
      size = b_.CreateSelect(emitter.emit(module_.requirement), size, code_.index(-1));
    b_.CreateRet(size);
  }

  void shapes() {
    llvm::Function* f = begin("_shapes", b_.getVoidTy(), {b_.getPtrTy(), b_.getPtrTy()});
    Emitter emitter(code_, pool_, buffers_, {});
    bind_symbols(emitter, f->getArg(0));
    uint64_t at = 0;
    for (const auto* ports : {&module_.inputs, &module_.outputs})
      for (const Port& port : *ports)
        for (Expr dim : port.dims)
          b_.CreateStore(emitter.emit(dim), b_.CreateConstGEP1_64(b_.getInt64Ty(), f->getArg(1), at++));
    b_.CreateRetVoid();
  }

  void host() {
    llvm::Function* f = begin("_host", b_.getInt32Ty(), {b_.getPtrTy()});
    Value* call = call_ = f->getArg(0);
    env_ = field(call_type_, call, Env);
    has_env_ = b_.CreateIsNotNull(env_);
    Value *inputs = field(call_type_, call, Inputs), *outputs = field(call_type_, call, Outputs);
    Value *weights = field(call_type_, call, Weights), *workspace = field(call_type_, call, Workspace);
    Emitter emitter(code_, pool_, buffers_, {});
    bind_symbols(emitter, field(call_type_, call, Symbols));
    for (const HostBuffer& buffer : module_.buffers) {
      auto argument = [&](Value* list) {
        return b_.CreateLoad(b_.getPtrTy(), b_.CreateConstGEP1_64(b_.getPtrTy(), list, static_cast<uint64_t>(buffer.index)), buffer.name);
      };
      auto inside = [&](Value* base, Value* offset) { return b_.CreateGEP(b_.getInt8Ty(), base, offset, buffer.name); };
      switch (buffer.kind) {
        case HostBufferKind::Input: emitter.add_pointer(argument(inputs)); break;
        case HostBufferKind::Output: emitter.add_pointer(argument(outputs)); break;
        case HostBufferKind::Constant:
          emitter.add_pointer(inside(weights, code_.index(module_.constants[static_cast<size_t>(buffer.index)].offset)));
          break;
        case HostBufferKind::Part: emitter.add_pointer(inside(emitter.pointer(buffer.whole), emitter.emit(buffer.offset))); break;
        case HostBufferKind::Workspace:
          emitter.add_pointer(inside(workspace, buffer.offset.valid() ? emitter.emit(buffer.offset) : code_.index(0)));
          break;
      }
    }
    emitter_ = &emitter;
    auto size = [&](Expr e) { return e.valid() ? emitter.emit(e) : code_.index(0); };
    scratch_ = b_.CreateGEP(b_.getInt8Ty(), workspace, size(module_.workspace_bytes), "scratch");
    scratch_bytes_ = size(module_.scratch_bytes);
    body(module_.host);
    b_.CreateRet(b_.getInt32(0));
  }

  void body(const std::vector<HostStmt>& statements) {
    for (const HostStmt& s : statements) statement(s);
  }

  void statement(const HostStmt& s) {
    Emitter& e = *emitter_;
    e.forget_loads();
    switch (s.kind) {
      case HostStmt::Kind::Call: return call(s);
      case HostStmt::Kind::Copy: return copy(s);
      case HostStmt::Kind::Let: return e.bind(s.var, e.emit(s.value));
      case HostStmt::Kind::If: {
        Value* condition = e.emit(s.value);
        e.forget_loads();
        e.if_else(condition, [&] { body(s.body); }, [&] { body(s.otherwise); });
        return;
      }
      case HostStmt::Kind::While: {
        auto *test = e.block("while"), *run = e.block("do"), *done = e.block("done");
        b_.CreateBr(test);
        b_.SetInsertPoint(test);
        e.scoped([&] { b_.CreateCondBr(e.emit(s.value), run, done); });
        b_.SetInsertPoint(run);
        e.scoped([&] { body(s.body); });
        b_.CreateBr(test);
        b_.SetInsertPoint(done);
        return;
      }
    }
  }

  void copy(const HostStmt& s) {
    BufferId to = s.buffers[0], from = s.buffers[1];
    Value* count = emitter_->emit(module_.buffers[from].bytes);
    b_.CreateCall(copy_function(), {emitter_->pointer(to), emitter_->pointer(from), count});
  }

  // Bytes, forwards, 64 at a time: there is no memcpy to call.
  llvm::Function* copy_function() {
    if (llvm::Function* known = code_.module.getFunction("copy")) return known;
    llvm::IRBuilderBase::InsertPointGuard back(b_);
    auto* f = code_.function(llvm::FunctionType::get(b_.getVoidTy(), {b_.getPtrTy(), b_.getPtrTy(), b_.getInt64Ty()}, false),
                             "copy", llvm::GlobalValue::InternalLinkage);
    b_.SetInsertPoint(llvm::BasicBlock::Create(code_.context, "entry", f));
    ExprPool pool;
    Emitter emitter(code_, pool, buffers_, {});
    Expr count = pool.symbol("count"), at = pool.new_var({.name = "at"});
    emitter.bind(count, f->getArg(2));
    auto move = [&](llvm::Type* type) {
      return [&, type](const Emitter::Values&) {
        Value* i = emitter.emit(at);
        Value* v = b_.CreateAlignedLoad(type, b_.CreateGEP(b_.getInt8Ty(), f->getArg(1), i), llvm::Align(1));
        b_.CreateAlignedStore(v, b_.CreateGEP(b_.getInt8Ty(), f->getArg(0), i), llvm::Align(1));
        return Emitter::Values{};
      };
    };
    Expr whole = pool.mul(pool.floordiv(count, pool.index(64)), pool.index(64));
    emitter.loop(at, pool.index(0), whole, 64, {}, move(llvm::FixedVectorType::get(b_.getInt8Ty(), 64)));
    emitter.loop(at, whole, count, 1, {}, move(b_.getInt8Ty()));
    b_.CreateRetVoid();
    return f;
  }

  void event(uint32_t call, bool end) {
    auto* listening = emitter_->block("event");
    auto *report = emitter_->block("report"), *done = emitter_->block("reported");
    b_.CreateCondBr(has_env_, listening, done);
    b_.SetInsertPoint(listening);
    Value* hook = field(env_type_, env_, Event);
    b_.CreateCondBr(b_.CreateIsNotNull(hook), report, done);
    b_.SetInsertPoint(report);
    auto* type = llvm::FunctionType::get(b_.getVoidTy(), {b_.getPtrTy(), b_.getInt32Ty(), b_.getInt32Ty()}, false);
    b_.CreateCall(type, hook, {field(env_type_, env_, User), b_.getInt32(call), b_.getInt32(end)});
    b_.CreateBr(done);
    b_.SetInsertPoint(done);
  }

  void call(const HostStmt& s) {
    const Kernel& kernel = module_.kernels[s.kernel];
    uint32_t number = calls_++;
    std::vector<Value*> arguments;
    for (BufferId buffer : s.buffers) arguments.push_back(emitter_->pointer(buffer));
    for (Expr symbol : s.symbols) arguments.push_back(emitter_->emit(symbol));
    event(number, false);
    if (calls_library(kernel)) {
      library(kernel, arguments);
      return event(number, true);
    }
    std::vector<Phase> parts = phases(kernel);
    for (size_t i = 0; i < parts.size(); ++i) run_phase(kernel, parts[i], phase_symbol(module_, kernel, i), arguments);
    event(number, true);
  }

  // int32_t tn_onednn_run(call, site, operands), of backends/runtime/onednn: what is not 0 ends the run.
  void library(const Kernel& kernel, const std::vector<Value*>& arguments) {
    auto* list = stack_slot(llvm::StructType::get(code_.context, std::vector<llvm::Type*>(kernel.body[0].buffers.size(), b_.getPtrTy())));
    uint64_t at = 0;
    for (BufferId buffer : kernel.body[0].buffers)
      b_.CreateStore(arguments[static_cast<size_t>(buffer.index)], b_.CreateConstGEP1_64(b_.getPtrTy(), list, at++));
    const char* name = "tn_onednn_run";
    llvm::Function* run = code_.module.getFunction(name);
    if (!run)
      run = code_.function(llvm::FunctionType::get(b_.getInt32Ty(), {b_.getPtrTy(), b_.getInt32Ty(), b_.getPtrTy()}, false), name,
                           llvm::GlobalValue::ExternalLinkage);
    Value* status = b_.CreateCall(run, {call_, b_.getInt32(sites_++), list});
    auto *failed = emitter_->block("failed"), *done = emitter_->block("ok");
    b_.CreateCondBr(b_.CreateICmpEQ(status, b_.getInt32(0)), done, failed);
    b_.SetInsertPoint(failed);
    b_.CreateRet(status);
    b_.SetInsertPoint(done);
  }

  void run_phase(const Kernel& kernel, const Phase& phase, const std::string& symbol, const std::vector<Value*>& arguments) {
    llvm::Function* f = declare(symbol, arguments);
    Value* count = phase.tasks ? task_count(kernel, phase.tasks->extent, arguments) : code_.index(1);
    auto serial = [&] {
      std::vector<Value*> all = arguments;
      all.insert(all.end(), {scratch_, code_.index(0), count});
      b_.CreateCall(f, all);
    };
    if (!phase.tasks || llvm::isa<llvm::ConstantInt>(count)) {
      if (!phase.tasks || llvm::cast<llvm::ConstantInt>(count)->getSExtValue() <= 1) return serial();
    }
    auto *ask = emitter_->block("ask"), *fork = emitter_->block("fork"), *alone = emitter_->block("alone"), *done = emitter_->block("done");
    b_.CreateCondBr(b_.CreateAnd(has_env_, b_.CreateICmpSGT(count, code_.index(1))), ask, alone);
    b_.SetInsertPoint(ask);
    Value* parallel_for = field(env_type_, env_, ParallelFor);
    b_.CreateCondBr(b_.CreateIsNotNull(parallel_for), fork, alone);
    b_.SetInsertPoint(fork);
    std::vector<Value*> shared = arguments;
    shared.insert(shared.end(), {scratch_, scratch_bytes_});
    llvm::StructType* frame = frame_type(shared);
    Value* context = stack_slot(frame);
    for (unsigned i = 0; i < shared.size(); ++i) b_.CreateStore(shared[i], b_.CreateStructGEP(frame, context, i));
    auto* type = llvm::FunctionType::get(b_.getVoidTy(), {b_.getPtrTy(), b_.getPtrTy(), b_.getPtrTy(), b_.getInt64Ty()}, false);
    b_.CreateCall(type, parallel_for, {field(env_type_, env_, User), thunk(f, frame), context, count});
    b_.CreateBr(done);
    b_.SetInsertPoint(alone);
    serial();
    b_.CreateBr(done);
    b_.SetInsertPoint(done);
  }

  llvm::Function* declare(const std::string& symbol, const std::vector<Value*>& arguments) {
    if (llvm::Function* known = code_.module.getFunction(symbol)) return known;
    std::vector<llvm::Type*> types;
    for (Value* v : arguments) types.push_back(v->getType());
    types.insert(types.end(), {b_.getPtrTy(), b_.getInt64Ty(), b_.getInt64Ty()});
    return code_.function(llvm::FunctionType::get(b_.getVoidTy(), types, false), symbol, llvm::GlobalValue::ExternalLinkage);
  }

  // The extent is an expression of the kernel's own pool, over its symbols.
  Value* task_count(const Kernel& kernel, Expr extent, const std::vector<Value*>& arguments) {
    ExprPool pool = kernel.pool;
    Emitter emitter(code_, pool, kernel.buffers, {});
    for (size_t i = 0; i < kernel.symbols.size(); ++i)
      emitter.bind(kernel.symbols[i], arguments[arguments.size() - kernel.symbols.size() + i]);
    return emitter.emit(extent);
  }

  llvm::StructType* frame_type(const std::vector<Value*>& values) {
    std::vector<llvm::Type*> types;
    for (Value* v : values) types.push_back(v->getType());
    return llvm::StructType::get(code_.context, types);
  }

  // One per shape of frame: calls follow one another.
  Value* stack_slot(llvm::StructType* type) {
    Value*& slot = slots_[type];
    if (!slot) {
      llvm::BasicBlock& entry = b_.GetInsertBlock()->getParent()->getEntryBlock();
      slot = llvm::IRBuilder<>(&entry, entry.begin()).CreateAlloca(type);
    }
    return slot;
  }

  // void thunk(frame, task, worker)
  llvm::Function* thunk(llvm::Function* kernel, llvm::StructType* frame) {
    std::string name = (kernel->getName() + ".task").str();
    if (llvm::Function* known = code_.module.getFunction(name)) return known;
    llvm::IRBuilderBase::InsertPointGuard back(b_);
    auto* f = code_.function(llvm::FunctionType::get(b_.getVoidTy(), {b_.getPtrTy(), b_.getInt64Ty(), b_.getInt32Ty()}, false),
                             name, llvm::GlobalValue::InternalLinkage);
    b_.SetInsertPoint(llvm::BasicBlock::Create(code_.context, "entry", f));
    std::vector<Value*> arguments;
    for (unsigned i = 0; i < frame->getNumElements(); ++i) arguments.push_back(field(frame, f->getArg(0), i));
    Value* bytes = arguments.back();
    arguments.pop_back();
    Value* worker = b_.CreateZExt(f->getArg(2), b_.getInt64Ty());
    arguments.back() = b_.CreateGEP(b_.getInt8Ty(), arguments.back(), b_.CreateMul(worker, bytes));
    Value* task = f->getArg(1);
    arguments.insert(arguments.end(), {task, b_.CreateAdd(task, code_.index(1))});
    b_.CreateCall(kernel, arguments);
    b_.CreateRetVoid();
    return f;
  }

  Code& code_;
  llvm::IRBuilder<>& b_;
  const Module& module_;
  ExprPool pool_;
  llvm::StructType *call_type_, *env_type_;
  Store<BufferId, LoopBuffer> buffers_;
  Emitter* emitter_ = nullptr;
  Value *call_ = nullptr, *env_ = nullptr, *has_env_ = nullptr, *scratch_ = nullptr, *scratch_bytes_ = nullptr;
  std::unordered_map<llvm::StructType*, Value*> slots_;
  uint32_t calls_ = 0, sites_ = 0;
};

}  // namespace

Store<KernelId, std::vector<bool>> aliased_params(const Module& module) {
  Store<KernelId, std::vector<bool>> result;
  for (const Kernel& kernel : module.kernels) result.push(std::vector<bool>(kernel.buffers.size()));
  auto same = [&](BufferId x, BufferId y) {
    const HostBuffer &a = module.buffers[x], &b = module.buffers[y];
    bool workspace = a.kind == HostBufferKind::Workspace && b.kind == HostBufferKind::Workspace;
    return x == y || (workspace && a.offset == b.offset);
  };
  for_each_call(module.host, [&](const HostStmt& s) {
    for (size_t i = 0; i < s.buffers.size(); ++i)
      for (size_t j = 0; j < i; ++j)
        if (same(s.buffers[i], s.buffers[j])) result[s.kernel][i] = result[s.kernel][j] = true;
  });
  return result;
}

void emit_host(Code& code, const Module& module) { HostEmitter(code, module).run(); }

}  // namespace tenon::gen
