// Does: one kernel for all calls whose code is the same up to names of buffers.
// Requires: nothing. Guarantees: the same calls in the same order. Why here: before memory is planned and
// code generated, because a repeated block (ResNet's, a transformer layer) is compiled once.
#include <map>

#include "tenon/passes.h"

namespace tenon {

namespace {

// The text of a kernel with its names replaced by positions.
std::string signature(Kernel kernel) {
  kernel.name.clear();
  kernel.origins.clear();
  for (size_t b = 0; b < kernel.buffers.size(); ++b) kernel.buffers[BufferId(b)].name = "b" + std::to_string(b);
  return print(kernel);
}

void point_calls(std::vector<HostStmt>& body, const std::vector<KernelId>& to) {
  for (HostStmt& s : body) {
    if (s.kind == HostStmt::Kind::Call) s.kernel = to[static_cast<size_t>(s.kernel.index)];
    point_calls(s.body, to);
    point_calls(s.otherwise, to);
  }
}

}  // namespace

Result<Module> share_kernels(Module module, const Target&) {
  std::map<std::string, KernelId> known;
  Store<KernelId, Kernel> kept;
  std::vector<KernelId> to;
  for (Kernel& kernel : module.kernels) {
    auto [it, fresh] = known.try_emplace(signature(kernel), KernelId(kept.size()));
    to.push_back(it->second);
    if (fresh) {
      kept.push(std::move(kernel));
    } else {
      auto& origins = kept[it->second].origins;
      origins.insert(origins.end(), kernel.origins.begin(), kernel.origins.end());
    }
  }
  module.kernels = std::move(kept);
  point_calls(module.host, to);
  return module;
}

}  // namespace tenon
