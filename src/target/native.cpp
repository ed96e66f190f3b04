// The `native` target: the closest file, and the features and caches that this machine has. Nothing is timed.
#include <hwloc.h>
#include <llvm/ADT/StringMap.h>
#include <llvm/TargetParser/Host.h>
#include <llvm/TargetParser/Triple.h>

#include <algorithm>
#include <set>

#include "internal.h"

namespace tenon {

namespace {

using Features = llvm::StringMap<bool>;

// The files of this machine's architecture.
Result<std::vector<Target>> candidates(const llvm::Triple& host) {
  std::vector<Target> files;
  for (const EmbeddedTarget& row : embedded_targets()) {
    TENON_TRY(Target file, parse_target(row.toml, std::string(row.name)));
    if (llvm::Triple(file.triple).getArch() == host.getArch() && !file.freestanding)
      files.push_back(std::move(file));
  }
  return files;
}

// Of those that run here the one that asks for the most; a file for exactly this CPU comes first.
const Target* closest(std::span<const Target> files, const Features& host, llvm::StringRef cpu) {
  const Target* best = nullptr;
  auto runs = [&](const Target& t) {
    return std::ranges::all_of(t.cpu_check, [&](const std::string& feature) { return host.lookup(feature); });
  };
  auto rank = [&](const Target& t) { return std::pair(cpu == t.cpu, t.cpu_check.size()); };
  for (const Target& file : files)
    if (runs(file) && (!best || rank(file) > rank(*best))) best = &file;
  return best;
}

// Features that other files name and this machine has as well. Only those: what code may use, the
// artifact must know how to check.
std::vector<std::string> extra_features(std::span<const Target> files, const Target& base,
                                        const Features& host) {
  std::set<std::string> extra;
  for (const Target& file : files)
    for (const std::string& feature : file.cpu_check)
      if (host.lookup(feature)) extra.insert(feature);
  for (const std::string& feature : base.cpu_check) extra.erase(feature);
  return {extra.begin(), extra.end()};
}

void read_caches(Target& target) {
  hwloc_topology_t topology = nullptr;
  if (hwloc_topology_init(&topology) != 0) return;
  if (hwloc_topology_load(topology) == 0) {
    auto size = [&](hwloc_obj_type_t type, int64_t& bytes) {
      const hwloc_obj_t cache = hwloc_get_obj_by_type(topology, type, 0);
      if (cache && cache->attr->cache.size) bytes = static_cast<int64_t>(cache->attr->cache.size);
    };
    size(HWLOC_OBJ_L1CACHE, target.l1d_bytes);
    size(HWLOC_OBJ_L2CACHE, target.l2_bytes);
    size(HWLOC_OBJ_L3CACHE, target.l3_bytes);
  }
  hwloc_topology_destroy(topology);
}

}  // namespace

std::string host_cpu_name() {
  std::string name;
  hwloc_topology_t topology = nullptr;
  if (hwloc_topology_init(&topology) == 0) {
    if (hwloc_topology_load(topology) == 0)
      if (const hwloc_obj_t package = hwloc_get_obj_by_type(topology, HWLOC_OBJ_PACKAGE, 0))
        if (const char* model = hwloc_obj_get_info_by_name(package, "CPUModel")) name = model;
    hwloc_topology_destroy(topology);
  }
  return name.empty() ? llvm::sys::getHostCPUName().str() : name;
}

Result<Target> native_target() {
  const llvm::Triple triple(llvm::sys::getProcessTriple());
  const Features host = llvm::sys::getHostCPUFeatures();
  TENON_TRY(const std::vector<Target> files, candidates(triple));
  const Target* base = closest(files, host, llvm::sys::getHostCPUName());
  if (!base)
    return fail(Code::E0401, "no target file fits this " + triple.getArchName().str() + " machine",
                "write one: docs/adding_a_target.md");

  const std::vector<std::string> extra = extra_features(files, *base, host);
  const auto row = std::ranges::find(embedded_targets(), base->name, &EmbeddedTarget::name);
  TENON_TRY(Target target, parse_target_with(row->toml, base->name, extra));
  target.name = "native";
  target.description = "this machine: " + base->name + " with the features and caches found here";
  auto append = [&](char sign, std::string_view feature) {
    if (!target.features.empty()) target.features += ',';
    (target.features += sign) += feature;
  };
  for (const std::string& feature : extra) append('+', feature), target.cpu_check.push_back(feature);
  // What the CPU's name implies and this machine hides.
  std::set<std::string_view> absent;
  for (const auto& feature : host)
    if (!feature.second) absent.emplace(feature.first());
  for (std::string_view feature : absent) append('-', feature);
  read_caches(target);
  return target;
}

}  // namespace tenon
