// One LLVM module in the making: what every emitter here shares.
#pragma once

#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/Module.h>

#include "tenon/backend.h"
#include "tenon/expr.h"
#include "tenon/target.h"

namespace llvm {
class TargetMachine;
}

namespace tenon::gen {

using llvm::Value;

// What the instruction set has beside the target's atoms, as far as emitters choose by it.
struct Isa {
  bool x86 = false, arm64 = false, riscv = false;
  bool fma = false;           // an atom of the target
  bool f16_convert = false;   // f16 <-> f32 in hardware
  bool avx512 = false;        // 512-bit vectors: x * 2^floor(n), look-up among 16 floats
  bool picks_of_eight = false;  // AVX2 without masks: pick.cpp
  bool byte_tables = false;   // looks 64 bytes up in two vectors of bytes
};

struct Code {
  Code(const std::string& name, const Target& target, const llvm::TargetMachine& machine, Steps steps = Steps::All);

  llvm::LLVMContext context;
  llvm::Module module;
  llvm::IRBuilder<> b;
  const Target& target;
  const Steps steps;
  Isa isa;
  // AMX in the function in the making: which configuration of the tiles is loaded (0: none), and where sums wait to be stored.
  // Null: it uses none.
  Value *tile_config = nullptr, *tile_sums = nullptr;
  bool short_functions = false;  // Kernel's, of the one in the making
  std::vector<llvm::Constant*> tile_configs;  // of the module; number n is at n - 1

  // The type of a value in a register (bool: i1) and in memory (bool: i8). Narrow floats are their bits.
  llvm::Type* value_type(DType type);
  llvm::Type* memory_type(DType type);
  llvm::ConstantInt* index(int64_t value) { return b.getInt64(static_cast<uint64_t>(value)); }
  llvm::Constant* real(llvm::Type* type, double value) { return llvm::ConstantFP::get(type, value); }
  // A hidden function with the attributes that all our code has.
  llvm::Function* function(llvm::FunctionType* type, const std::string& name, llvm::GlobalValue::LinkageTypes linkage);
  // Zeros that a load is led to where its condition is false.
  llvm::Constant* zeros();
};

// Lanes of a value: 0 for a scalar.
inline unsigned width(const Value* v) {
  auto* vector = llvm::dyn_cast<llvm::FixedVectorType>(v->getType());
  return vector ? vector->getNumElements() : 0;
}
inline llvm::Type* shaped(llvm::Type* scalar, unsigned width) {
  return width ? llvm::FixedVectorType::get(scalar, width) : scalar;
}
// The same lanes, of another element type.
inline llvm::Type* like(const Value* v, llvm::Type* scalar) { return shaped(scalar, width(v)); }

// convert.cpp
Value* emit_convert(Code& code, Value* v, DType from, DType to, bool saturate);
llvm::Constant* emit_constant(Code& code, DType type, int64_t imm);  // ExprNode::imm

// arith.cpp: everything that is not a leaf, a conversion or a function.
Value* emit_arith(Code& code, SOp op, DType type, Value* a, Value* b, Value* c);
Value* emit_fma(Code& code, Value* a, Value* b, Value* c);
Value* emit_round(Code& code, SOp op, Value* a);

// math.cpp: exp ... pow of f32 and f64, any width. With `short_functions` those that have an f32 form err by up to 2^-18.
Value* emit_math(Code& code, SOp op, Value* x, Value* y);
Value* emit_gated(Code& code, Value* x, Value* y);  // x * sigmoid(y), of f32

}  // namespace tenon::gen
