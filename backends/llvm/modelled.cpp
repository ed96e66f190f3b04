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

// Arithmetic of f16 and conversions from and to it, which become library calls on machines that have none of it.
bool is_of_halves(const llvm::Instruction& i) {
  switch (i.getOpcode()) {
    case llvm::Instruction::FAdd:
    case llvm::Instruction::FPTrunc: return i.getType()->getScalarType()->isHalfTy();
    case llvm::Instruction::FPExt: return i.getOperand(0)->getType()->getScalarType()->isHalfTy();
    default: return false;
  }
}

class Models {
 public:
  explicit Models(Code& code) : code_(code), b_(code.b) {}

  void replace(llvm::Instruction* i) {
    b_.SetInsertPoint(i);
    auto* call = llvm::dyn_cast<llvm::IntrinsicInst>(i);
    Value* result = !call ? of_halves(i) : call->getIntrinsicID() == llvm::Intrinsic::fma ? fused(call) : modelled(call);
    if (result) i->replaceAllUsesWith(result);
    i->eraseFromParent();
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
    if (scalar->isHalfTy()) return by_bits(call, "tn_isa_fma_f16", {call->getArgOperand(0), call->getArgOperand(1), call->getArgOperand(2)});
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

  Value* of_halves(llvm::Instruction* i) {
    if (i->getOpcode() == llvm::Instruction::FPExt) return by_bits(i, "tn_isa_f32_of_f16", {i->getOperand(0)});
    if (i->getOpcode() == llvm::Instruction::FPTrunc) return by_bits(i, "tn_isa_f16_of_f32", {i->getOperand(0)});
    return by_bits(i, "tn_isa_fma_f16", {i->getOperand(0), llvm::ConstantFP::get(i->getType(), 1.0), i->getOperand(1)});
  }

  // Lane by lane, numbers passed as their bits: not every machine has halves in registers.
  Value* by_bits(llvm::Instruction* i, const char* name, const std::vector<Value*>& operands) {
    llvm::Type* word = b_.getInt32Ty();
    auto bits = [&](llvm::Type* type) { return b_.getIntNTy(type->getScalarSizeInBits()); };
    auto model = code_.module.getOrInsertFunction(name, llvm::FunctionType::get(word, std::vector<llvm::Type*>(operands.size(), word), false));
    std::vector<Value*> in;
    for (Value* v : operands) in.push_back(b_.CreateBitCast(v, like(v, bits(v->getType()))));
    auto lane = [&](auto pick) {
      std::vector<Value*> words;
      for (Value* v : in) words.push_back(b_.CreateZExt(pick(v), word));
      return b_.CreateTrunc(b_.CreateCall(model, words), bits(i->getType()));
    };
    const unsigned w = width(i);
    if (w == 0) return b_.CreateBitCast(lane([](Value* v) { return v; }), i->getType());
    Value* v = llvm::PoisonValue::get(like(i, bits(i->getType())));
    for (unsigned k = 0; k < w; ++k) v = b_.CreateInsertElement(v, lane([&](Value* from) { return b_.CreateExtractElement(from, k); }), k);
    return b_.CreateBitCast(v, i->getType());
  }

  Code& code_;
  llvm::IRBuilder<>& b_;
};

}  // namespace

void use_models(Code& code, const llvm::TargetMachine& machine, const Target& target) {
  code.module.setTargetTriple(machine.getTargetTriple().str());
  code.module.setDataLayout(machine.createDataLayout());
  std::vector<llvm::Instruction*> lacking;
  for (llvm::Function& f : code.module) {
    if (f.isDeclaration()) continue;
    for (const char* of_another : {"target-features", "prefer-vector-width", "min-legal-vector-width"}) f.removeFnAttr(of_another);
    f.addFnAttr("target-cpu", target.cpu);
    if (!target.features.empty()) f.addFnAttr("target-features", target.features);
    for (llvm::Instruction& i : llvm::instructions(f)) {
      if (!target.widens_halves() && is_of_halves(i)) lacking.push_back(&i);
      if (auto* call = llvm::dyn_cast<llvm::IntrinsicInst>(&i)) {
        const llvm::Intrinsic::ID id = call->getIntrinsicID();
        if (id == llvm::Intrinsic::x86_sse_ldmxcsr || id == llvm::Intrinsic::x86_sse_stmxcsr) continue;  // of every x86-64
        const bool halves = call->getType()->getScalarType()->isHalfTy();
        const bool fma = id == llvm::Intrinsic::fma && (halves ? !target.half_fma() : !target.fuses());
        if (fma || call->getCalledFunction()->getName().starts_with("llvm.x86.")) lacking.push_back(call);
      }
    }
  }
  Models models(code);
  for (llvm::Instruction* i : lacking) models.replace(i);
}

}  // namespace tenon::gen
