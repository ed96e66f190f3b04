#include "code.h"

#include <algorithm>

#include <llvm/MC/MCSubtargetInfo.h>
#include <llvm/Target/TargetMachine.h>

namespace tenon::gen {

namespace {

constexpr uint64_t kZeroBytes = 1024;  // the widest load under one condition

Isa isa_of(const llvm::TargetMachine& machine, const Target& target) {
  const llvm::MCSubtargetInfo& features = *machine.getMCSubtargetInfo();
  auto has = [&](const char* name) { return features.checkFeatures(name); };
  Isa isa;
  isa.fma = target.fuses();
  switch (machine.getTargetTriple().getArch()) {
    case llvm::Triple::x86_64:
      isa.x86 = true;
      isa.f16_convert = has("+f16c");
      isa.avx512 = has("+avx512f");
      isa.picks_of_eight = has("+avx2") && !isa.avx512;
      isa.byte_tables = has("+avx512vbmi") && target.vector_bytes == 64;
      break;
    case llvm::Triple::aarch64:
      isa.arm64 = isa.f16_convert = true;
      break;
    case llvm::Triple::riscv64:
      isa.riscv = true;
      isa.f16_convert = has("+zfhmin") && has("+zvfhmin");
      break;
    default: break;
  }
  return isa;
}

}  // namespace

Code::Code(const std::string& name, const Target& target_, const llvm::TargetMachine& machine, Steps steps_)
    : module(name, context), b(context), target(target_), steps(steps_), isa(isa_of(machine, target_)) {
  module.setTargetTriple(machine.getTargetTriple().str());
  module.setDataLayout(machine.createDataLayout());
  module.setSourceFileName("");
}

llvm::Type* Code::value_type(DType type) {
  switch (type) {
    case DType::F32: return b.getFloatTy();
    case DType::F64: return b.getDoubleTy();
    case DType::Bool: return b.getInt1Ty();
    default: return b.getIntNTy(static_cast<unsigned>(std::max(bits(type), 8)));
  }
}

llvm::Type* Code::memory_type(DType type) { return type == DType::Bool ? b.getInt8Ty() : value_type(type); }

llvm::Function* Code::function(llvm::FunctionType* type, const std::string& name,
                               llvm::GlobalValue::LinkageTypes linkage) {
  llvm::Function* f = llvm::Function::Create(type, linkage, name, module);
  if (!f->hasLocalLinkage()) f->setVisibility(llvm::GlobalValue::HiddenVisibility);
  f->setDSOLocal(true);
  f->addFnAttr(llvm::Attribute::NoUnwind);
  f->addFnAttr("no-builtins");  // loops stay loops: there is no libc to call
  f->addFnAttr("target-cpu", target.cpu);
  if (!target.features.empty()) f->addFnAttr("target-features", target.features);
  f->addFnAttr("prefer-vector-width", std::to_string(target.vector_bytes * 8));
  f->addFnAttr("min-legal-vector-width", std::to_string(target.vector_bytes * 8));
  return f;
}

llvm::Constant* Code::zeros() {
  auto* type = llvm::ArrayType::get(b.getInt8Ty(), kZeroBytes);
  if (auto* found = module.getGlobalVariable("zeros", true)) return found;
  auto* global = new llvm::GlobalVariable(module, type, true, llvm::GlobalValue::PrivateLinkage,
                                          llvm::ConstantAggregateZero::get(type), "zeros");
  global->setAlignment(llvm::Align(64));
  return global;
}

}  // namespace tenon::gen
