// Compiles kernels built by hand and runs them in this process.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <random>

#include "tenon/backend.h"
#include "tenon_abi.h"

namespace tenon {

// A module whose host program calls one kernel: params are inputs, written ones outputs.
Module module_of(Kernel kernel);

// A target as a test names it: `modelled:NAME` is NAME with C models in place of its instructions, so that its kernels
// run on any machine.
struct TestTarget : Target {
  bool modelled = false;
};

class Native {
 public:
  Native(const Module& module, const TestTarget& target, CodeOptions options = {.keep_assembly = true});
  Native(const Native&) = delete;
  ~Native();

  int32_t run(const tn_call& call) const { return run_(&call); }
  int64_t workspace_bytes(const std::vector<int64_t>& symbols) const { return workspace_bytes_(symbols.data()); }
  // Kernel params in order, whichever side they are on.
  void operator()(const std::vector<void*>& params, std::vector<int64_t> symbols = {}, const tn_env* env = nullptr) const;

  std::string assembly;
  const std::vector<bool> outputs;  // per param

 private:
  void* library_ = nullptr;
  int32_t (*run_)(const tn_call*) = nullptr;
  int64_t (*workspace_bytes_)(const int64_t*) = nullptr;
};

TestTarget target(const std::string& name);
// Targets of this machine's architecture that it can run.
std::vector<std::string> host_targets();
// These, and modelled those that it may not be able to run.
std::vector<std::string> all_targets();
std::string target_label(const testing::TestParamInfo<std::string>& target);
// The innermost loops of the assembly that hold `instruction`.
std::vector<std::string> loops_with(const std::string& assembly, const std::string& instruction);

template <class T>
std::vector<T> random_values(size_t count, uint32_t seed = 1) {
  std::mt19937 rng(seed);
  std::vector<T> v(count);
  for (T& x : v)
    if constexpr (std::is_floating_point_v<T>) x = std::uniform_real_distribution<T>(-1, 1)(rng);
    else x = static_cast<T>(rng());
  return v;
}

// Short forms for building kernels.
struct KernelBuilder {
  Kernel k;
  explicit KernelBuilder(std::string name) { k.name = std::move(name); }
  Expr i(int64_t v) { return k.pool.index(v); }
  Expr f(double v) { return k.pool.constant(DType::F32, v); }
  Expr var(std::string name, Expr extent) { return k.pool.axis(std::move(name), extent); }
  Expr add(Expr a, Expr b) { return k.pool.binary(SOp::Add, a, b); }
  Expr mul(Expr a, Expr b) { return k.pool.binary(SOp::Mul, a, b); }
  Expr load(BufferId b, Expr at) { return k.pool.load(b, k.buffers[b].type, std::array{at}); }
  BufferId param(std::string name, DType type, Expr size, bool written = false) {
    return k.buffers.push({.name = std::move(name), .type = type, .size = size, .written = written});
  }
  Expr symbol(const std::string& name) {
    k.symbols.push_back(k.pool.symbol(name));
    return k.symbols.back();
  }
  Stmt loop(Expr v, std::vector<Stmt> body, bool parallel = false) {
    return {.kind = StmtKind::For, .var = v, .extent = k.pool.var(v).extent, .parallel = parallel, .body = std::move(body)};
  }
};

}  // namespace tenon
