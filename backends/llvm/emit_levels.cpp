// The functions that lead to one of several levels' code; backends/runtime/dispatch/levels.h.
#include "lower.h"

namespace tenon::gen {

namespace {

class LevelEmitter {
 public:
  LevelEmitter(Code& code, const std::string& name, std::span<const std::string> levels)
      : code_(code), b_(code.b), name_(name), levels_(levels) {}

  void run() {
    lead("_host", b_.getInt32Ty());
    lead("_workspace_bytes", b_.getInt64Ty());
    lead("_scratch_bytes", b_.getInt64Ty());
    shapes();
  }

 private:
  llvm::Function* of_level(size_t level, const char* suffix, llvm::FunctionType* type) {
    return code_.function(type, levels_[level] + suffix, llvm::GlobalValue::ExternalLinkage);
  }
  llvm::Function* begin(const std::string& symbol, llvm::FunctionType* type) {
    auto* f = code_.function(type, symbol, llvm::GlobalValue::ExternalLinkage);
    b_.SetInsertPoint(llvm::BasicBlock::Create(code_.context, "entry", f));
    return f;
  }

  // result NAME_level_SUFFIX(level, pointer). A table of addresses would need relocations.
  void lead(const char* suffix, llvm::Type* result) {
    auto* type = llvm::FunctionType::get(result, {b_.getPtrTy()}, false);
    llvm::Function* f = begin(name_ + "_level" + suffix, llvm::FunctionType::get(result, {b_.getInt32Ty(), b_.getPtrTy()}, false));
    f->addFnAttr("no-jump-tables", "true");
    auto* none = llvm::BasicBlock::Create(code_.context, "none", f);
    auto* choice = b_.CreateSwitch(f->getArg(0), none, static_cast<unsigned>(levels_.size()));
    for (size_t level = 0; level < levels_.size(); ++level) {
      auto* block = llvm::BasicBlock::Create(code_.context, levels_[level], f, none);
      choice->addCase(b_.getInt32(static_cast<uint32_t>(level)), block);
      b_.SetInsertPoint(block);
      auto* call = b_.CreateCall(of_level(level, suffix, type), {f->getArg(1)});
      call->setTailCall();
      b_.CreateRet(call);
    }
    b_.SetInsertPoint(none);
    b_.CreateUnreachable();
  }

  // The same whichever runs.
  void shapes() {
    auto* type = llvm::FunctionType::get(b_.getVoidTy(), {b_.getPtrTy(), b_.getPtrTy()}, false);
    llvm::Function* f = begin(name_ + "_shapes", type);
    b_.CreateCall(of_level(0, "_shapes", type), {f->getArg(0), f->getArg(1)})->setTailCall();
    b_.CreateRetVoid();
  }

  Code& code_;
  llvm::IRBuilder<>& b_;
  const std::string& name_;
  std::span<const std::string> levels_;
};

}  // namespace

void emit_levels(Code& code, const std::string& name, std::span<const std::string> levels) {
  LevelEmitter(code, name, levels).run();
}

}  // namespace tenon::gen
