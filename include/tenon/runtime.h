// The C11 runtime as LLVM bitcode, one per architecture.
#pragma once

#include <string_view>

namespace tenon {

enum class RuntimePart : unsigned char {
  Model,   // the public functions, routines that kernels call, memcpy and friends
  Runner,  // the program around them: _start, .npy files, timing
  Pool,    // NAME_pool_*, with --threads pool: needs pthread_create and pthread_join
  Dispatch, DispatchRunner,  // Model and Runner of an artifact for several processors
  Onednn,  // Model of an artifact that calls oneDNN
  Isa,     // models of instructions, CodeOptions::modelled_on; in no artifact
};

// By LLVM's architecture name ("x86_64", "aarch64", "riscv64"); empty where there is none.
std::string_view runtime_bitcode(RuntimePart part, std::string_view arch);

}  // namespace tenon
