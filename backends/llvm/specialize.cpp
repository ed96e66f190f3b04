// The runtime becomes part of one model: names, descriptor, visibility.
#include <algorithm>

#include <llvm/ADT/StringRef.h>
#include <llvm/Bitcode/BitcodeReader.h>
#include <llvm/Bitcode/BitcodeWriter.h>
#include <llvm/IR/Constants.h>
#include <llvm/IR/Module.h>
#include <llvm/ObjCopy/ConfigManager.h>
#include <llvm/ObjCopy/ObjCopy.h>
#include <llvm/Object/ELFObjectFile.h>
#include <llvm/Support/MemoryBuffer.h>
#include <llvm/Support/raw_ostream.h>

#include "tenon/backend.h"

namespace tenon {

namespace {

constexpr llvm::StringLiteral kPrefix = "tn_model_";

std::unexpected<Diags> refused(llvm::Error error) {
  return fail(Code::E0404, llvm::toString(std::move(error)));
}

// Data of the descriptor takes the place of its declaration.
void fill_descriptor(llvm::Module& module, std::span<const std::byte> bytes) {
  llvm::GlobalVariable* declared = module.getNamedGlobal("tn_model_descriptor");
  if (!declared) return;
  llvm::ArrayRef<uint8_t> data(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  llvm::Constant* value = llvm::ConstantDataArray::get(module.getContext(), data);
  auto* defined = new llvm::GlobalVariable(module, value->getType(), /*isConstant=*/true,
                                           llvm::GlobalValue::ExternalLinkage, value, "");
  defined->setVisibility(llvm::GlobalValue::HiddenVisibility);
  defined->setAlignment(llvm::Align(64));
  declared->replaceAllUsesWith(defined);
  defined->takeName(declared);
  declared->eraseFromParent();
}

}  // namespace

Result<std::string> specialize_bitcode(std::string_view bitcode, const std::string& name,
                                       std::span<const std::byte> descriptor, bool embedded) {
  llvm::LLVMContext context;
  auto parsed = llvm::parseBitcodeFile(llvm::MemoryBufferRef({bitcode.data(), bitcode.size()}, "runtime"), context);
  if (!parsed) return refused(parsed.takeError());
  llvm::Module& module = **parsed;
  if (!descriptor.empty()) fill_descriptor(module, descriptor);
  if (llvm::GlobalVariable* weights = module.getNamedGlobal("tn_model_weights"); weights && !embedded)
    weights->replaceAllUsesWith(llvm::ConstantPointerNull::get(weights->getType()));
  for (llvm::GlobalValue& value : module.global_values()) {
    llvm::StringRef symbol = value.getName();
    if (!symbol.starts_with(kPrefix)) continue;
    if (llvm::isa<llvm::Function>(value) && !value.isDeclaration())
      value.setVisibility(llvm::GlobalValue::DefaultVisibility);
    value.setName(name + "_" + symbol.drop_front(kPrefix.size()));
  }
  std::string out;
  llvm::raw_string_ostream stream(out);
  llvm::WriteBitcodeToFile(module, stream);
  return out;
}

Result<void> localize_hidden(const std::filesystem::path& path, std::span<const std::string> defined_elsewhere) {
  auto buffer = llvm::MemoryBuffer::getFile(path.string(), /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!buffer) return fail(Code::E0404, path.string() + ": " + buffer.getError().message());
  auto object = llvm::object::ObjectFile::createELFObjectFile((*buffer)->getMemBufferRef());
  if (!object) return refused(object.takeError());

  llvm::objcopy::ConfigManager config;
  auto add = [](llvm::objcopy::NameMatcher& matcher, llvm::StringRef name) -> llvm::Error {
    return matcher.addMatcher(llvm::objcopy::NameOrPattern::create(
        name, llvm::objcopy::MatchStyle::Literal, [](llvm::Error e) { return e; }));
  };
  for (const llvm::object::ELFSymbolRef symbol : llvm::cast<llvm::object::ELFObjectFileBase>(**object).symbols()) {
    auto name = symbol.getName();
    auto section = symbol.getSection();
    if (!name) return refused(name.takeError());
    if (!section) return refused(section.takeError());
    if (symbol.getBinding() == llvm::ELF::STB_LOCAL) continue;
    if (*section == (*object)->section_end()) {
      if (std::ranges::find(defined_elsewhere, *name) == defined_elsewhere.end())
        return fail(Code::E0404, "generated code needs `" + name->str() + "`, which nothing defines");
    } else if (symbol.getOther() == llvm::ELF::STV_HIDDEN) {
      if (llvm::Error error = add(config.Common.SymbolsToLocalize, *name)) return refused(std::move(error));
    }
  }
  std::string out;
  llvm::raw_string_ostream stream(out);
  if (llvm::Error error = llvm::objcopy::executeObjcopyOnBinary(config, **object, stream))
    return refused(std::move(error));
  std::error_code error;
  llvm::raw_fd_ostream file(path.string(), error);
  file << out;
  file.close();
  if (error || file.has_error()) return fail(Code::E0505, path.string() + " cannot be written");
  return {};
}

}  // namespace tenon
