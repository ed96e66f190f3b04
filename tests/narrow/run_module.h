// A lowered graph as native code, run in this process: for one machine, or modelled (tests/llvm/harness.h).
#pragma once

#include <cstring>

#include "../llvm/harness.h"
#include "tenon/passes.h"
#include "tenon/runtime.h"

namespace tenon {

inline Result<std::vector<Tensor>> run_module(Module module, const Graph& graph, const TestTarget& target, std::span<const Tensor> inputs,
                                              std::string* assembly = nullptr) {
  module.name = "t";
  const Native native(module, target,
                      {.keep_assembly = assembly != nullptr,
                       .runtime_bitcode = runtime_bitcode(RuntimePart::Model, target.triple.substr(0, target.triple.find('-')))});
  if (assembly) *assembly = native.assembly;
  auto aligned = [](std::vector<std::byte>& storage, size_t bytes) {
    storage.resize(bytes + 64);
    return storage.data() + (64 - reinterpret_cast<uintptr_t>(storage.data()) % 64);
  };
  std::vector<std::vector<std::byte>> in, out;
  std::vector<const void*> in_data;
  std::vector<void*> out_data;
  for (const Tensor& t : inputs) in.push_back(encode(t)), in_data.push_back(in.back().data());
  std::vector<Tensor> results;
  for (const Port& p : module.outputs) {
    std::vector<int64_t> dims;
    for (Expr d : p.dims) dims.push_back(*module.pool.evaluate(d, {}));
    results.push_back(Tensor::zeros(p.type, dims));
    out.push_back(encode(results.back()));
    out_data.push_back(out.back().data());
  }
  int64_t bytes = 0;
  for (const PackedConstant& c : module.constants) bytes = std::max(bytes, c.offset + c.bytes);
  std::vector<std::byte> workspace, weights;
  std::byte* packed_at = aligned(weights, static_cast<size_t>(bytes) + 64);
  for (const PackedConstant& c : module.constants) {
    const DType own = graph.constants[c.source].type;
    const std::vector<std::byte> packed = encode(pack_rounded(tensor_of(graph.constants[c.source]), c.layout, c.rounded.value_or(own), c.parts));
    std::memcpy(packed_at + c.offset, packed.data(), packed.size());
  }
  const std::vector<int64_t> symbols = {0};
  std::byte* work = aligned(workspace, static_cast<size_t>(native.workspace_bytes(symbols)) + (size_t{1} << 20));
  tn_call call{in_data.data(), out_data.data(), reinterpret_cast<const uint8_t*>(packed_at), reinterpret_cast<uint8_t*>(work), symbols.data(), nullptr};
  if (int32_t status = native.run(call)) return fail(Code::E0503, "status " + std::to_string(status));
  for (size_t k = 0; k < results.size(); ++k) results[k] = decode(results[k].type, results[k].dims, out[k].data(), out[k].size());
  return results;
}

}  // namespace tenon
