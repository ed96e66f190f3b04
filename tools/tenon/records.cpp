#include "records.h"

#include <nlohmann/json.hpp>

namespace tenon::cli {

namespace {

using Json = nlohmann::ordered_json;

// Every record says its schema first: the number changes when a key changes its meaning or goes.
Json record(std::string_view schema) { return {{"schema", "tenon." + std::string(schema)}}; }

// Names in a model need not be UTF-8.
std::string line(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

}  // namespace

std::string diagnostic_record(const Diag& diag, std::string_view target) {
  static constexpr const char* kLevels[] = {"note", "warning", "error"};
  Json json = record("diagnostic/1");
  json["level"] = kLevels[static_cast<int>(diag.severity)];
  json["code"] = code_name(diag.code);
  json["title"] = code_title(diag.code);
  json["message"] = diag.message;
  if (!diag.hint.empty()) json["help"] = diag.hint;
  if (!diag.file.empty()) json["file"] = diag.file;
  if (const NodeRef& node = diag.node; node.index >= 0 || !node.op.empty())
    json["node"] = {{"index", node.index}, {"name", node.name}, {"op", node.op}, {"opset", node.opset}};
  if (!diag.shapes.empty()) json["shapes"] = diag.shapes;
  if (!target.empty()) json["target"] = target;
  return line(json);
}

std::string explanation_record(Code code) {
  Json json = record("explanation/1");
  json["code"] = code_name(code);
  json["title"] = code_title(code);
  json["explanation"] = code_explanation(code);
  return line(json);
}

std::string target_record(const Target& target) {
  Json json = record("target/1");
  json["name"] = target.name;
  json["description"] = target.description;
  json["triple"] = target.triple;
  json["cpu"] = target.cpu;
  json["features"] = target.features;
  json["check"] = target.cpu_check;
  json["vector_bytes"] = target.vector_bytes;
  json["vector_registers"] = target.vector_registers;
  Json atoms = Json::array();
  for (const Atom& atom : target.atoms)
    atoms.push_back({{"name", atom.name},
                     {"types", {spelling(atom.a), spelling(atom.b), spelling(atom.acc)}},
                     {"lanes", atom.lanes},
                     {"k", atom.k}});
  json["atoms"] = atoms;
  json["cache"] = {
      {"l1d_bytes", target.l1d_bytes}, {"l2_bytes", target.l2_bytes}, {"l3_bytes", target.l3_bytes}};
  json["rates"] = {{"gflops_f32", target.gflops_f32},   {"gops_i8", target.gops_i8},
                   {"l1_gb_per_s", target.l1_gb_per_s}, {"l2_gb_per_s", target.l2_gb_per_s},
                   {"l3_gb_per_s", target.l3_gb_per_s}, {"dram_gb_per_s", target.dram_gb_per_s}};
  return line(json);
}

}  // namespace tenon::cli
