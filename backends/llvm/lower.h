// Kernels and the host program as functions of an LLVM module.
#pragma once

#include "code.h"
#include "tenon/loops.h"

namespace tenon::gen {

// A kernel runs in phases, one function each:
//   void f(params..., symbols..., scratch, first_task, end_task)
// A parallel For of the kernel's body is a phase of its own, whose iterations are tasks; statements between
// two of them are a phase with one task. Lets of the body belong to every phase after them.
struct Phase {
  std::vector<const Stmt*> body;
  const Stmt* tasks = nullptr;  // the parallel For
};
std::vector<Phase> phases(const Kernel& kernel);
std::string phase_symbol(const Module& module, const Kernel& kernel, size_t phase);

// Which params of each kernel may be the same memory as another, in some call.
Store<KernelId, std::vector<bool>> aliased_params(const Module& module);

// Not of one that calls a library: the host program does.
void emit_kernel(Code& code, const Module& module, KernelId kernel, const std::vector<bool>& aliased);
void emit_host(Code& code, const Module& module);
// NAME_level_host and its companions, over the modules of these names.
void emit_levels(Code& code, const std::string& name, std::span<const std::string> levels);

// modelled.cpp: instructions become calls of their C models (backends/runtime/isa), and the module is for `machine`.
// Multiply-adds stay where it `fuses`. An intrinsic that has no model is left undefined, which is found when the models are linked.
void use_models(Code& code, const llvm::TargetMachine& machine, const Target& target);

}  // namespace tenon::gen
