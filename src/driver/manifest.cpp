#include "manifest.h"

#include <nlohmann/json.hpp>

#include "signature.h"
#include "tenon/candidates.h"
#include "tenon/hash.h"
#include "work.h"

namespace tenon {

namespace {

using Json = nlohmann::ordered_json;

// Names of kernels, and of the plan's regions that they belong to, in the order in which NAME_env's event counts calls.
void add_calls(const Module& module, const std::vector<HostStmt>& statements, Json& json) {
  for (const HostStmt& s : statements) {
    if (s.kind == HostStmt::Kind::Call) {
      json["calls"].push_back(module.kernels[s.kernel].name);
      json["regions"].push_back(s.region);
    }
    add_calls(module, s.body, json);
    add_calls(module, s.otherwise, json);
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

Json workspace_json(const Module& module, int64_t most) {
  return {{"bytes", module.pool.text(module.workspace_bytes)},
          {"bytes_per_worker", module.pool.text(module.scratch_bytes)},
          {"max_one_worker", most < 0 ? Json() : Json(most)}};
}

Json target_json(const Target& target) {
  return {{"name", target.name}, {"triple", target.triple}, {"cpu", target.cpu},
          {"features", target.features}, {"checked", target.cpu_check}, {"qemu", target.qemu},
          {"rates", rates(target)}, {"cache", caches(target)}};
}

// What the plan's regions compute and how, as telemetry has it of one thread: so that what a deployed program records is known as what `tune` measured. Of regions
// that have something to choose.
Result<Json> workloads_json(const PackageLevel& level, Precision allowed) {
  Json json = Json::object();
  TENON_TRY(std::vector<RegionGroup> groups, group_regions(level.graph, level.plan, level.target, allowed));
  for (RegionGroup& group : groups) {
    leave_out(group.space, {Knob::parallel});
    for (const size_t r : group.regions) {
      const RegionPlan& region = level.plan.regions[r];
      json[region.name] = {{"workload_blake3", group.workload}, {"schedule_blake3", hex(blake3(text_of(tiles_of(region, group.space))))}};
    }
  }
  return json;
}

// Keys "kernels", "calls", "regions", "workloads" and "work" of what runs for one target.
Result<void> add_code(const PackageLevel& level, const ManifestInput& in, Json& json) {
  const Module& module = level.module;
  for (const char* key : {"kernels", "calls", "regions", "work"}) json[key] = Json::array();
  for (const Kernel& kernel : module.kernels) {
    Json nodes = Json::array();
    for (const NodeRef& node : kernel.origins) nodes.push_back(node_json(node));
    json["kernels"].push_back({{"name", kernel.name}, {"nodes", nodes}});
    if (calls_library(kernel)) json["kernels"].back()["provider"] = "onednn";
  }
  add_calls(module, module.host, json);
  ExprPool pool = module.pool;
  for (const std::optional<CallWork>& work : work_of_calls(module, pool)) json["work"].push_back(work ? work_json(*work, pool) : Json());
  // Timings are of bound dims, and so is what they are known by.
  if (in.signature.symbols.empty()) {
    TENON_TRY(json["workloads"], workloads_json(level, in.allowed));
  }
  return {};
}

Result<Json> level_json(const PackageLevel& level, const LevelSummary& summary, const ManifestInput& in) {
  Json json = {{"loops_blake3", level.loops_blake3},
               {"target", target_json(level.target)},
               {"workspace", workspace_json(level.module, summary.workspace_bytes)},
               {"code_bytes", summary.code_bytes},
               {"weights", {{"bytes", summary.weights_bytes}, {"own_bytes", summary.own_weights_bytes}}}};
  TENON_DO(add_code(level, in, json));
  return json;
}

}  // namespace

Result<std::string> manifest_json(const ManifestInput& in) {
  const ArtifactSummary& s = in.summary;
  const PackageLevel& first = in.levels.front();
  const bool one = in.levels.size() == 1;
  Json signature = Json::parse(to_json(in.signature));
  Json json = {{"schema", "tenon-manifest"}, {"version", 1}, {"compiler", "tenon " + version()}, {"name", s.name}, {"build_id", s.build_id}};
  if (one) json["loops_blake3"] = first.loops_blake3;
  json["target"] = target_json(first.target);
  for (const char* key : {"inputs", "outputs", "symbols"}) json[key] = signature[key];
  if (signature.contains("states")) json["states"] = signature["states"];
  if (one) json["workspace"] = workspace_json(first.module, s.workspace_bytes);
  else json["workspace"] = {{"max_one_worker", s.workspace_bytes < 0 ? Json() : Json(s.workspace_bytes)}};
  json["weights"] = {{"embedded", in.embedded}, {"bytes", s.weights_bytes}, {"blake3", in.weights_blake3}};
  if (one) {
    TENON_DO(add_code(first, in, json));
  }
  for (size_t k = 0; !one && k < in.levels.size(); ++k) {
    TENON_TRY(Json level, level_json(in.levels[k], s.levels[k], in));
    json["levels"].push_back(std::move(level));
  }
  if (in.precision != Precision::Strict) json["precision"] = spelling(in.precision);
  if (in.steps != Steps::All) json["steps"] = spelling(in.steps);  // no artifact for anybody
  if (!in.onednn.empty()) json["needs"] = {{{"library", "oneDNN"}, {"version", 3}, {"soname", in.onednn}, {"link", "-ldnnl"}}};
  json["files"] = Json::array();
  for (const OutputFile& file : s.files)
    json["files"].push_back({{"path", file.path}, {"bytes", file.bytes}, {"blake3", file.blake3}});
  return json.dump(2) + "\n";
}

}  // namespace tenon
