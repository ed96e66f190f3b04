#include "manifest.h"

#include <nlohmann/json.hpp>

#include "signature.h"
#include "tenon/hash.h"
#include "work.h"

namespace tenon {

namespace {

using Json = nlohmann::ordered_json;

// Kernel names in the order in which NAME_env's event counts calls.
void add_calls(const Module& module, const std::vector<HostStmt>& statements, Json& calls) {
  for (const HostStmt& s : statements) {
    if (s.kind == HostStmt::Kind::Call) calls.push_back(module.kernels[s.kernel].name);
    add_calls(module, s.body, calls);
    add_calls(module, s.otherwise, calls);
  }
}

Json node_json(const NodeRef& node) {
  return {{"index", node.index}, {"name", node.name}, {"op", node.op}, {"opset", node.opset}};
}

Json rates(const Target& target) {
  return {{"gflops_f32", target.gflops_f32},   {"gops_i8", target.gops_i8},
          {"l1_gb_per_s", target.l1_gb_per_s}, {"l2_gb_per_s", target.l2_gb_per_s},
          {"l3_gb_per_s", target.l3_gb_per_s}, {"dram_gb_per_s", target.dram_gb_per_s}};
}

Json caches(const Target& target) {
  return {{"l1d_bytes", target.l1d_bytes}, {"l2_bytes", target.l2_bytes}, {"l3_bytes", target.l3_bytes}};
}

Json work_json(const CallWork& work, const ExprPool& pool) {
  Json products = Json::object();
  for (const auto& [type, number] : work.multiply_adds) products[type] = pool.text(number);
  return {{"multiply_adds", products}, {"bytes", pool.text(work.bytes)}, {"constant_bytes", pool.text(work.constant_bytes)}};
}

}  // namespace

std::string manifest_json(const ManifestInput& in) {
  const ArtifactSummary& s = in.summary;
  Json signature = Json::parse(to_json(in.signature));
  Json json = {
      {"schema", "tenon-manifest"},
      {"version", 1},
      {"compiler", "tenon " + version()},
      {"name", s.name},
      {"build_id", s.build_id},
      {"loops_blake3", hex(blake3(print(in.module)))},
      {"target",
       {{"name", in.target.name}, {"triple", in.target.triple}, {"cpu", in.target.cpu},
        {"features", in.target.features}, {"checked", in.target.cpu_check}, {"qemu", in.target.qemu},
        {"rates", rates(in.target)}, {"cache", caches(in.target)}}},
      {"inputs", signature["inputs"]},
      {"outputs", signature["outputs"]},
      {"symbols", signature["symbols"]},
      {"workspace",
       {{"bytes", in.module.pool.text(in.module.workspace_bytes)},
        {"bytes_per_worker", in.module.pool.text(in.module.scratch_bytes)},
        {"max_one_worker", s.workspace_bytes < 0 ? Json() : Json(s.workspace_bytes)}}},
      {"weights", {{"embedded", in.embedded}, {"bytes", s.weights_bytes}, {"blake3", in.weights_blake3}}},
      {"kernels", Json::array()},
      {"calls", Json::array()},
      {"work", Json::array()},
      {"files", Json::array()},
  };
  if (in.precision != Precision::Strict) json["precision"] = spelling(in.precision);
  for (const Kernel& kernel : in.module.kernels) {
    Json nodes = Json::array();
    for (const NodeRef& node : kernel.origins) nodes.push_back(node_json(node));
    json["kernels"].push_back({{"name", kernel.name}, {"nodes", nodes}});
  }
  add_calls(in.module, in.module.host, json["calls"]);
  ExprPool pool = in.module.pool;
  for (const std::optional<CallWork>& work : work_of_calls(in.module, pool)) json["work"].push_back(work ? work_json(*work, pool) : Json());
  for (const OutputFile& file : s.files)
    json["files"].push_back({{"path", file.path}, {"bytes", file.bytes}, {"blake3", file.blake3}});
  return json.dump(2) + "\n";
}

}  // namespace tenon
