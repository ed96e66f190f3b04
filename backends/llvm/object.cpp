// LLVM modules -> objects: one per kernel and one for the host program, each in a context of its own, in
// parallel. The vectors are explicit, so the passes only clean up.
#include <atomic>
#include <thread>

#include <llvm/Analysis/TargetTransformInfo.h>
#include <llvm/Bitcode/BitcodeReader.h>
#include <llvm/IR/LegacyPassManager.h>
#include <llvm/IR/Verifier.h>
#include <llvm/Linker/Linker.h>
#include <llvm/MC/TargetRegistry.h>
#include <llvm/Object/ObjectFile.h>
#include <llvm/Support/TargetSelect.h>
#include <llvm/Target/TargetMachine.h>
#include <llvm/Transforms/IPO.h>
#include <llvm/Transforms/InstCombine/InstCombine.h>
#include <llvm/Transforms/Scalar.h>
#include <llvm/Transforms/Utils/Cloning.h>

#include "lower.h"
#include "tenon/backend.h"

namespace tenon {

namespace {

std::unexpected<Diags> broken(const std::string& name, const std::string& what) {
  return fail(Code::E0404, name + ": " + what);
}

Result<std::unique_ptr<llvm::TargetMachine>> make_machine(const Target& target, int level) {
  static std::once_flag once;
  std::call_once(once, [] {
    llvm::InitializeAllTargetInfos();
    llvm::InitializeAllTargets();
    llvm::InitializeAllTargetMCs();
    llvm::InitializeAllAsmPrinters();
    llvm::InitializeAllAsmParsers();
  });
  std::string error;
  const llvm::Target* found = llvm::TargetRegistry::lookupTarget(target.triple, error);
  if (!found) return fail(Code::E0404, "LLVM has no backend for " + target.triple + ": " + error);
  llvm::TargetOptions options;
  options.MCOptions.ABIName = target.abi;
  options.FunctionSections = options.DataSections = true;
  constexpr llvm::CodeGenOptLevel levels[] = {llvm::CodeGenOptLevel::Less, llvm::CodeGenOptLevel::Less,
                                              llvm::CodeGenOptLevel::Default, llvm::CodeGenOptLevel::Aggressive};
  std::unique_ptr<llvm::TargetMachine> machine(found->createTargetMachine(
      target.triple, target.cpu, target.features, options, llvm::Reloc::PIC_,
      target.freestanding ? std::optional<llvm::CodeModel::Model>() : llvm::CodeModel::Small,
      levels[std::clamp(level, 0, 3)]));
  return machine;
}

struct Compiled {
  std::vector<char> object;
  std::string llvm, assembly;
};

Result<std::vector<char>> write(llvm::Module& module, llvm::TargetMachine& machine, llvm::CodeGenFileType type) {
  llvm::SmallVector<char, 0> bytes;
  llvm::raw_svector_ostream stream(bytes);
  llvm::legacy::PassManager passes;
  passes.add(llvm::createTargetTransformInfoWrapperPass(machine.getTargetIRAnalysis()));
  if (machine.addPassesToEmitFile(passes, stream, nullptr, type))
    return broken(module.getName().str(), "the target has no object files");
  passes.run(module);
  return std::vector<char>(bytes.begin(), bytes.end());
}

void clean_up(llvm::Module& module, llvm::TargetMachine& machine) {
  llvm::legacy::PassManager passes;
  passes.add(llvm::createTargetTransformInfoWrapperPass(machine.getTargetIRAnalysis()));
  passes.add(llvm::createSROAPass());
  passes.add(llvm::createEarlyCSEPass());
  passes.add(llvm::createInstructionCombiningPass());
  passes.add(llvm::createCFGSimplificationPass());
  passes.add(llvm::createLICMPass());
  passes.add(llvm::createEarlyCSEPass(true));
  passes.add(llvm::createInstructionCombiningPass());
  passes.run(module);
}

// Whatever is called and is not ours would have to come from a library that the artifact does not have.
Result<void> check_closed(const std::string& name, const std::vector<char>& object, const llvm::Module& module) {
  auto file = llvm::object::ObjectFile::createObjectFile(
      llvm::MemoryBufferRef(llvm::StringRef(object.data(), object.size()), name));
  if (!file) return broken(name, llvm::toString(file.takeError()));
  for (const llvm::object::SymbolRef& symbol : (*file)->symbols()) {
    auto flags = symbol.getFlags();
    if (!flags || !(*flags & llvm::object::SymbolRef::SF_Undefined)) continue;
    auto symbol_name = symbol.getName();
    if (!symbol_name || symbol_name->empty()) continue;
    const llvm::GlobalValue* declared = module.getNamedValue(*symbol_name);
    if (!declared || !declared->hasHiddenVisibility()) return broken(name, "calls " + symbol_name->str() + ", which no artifact has");
  }
  return {};
}

Result<Compiled> finish(gen::Code& code, llvm::TargetMachine& machine, const CodeOptions& options, const std::string& name) {
  std::string errors;
  llvm::raw_string_ostream stream(errors);
  if (llvm::verifyModule(code.module, &stream)) return broken(name, errors);
  clean_up(code.module, machine);
  Compiled result;
  if (options.keep_llvm) {
    llvm::raw_string_ostream text(result.llvm);
    code.module.print(text, nullptr);
  }
  if (options.keep_assembly) {
    auto copy = llvm::CloneModule(code.module);
    TENON_TRY(auto text, write(*copy, machine, llvm::CodeGenFileType::AssemblyFile));
    result.assembly.assign(text.begin(), text.end());
  }
  TENON_TRY(result.object, write(code.module, machine, llvm::CodeGenFileType::ObjectFile));
  TENON_DO(check_closed(name, result.object, code.module));
  return result;
}

Result<std::unique_ptr<llvm::Module>> read_bitcode(std::string_view bitcode, llvm::LLVMContext& context, const gen::Code& code) {
  auto module = llvm::parseBitcodeFile(llvm::MemoryBufferRef(llvm::StringRef(bitcode.data(), bitcode.size()), "runtime"), context);
  if (!module) return broken("runtime", llvm::toString(module.takeError()));
  (*module)->setTargetTriple(code.module.getTargetTriple());
  (*module)->setDataLayout(code.module.getDataLayout());
  for (llvm::Function& f : **module) {
    if (f.isDeclaration()) continue;
    f.addFnAttr("target-cpu", code.target.cpu);
    if (!code.target.features.empty()) f.addFnAttr("target-features", code.target.features);
  }
  return std::move(*module);
}

// Defines what the module calls, as local code.
Result<void> link_runtime(gen::Code& code, std::string_view bitcode) {
  std::vector<std::string> wanted;
  for (const llvm::Function& f : code.module)
    if (f.isDeclaration() && !f.isIntrinsic() && !f.hasHiddenVisibility()) wanted.push_back(f.getName().str());
  if (wanted.empty()) return {};
  if (bitcode.empty()) return broken(code.module.getName().str(), "calls " + wanted[0] + ", and there is no runtime");
  TENON_TRY(auto runtime, read_bitcode(bitcode, code.context, code));
  std::vector<std::string> ours;
  for (const llvm::GlobalValue& v : code.module.global_values())
    if (!v.isDeclaration()) ours.push_back(v.getName().str());
  if (llvm::Linker::linkModules(code.module, std::move(runtime), llvm::Linker::LinkOnlyNeeded))
    return broken(code.module.getName().str(), "the runtime does not link");
  for (llvm::GlobalObject& v : code.module.global_objects())
    if (!v.isDeclaration() && std::ranges::find(ours, v.getName().str()) == ours.end()) {
      v.setVisibility(llvm::GlobalValue::DefaultVisibility);
      v.setLinkage(llvm::GlobalValue::InternalLinkage);
    }
  return {};
}

Result<void> check_supported(const Module& module) {
  for (const Kernel& kernel : module.kernels)
    for (const LoopBuffer& buffer : kernel.buffers)
      if (is_complex(buffer.type) || buffer.type == DType::String)
        return fail({.code = Code::E0303,
                     .message = "no code for " + std::string(buffer.written ? "writing " : "reading ") +
                                std::string(spelling(buffer.type)) + " in " + kernel.name,
                     .node = kernel.origins.empty() ? NodeRef{} : kernel.origins[0]});
  return {};
}

bool has_matrix(const std::vector<Stmt>& block) {
  return std::ranges::any_of(block, [](const Stmt& s) { return s.matrix || has_matrix(s.body) || has_matrix(s.otherwise); });
}

// Half the steps: where the emitters know what that means.
Result<void> check_steps(const Module& module, const Target& target, Steps steps) {
  if (steps == Steps::All) return {};
  if (target.triple.starts_with("riscv"))
    return fail(Code::E0601, "code of the " + std::string(spelling(steps)) + " alone is made for x86-64 and AArch64 only");
  for (const Kernel& kernel : module.kernels)
    if (has_matrix(kernel.body))
      return fail({.code = Code::E0601,
                   .message = "no code of the " + std::string(spelling(steps)) + " alone for " + kernel.name + ": it uses the target's tiles",
                   .hint = "a schedule with matrix=0 computes in vectors",
                   .node = kernel.origins.empty() ? NodeRef{} : kernel.origins[0]});
  return {};
}

}  // namespace

Result<CodeResult> generate_code(const Module& module, const Target& target, const CodeOptions& options) {
  TENON_DO(check_supported(module));
  TENON_DO(check_steps(module, target, options.steps));
  auto aliased = gen::aliased_params(module);
  size_t count = module.kernels.size() + 1;  // the host program is the last
  auto name_of = [&](size_t i) { return i + 1 == count ? module.name + "_host" : module.kernels[KernelId(i)].name; };
  auto compile = [&](size_t i) -> Result<Compiled> {
    if (i + 1 < count && calls_library(module.kernels[KernelId(i)])) return Compiled{};
    TENON_TRY(auto machine, make_machine(target, options.level));
    gen::Code code(name_of(i), target, *machine, options.steps);
    if (i + 1 == count) gen::emit_host(code, module);
    else gen::emit_kernel(code, module, KernelId(i), aliased[KernelId(i)]);
    TENON_DO(link_runtime(code, options.runtime_bitcode));
    if (options.modelled_on) {
      TENON_TRY(machine, make_machine(*options.modelled_on, options.level));
      gen::use_models(code, *machine, *options.modelled_on);
      TENON_DO(link_runtime(code, options.models));
      gen::use_models(code, *machine, *options.modelled_on);  // what was linked is for that machine, too
    }
    return finish(code, *machine, options, name_of(i));
  };
  std::vector<Result<Compiled>> done(count);
  std::atomic<size_t> next = 0;
  {
    std::vector<std::jthread> workers;
    auto work = [&] {
      for (size_t i; (i = next++) < count;) done[i] = compile(i);
    };
    for (int i = 1; i < std::min<int>(options.jobs, static_cast<int>(count)); ++i) workers.emplace_back(work);
    work();
  }
  CodeResult result;
  for (size_t i = 0; i < count; ++i) {
    if (!done[i]) return std::unexpected(std::move(done[i]).error());
    if (done[i]->object.empty()) continue;
    result.objects.push_back({name_of(i) + ".o", std::move(done[i]->object)});
    result.llvm += done[i]->llvm;
    result.assembly += done[i]->assembly;
  }
  return result;
}

Result<ObjectFile> generate_levels(const std::string& name, std::span<const std::string> levels, const Target& target,
                                   const CodeOptions& options) {
  TENON_TRY(auto machine, make_machine(target, options.level));
  gen::Code code(name + "_levels", target, *machine);
  gen::emit_levels(code, name, levels);
  TENON_TRY(Compiled compiled, finish(code, *machine, options, name + "_levels"));
  return ObjectFile{name + "_levels.o", std::move(compiled.object)};
}

Result<ObjectFile> compile_bitcode(std::string_view bitcode, std::string name, const Target& target, const CodeOptions& options) {
  TENON_TRY(auto machine, make_machine(target, options.level));
  gen::Code code(name, target, *machine);
  TENON_TRY(auto runtime, read_bitcode(bitcode, code.context, code));
  TENON_TRY(auto bytes, write(*runtime, *machine, llvm::CodeGenFileType::ObjectFile));
  return ObjectFile{std::move(name), std::move(bytes)};
}

}  // namespace tenon
