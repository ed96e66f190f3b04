// A lowered graph as native code, run in this process: for one machine, or modelled.
#pragma once

#include <cstring>

#include "harness.h"
#include "tenon/passes.h"
#include "tenon/runtime.h"

namespace tenon {

// Memory at a multiple of 64 bytes.
struct Aligned {
  explicit Aligned(size_t bytes) : storage(bytes + 64) {}
  uint8_t* data() { return storage.data() + (64 - reinterpret_cast<uintptr_t>(storage.data()) % 64); }
  std::vector<uint8_t> storage;
};

// `symbols`: values by name. With `assembly`, the code as text.
inline Result<std::vector<Tensor>> run_module(Module module, const Graph& graph, const TestTarget& target, std::span<const Tensor> inputs,
                                              const std::unordered_map<std::string, int64_t>& symbols, std::string* assembly = nullptr) {
  module.name = "t";
  std::vector<int64_t> values;
  for (Expr s : module.symbols) values.push_back(symbols.at(module.pool.var(s).name));
  ExprPool::Bindings bindings;
  for (size_t k = 0; k < values.size(); ++k) bindings[module.symbols[k]] = values[k];
  values.push_back(0);
  const Native native(module, target,
                      {.keep_assembly = assembly != nullptr,
                       .runtime_bitcode = runtime_bitcode(RuntimePart::Model, target.triple.substr(0, target.triple.find('-')))});
  if (assembly) *assembly = native.assembly;
  std::vector<std::vector<std::byte>> in, out;
  std::vector<const void*> in_data;
  std::vector<void*> out_data;
  for (const Tensor& t : inputs) {
    in.push_back(encode(t));
    in_data.push_back(in.back().data());
  }
  std::vector<Tensor> results;
  for (const Port& p : module.outputs) {
    std::vector<int64_t> dims;
    for (Expr d : p.dims) dims.push_back(*module.pool.evaluate(d, bindings));
    results.push_back(Tensor::zeros(p.type, dims));
    out.push_back(encode(results.back()));
    out_data.push_back(out.back().data());
  }
  Aligned workspace(static_cast<size_t>(native.workspace_bytes(values)) + (size_t{1} << 20));
  int64_t bytes = 0;
  for (const PackedConstant& c : module.constants) bytes = std::max(bytes, c.offset + c.bytes);
  Aligned weights(static_cast<size_t>(bytes) + 64);  // slack that vector loads may touch
  for (const PackedConstant& c : module.constants) {
    const std::vector<std::byte> packed = encode(pack(c, tensor_of(graph.constants[c.source])));
    std::memcpy(weights.data() + c.offset, packed.data(), packed.size());
  }
  tn_call call{in_data.data(), out_data.data(), weights.data(), workspace.data(), values.data(), nullptr};
  if (int32_t status = native.run(call)) return fail(Code::E0503, "status " + std::to_string(status));
  for (size_t k = 0; k < results.size(); ++k) results[k] = decode(results[k].type, results[k].dims, out[k].data(), out[k].size());
  return results;
}

}  // namespace tenon
