// Loops -> object code. The LLVM backend compiles kernels in parallel and links in process.
#pragma once

#include "tenon/loops.h"
#include "tenon/target.h"

namespace tenon {

struct CodeOptions {
  int level = 2;
  int jobs = 1;
  bool keep_llvm = false;      // --emit llvm
  bool keep_assembly = false;  // --emit asm
};

struct ObjectFile {
  std::string name;               // "resnet50.o"
  std::vector<char> bytes;
};

struct CodeResult {
  std::vector<ObjectFile> objects;
  std::string llvm, assembly;
};

// Kernels and the host program's entry `NAME_host` (signature: backends/runtime/tenon_abi.h).
Result<CodeResult> generate_code(const Module& module, const Target& target, const CodeOptions& options);

}  // namespace tenon
