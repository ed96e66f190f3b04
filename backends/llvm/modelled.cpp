// Kernels for machines that are not there: after a kernel was emitted, every instruction that the machine at hand may lack
// becomes a call of its C model. Vectors are passed in memory, the result first, so no calling convention of wide
// vectors is involved.
#include <algorithm>

#include <llvm/IR/InstIterator.h>
#include <llvm/IR/IntrinsicInst.h>
#include <llvm/IR/IntrinsicsX86.h>
#include <llvm/Target/TargetMachine.h>

#include "lower.h"

namespace tenon::gen {

namespace {

class Models {
 public:
  explicit Models(Code& code) : code_(code), b_(code.b) {}

  void replace(llvm::IntrinsicInst* call) {
    b_.SetInsertPoint(call);
    Value* result = call->getIntrinsicID() == llvm::Intrinsic::fma ? fused(call) : modelled(call);
    if (result) call->replaceAllUsesWith(result);
    call->eraseFromParent();
  }

 private:
  Value* slot(llvm::Function* f, llvm::Type* type) {
    llvm::IRBuilderBase::InsertPointGuard back(b_);
    b_.SetInsertPoint(&f->getEntryBlock(), f->getEntryBlock().begin());
    auto* slot = b_.CreateAlloca(type);
    slot->setAlignment(llvm::Align(64));
    return slot;
  }

  Value* modelled(llvm::IntrinsicInst* call) {
    std::string name = call->getCalledFunction()->getName().str().substr(std::string_view("llvm.").size());
    std::ranges::replace(name, '.', '_');
    std::vector<Value*> arguments;
    Value* result = nullptr;
    if (!call->getType()->isVoidTy()) arguments.push_back(result = slot(call->getFunction(), call->getType()));
    for (Value* v : call->args()) {
      if (v->getType()->isVectorTy()) {
        Value* at = slot(call->getFunction(), v->getType());
        b_.CreateStore(v, at);
        v = at;
      } else if (v->getType()->isIntegerTy() && v->getType()->getIntegerBitWidth() < 32) {
        v = b_.CreateZExt(v, b_.getInt32Ty());
      }
      arguments.push_back(v);
    }
    std::vector<llvm::Type*> types;
    for (Value* v : arguments) types.push_back(v->getType());
    auto* type = llvm::FunctionType::get(b_.getVoidTy(), types, false);
    b_.CreateCall(code_.module.getOrInsertFunction("tn_isa_" + name, type), arguments);
    return result ? b_.CreateLoad(call->getType(), result) : nullptr;
  }

  Value* fused(llvm::IntrinsicInst* call) {
    llvm::Type* scalar = call->getType()->getScalarType();
    if (scalar->isHalfTy()) return fused_halves(call);
    auto model = code_.module.getOrInsertFunction(scalar->isFloatTy() ? "tn_isa_fma_f32" : "tn_isa_fma_f64",
                                                  llvm::FunctionType::get(scalar, {scalar, scalar, scalar}, false));
    auto lane = [&](auto pick) { return b_.CreateCall(model, {pick(0), pick(1), pick(2)}); };
    const unsigned w = width(call);
    if (w == 0) return lane([&](unsigned k) { return call->getArgOperand(k); });
    Value* v = llvm::PoisonValue::get(call->getType());
    for (unsigned i = 0; i < w; ++i)
      v = b_.CreateInsertElement(v, lane([&](unsigned k) { return b_.CreateExtractElement(call->getArgOperand(k), i); }), i);
    return v;
  }

  // Halves are passed as their bits: not every machine has them in registers.
  Value* fused_halves(llvm::IntrinsicInst* call) {
    llvm::Type *word = b_.getInt32Ty(), *bits = b_.getInt16Ty();
    auto model = code_.module.getOrInsertFunction("tn_isa_fma_f16", llvm::FunctionType::get(word, {word, word, word}, false));
    auto lane = [&](auto pick) {
      auto of = [&](unsigned k) { return b_.CreateZExt(pick(k), word); };
      return b_.CreateTrunc(b_.CreateCall(model, {of(0), of(1), of(2)}), bits);
    };
    Value* in[3];
    for (unsigned k = 0; k < 3; ++k) in[k] = b_.CreateBitCast(call->getArgOperand(k), like(call, bits));
    const unsigned w = width(call);
    if (w == 0) return b_.CreateBitCast(lane([&](unsigned k) { return in[k]; }), call->getType());
    Value* v = llvm::PoisonValue::get(like(call, bits));
    for (unsigned i = 0; i < w; ++i) v = b_.CreateInsertElement(v, lane([&](unsigned k) { return b_.CreateExtractElement(in[k], i); }), i);
    return b_.CreateBitCast(v, call->getType());
  }

  Code& code_;
  llvm::IRBuilder<>& b_;
};

}  // namespace

void use_models(Code& code, const llvm::TargetMachine& machine, const Target& target) {
  code.module.setTargetTriple(machine.getTargetTriple().str());
  code.module.setDataLayout(machine.createDataLayout());
  std::vector<llvm::IntrinsicInst*> calls;
  for (llvm::Function& f : code.module) {
    if (f.isDeclaration()) continue;
    for (const char* of_another : {"target-features", "prefer-vector-width", "min-legal-vector-width"}) f.removeFnAttr(of_another);
    f.addFnAttr("target-cpu", target.cpu);
    if (!target.features.empty()) f.addFnAttr("target-features", target.features);
    for (llvm::Instruction& i : llvm::instructions(f))
      if (auto* call = llvm::dyn_cast<llvm::IntrinsicInst>(&i)) {
        const llvm::Intrinsic::ID id = call->getIntrinsicID();
        if (id == llvm::Intrinsic::x86_sse_ldmxcsr || id == llvm::Intrinsic::x86_sse_stmxcsr) continue;  // of every x86-64
        const bool halves = call->getType()->getScalarType()->isHalfTy();
        const bool fma = id == llvm::Intrinsic::fma && (halves ? !target.half_fma() : !target.fuses());
        if (fma || call->getCalledFunction()->getName().starts_with("llvm.x86.")) calls.push_back(call);
      }
  }
  Models models(code);
  for (llvm::IntrinsicInst* call : calls) models.replace(call);
}

}  // namespace tenon::gen
