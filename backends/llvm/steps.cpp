// Values for code that loads only or computes only (Steps): empty inline assembly uses what was loaded, and makes
// operands that nothing is known about.
#include <bit>
#include <span>

#include <llvm/IR/InlineAsm.h>

#include "emitter.h"

namespace tenon::gen {

namespace {

// The register class that holds a type, as a constraint of inline assembly; null: none holds it as it stands.
const char* register_class(const Code& code, llvm::Type* type) {
  const uint64_t bits = type->getPrimitiveSizeInBits().getFixedValue();
  if (type->isIntegerTy()) return bits >= 8 ? "r" : nullptr;
  const bool fits = type->isVectorTy() ? bits >= 128 && bits <= 8 * static_cast<uint64_t>(code.target.vector_bytes) && std::has_single_bit(bits)
                                       : type->isFloatTy() || type->isDoubleTy();
  if (!fits) return nullptr;
  return code.isa.arm64 ? "w" : code.isa.riscv ? (type->isVectorTy() ? "vr" : "f") : "v";
}

Value* empty_assembly(Code& code, llvm::Type* result, Value* operand, const std::string& constraints) {
  auto* type = llvm::FunctionType::get(result, {operand->getType()}, false);
  auto* call = code.b.CreateCall(llvm::InlineAsm::get(type, "", constraints, /*hasSideEffects=*/true), {operand});
  call->setMemoryEffects(llvm::MemoryEffects::inaccessibleMemOnly());  // other loads may move as they always do
  call->setDoesNotThrow();
  return call;
}

}  // namespace

void Emitter::keep(Value* v) {
  auto& b = code.b;
  if (const char* where = register_class(code, v->getType())) {
    empty_assembly(code, b.getVoidTy(), v, where);
    return;
  }
  const unsigned lanes = width(v);
  if (lanes < 2) return keep(b.CreateZExt(v, b.getInt8Ty()));
  const auto bits = static_cast<unsigned>(v->getType()->getPrimitiveSizeInBits().getFixedValue());
  if (bits <= 64 && std::has_single_bit(bits) && bits >= 8) return keep(b.CreateBitCast(v, b.getIntNTy(bits)));
  // A vector that no register holds, in two parts.
  const unsigned first = std::bit_floor(lanes - 1);
  std::vector<int> index(lanes);
  for (unsigned i = 0; i < lanes; ++i) index[i] = static_cast<int>(i);
  for (auto part : {std::span(index).first(first), std::span(index).subspan(first)})
    keep(part.size() == 1 ? b.CreateExtractElement(v, static_cast<uint64_t>(part[0])) : b.CreateShuffleVector(v, llvm::ArrayRef<int>(part.data(), part.size())));
}

Value* Emitter::stand_in(llvm::Type* type) {
  Value*& known = stand_ins_[type];
  if (known) return known;
  auto& b = code.b;
  llvm::IRBuilderBase::InsertPointGuard back(b);
  llvm::BasicBlock& entry = b.GetInsertBlock()->getParent()->getEntryBlock();
  b.SetInsertPoint(&entry, entry.getFirstInsertionPt());
  llvm::Type* element = type->getScalarType();
  llvm::Constant* one = element->isIntegerTy() ? llvm::ConstantInt::get(type, 1) : llvm::ConstantFP::get(type, 1.0);
  if (const char* where = register_class(code, type)) return known = empty_assembly(code, type, one, std::string("=") + where + ",0");
  if (!type->isVectorTy()) return known = b.CreateTrunc(empty_assembly(code, b.getInt8Ty(), b.getInt8(1), "=r,0"), type);
  Value* lane = empty_assembly(code, element, llvm::cast<llvm::Constant>(one)->getAggregateElement(0u), std::string("=") + register_class(code, element) + ",0");
  return known = b.CreateVectorSplat(llvm::cast<llvm::FixedVectorType>(type)->getNumElements(), lane);
}

Value* Emitter::load_as(BufferId buffer, Expr offset, llvm::Type* type) {
  if (step_ && code.steps == Steps::Arithmetic) return stand_in(type);
  Value* v = code.b.CreateAlignedLoad(type, address(buffer, offset, {}), llvm::Align(1));
  if (step_ && code.steps == Steps::Loads) keep(v);
  return v;
}

Value* Emitter::load(Expr e, Expr guard) {
  if (step_ && code.steps == Steps::Arithmetic && pool.type(e) != DType::Index) {
    const Lanes* lanes = lanes_of(pool.operands(e)[0]);
    return stand_in(shaped(code.value_type(pool.type(e)), lanes ? lanes->width : 0));
  }
  Value* v = read(e, guard);
  if (step_ && code.steps == Steps::Loads) keep(v);
  return v;
}

}  // namespace tenon::gen

std::string_view tenon::spelling(Steps steps) {
  constexpr std::string_view words[] = {"all", "loads", "arithmetic"};
  return words[static_cast<size_t>(steps)];
}
