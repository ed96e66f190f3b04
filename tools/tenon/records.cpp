#include "records.h"

#include <cmath>

#include "json_line.h"

namespace tenon::cli {

namespace {

Json operator_counts(const std::vector<std::pair<std::string, int>>& operators) {
  Json json = Json::object();
  for (const auto& [name, uses] : operators) json[name] = uses;
  return json;
}

Json ports(const std::vector<PortInfo>& list) {
  Json json = Json::array();
  for (const PortInfo& port : list)
    json.push_back({{"name", port.name}, {"type", spelling(port.type)}, {"dims", port.dims}});
  return json;
}

void add_levels(const std::vector<LevelSummary>& levels, Json& json) {
  for (const LevelSummary& level : levels)
    json["levels"].push_back({{"target", level.target},
                              {"code_bytes", level.code_bytes},
                              {"weights_bytes", level.weights_bytes},
                              {"own_weights_bytes", level.own_weights_bytes},
                              {"workspace_bytes", level.workspace_bytes < 0 ? Json(nullptr) : Json(level.workspace_bytes)},
                              {"kernels", level.kernels}});
}

// JSON has no infinity: an error that is not finite is null.
Json errors(const std::vector<OutputError>& list) {
  Json json = Json::array();
  for (const OutputError& e : list)
    json.push_back({{"name", e.name},
                    {"type", spelling(e.type)},
                    {"count", e.count},
                    {"max_ulp", e.max_ulp},
                    {"max_abs", e.max_abs},
                    {"max_rel", e.max_rel},
                    {"bound", e.bound},
                    {"worst", e.worst},
                    {"got", e.got},
                    {"want", e.want},
                    {"within", e.within},
                    {"ratio", e.ratio},
                    {"different", e.different},
                    {"op", e.op},
                    {"c", e.c},
                    {"terms", e.terms},
                    {"node", e.node}});
  return json;
}

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

std::string operator_record(const std::string& name) {
  Json json = record("operator/1");
  json["name"] = name;
  return line(json);
}

std::string artifact_record(const ArtifactSummary& artifact) {
  Json json = record("artifact/1");
  json["name"] = artifact.name;
  json["target"] = artifact.target;
  json["folder"] = artifact.folder;
  json["status"] = artifact.cached ? "cached" : "compiled";
  json["build_id"] = artifact.build_id;
  Json files = Json::array();
  for (const OutputFile& file : artifact.files)
    files.push_back({{"path", file.path}, {"bytes", file.bytes}, {"blake3", file.blake3}});
  json["files"] = files;
  json["code_bytes"] = artifact.code_bytes;
  json["weights_bytes"] = artifact.weights_bytes;
  json["workspace_bytes"] = artifact.workspace_bytes < 0 ? Json(nullptr) : Json(artifact.workspace_bytes);
  json["kernels"] = artifact.kernels;
  json["nodes"] = artifact.nodes;
  json["seconds"] = artifact.seconds;
  add_levels(artifact.levels, json);
  return line(json);
}

std::string failed_artifact_record(const BatchOutcome& batch, const std::string& target, const Diags& problems) {
  Json json = record("artifact/1");
  json["name"] = batch.model;
  json["target"] = target;
  json["status"] = "failed";
  Json codes = Json::array();
  for (const Diag& problem : problems) codes.push_back(code_name(problem.code));
  json["codes"] = codes;
  return line(json);
}

std::string check_record(const CheckReport& report) {
  Json json = record("check/1");
  json["nodes"] = report.nodes;
  json["operators"] = operator_counts(report.operators);
  Json targets = Json::object();
  for (const auto& [target, diags] : report.targets) targets[target] = diags.size();
  json["problems"] = targets;
  return line(json);
}

static Json knobs_json(const Knobs& knobs) {
  Json all = Json::object();
  for (const auto& [knob, value] : knobs.changed()) all[std::string(knob_table()[static_cast<size_t>(knob)].name)] = value;
  return all;
}

std::string space_record(const SpaceReport& report) {
  Json json = record("space/1");
  json["target"] = report.target;
  Json regions = Json::array();
  for (const RegionSpace& region : report.regions) {
    Json tiles = Json::array();
    for (const TileSpace& tile : region.tiles) {
      Json knobs = Json::object();
      for (const KnobValues& k : tile.knobs) knobs[std::string(knob_table()[static_cast<size_t>(k.knob)].name)] = k.values;
      tiles.push_back({{"knobs", knobs}, {"registers", tile.registers}, {"schedules", tile.size()}});
      if (tile.of.valid()) tiles.back()["of"] = tile.value;
    }
    regions.push_back({{"name", region.name}, {"schedules", region.size()}, {"tiles", tiles}});
  }
  json["regions"] = regions;
  return line(json);
}

std::string plan_record(const PlanReport& report, const std::vector<std::vector<NearRecord>>& near) {
  Json json = record("plan/1");
  json["target"] = report.target;
  json["cost_model"] = report.cost_model.empty() ? Json() : Json(report.cost_model);
  Json decisions = Json::array();
  for (const Decision& d : report.decisions) {
    Json row = {{"kind", d.kind}, {"subject", d.subject}, {"nodes", d.nodes}, {"chosen", d.chosen}, {"rules", d.rules}, {"decided_by", d.decided_by}, {"occurrences", d.occurrences}};
    if (!d.point.empty()) row["point"] = d.point;
    row["runner_up"] = d.runner_up.empty() ? Json() : Json(d.runner_up);
    auto known = [](double x) { return x > 0 ? Json(x) : Json(); };
    row["seconds"] = known(d.seconds), row["runner_up_seconds"] = known(d.runner_up_seconds), row["sigma"] = known(d.sigma);
    if (d.reason) {
      Json terms = Json::array();
      for (const Reason::Term& t : d.reason->terms) terms.push_back({{"name", t.name}, {"factor", t.factor}});
      row["reason"] = {{"terms", terms}, {"roofline_seconds", d.reason->roofline}, {"bound", d.reason->bound.empty() ? Json() : Json(d.reason->bound)}, {"next_bound", d.reason->second},
                       {"interval", d.reason->high > 0 ? Json{d.reason->low, d.reason->high} : Json()}, {"nearest", d.reason->nearest.empty() ? Json() : Json(d.reason->nearest)}, {"nearest_seconds", known(d.reason->nearest_seconds)}};
    }
    if (!near.empty()) {
      Json records = Json::array();
      for (const NearRecord& r : near[decisions.size()])
        records.push_back({{"distance", r.distance}, {"seconds", r.seconds}, {"schedule", r.schedule}, {"op_class", r.op_class}, {"workload", r.workload}, {"model", r.model.empty() ? Json() : Json(r.model)}, {"timestamp_us", r.timestamp}});
      row["records"] = std::move(records);
    }
    decisions.push_back(std::move(row));
  }
  json["decisions"] = std::move(decisions);
  return line(json);
}

std::string features_record(const FeaturesReport& report) {
  Json json = record("features/1");
  json["target"] = report.target;
  json["features_hash"] = features_hash();
  Json regions = Json::array();
  for (const RegionFeatures& region : report.regions) {
    Json values = Json::object();
    for (size_t k = 0; k < region.values.size(); ++k)
      values[std::string(feature_table()[k].name)] = std::isnan(region.values[k]) ? Json() : Json(region.values[k]);
    regions.push_back({{"name", region.name}, {"nodes", region.nodes}, {"knobs", knobs_json(region.knobs)}, {"prior_us", region.prior.seconds * 1e6},
                       {"bound", bound_name(region.prior.bound)}, {"floor_us", region.floor * 1e6}, {"features", values}});
  }
  json["regions"] = regions;
  return line(json);
}

std::string inspect_record(const InspectReport& report) {
  Json json = record("inspect/1");
  json["name"] = report.signature.name;
  json["inputs"] = ports(report.signature.inputs);
  json["outputs"] = ports(report.signature.outputs);
  Json symbols = Json::array();
  for (const SymbolInfo& symbol : report.signature.symbols)
    symbols.push_back({{"name", symbol.name},
                       {"lo", symbol.lo},
                       {"hi", symbol.hi >= kIndexMax ? Json(nullptr) : Json(symbol.hi)}});
  json["symbols"] = symbols;
  json["nodes"] = report.nodes;
  json["weights_bytes"] = report.weights_bytes;
  json["operators"] = operator_counts(report.operators);
  if (!report.target.empty())
    json["target"] = report.target, json["build_id"] = report.build_id, json["compiler"] = report.compiler;
  add_levels(report.levels, json);
  return line(json);
}

std::string tensor_record(const NamedTensor& tensor) {
  Json json = record("output/1");
  json["name"] = tensor.name;
  json["type"] = spelling(tensor.tensor.type);
  json["dims"] = tensor.tensor.dims;
  return line(json);
}

std::string verify_record(const VerifyReport& report) {
  Json json = record("verify/1");
  json["passed"] = report.passed;
  Json dims = Json::object();
  for (const auto& [name, value] : report.dims) dims[name] = value;
  json["dims"] = dims;
  json["outputs"] = errors(report.outputs);
  json["layers"] = errors(report.layers);
  Json islands = Json::array();
  for (const NodeRef& node : report.islands) islands.push_back({{"index", node.index}, {"name", node.name}, {"op", node.op}});
  json["islands"] = islands;
  return line(json);
}

std::string bench_record(const BenchReport& report, const std::optional<StoredBench>& stored) {
  Json json = record("bench/1");
  json["target"] = report.target;
  json["median_ms"] = report.median_ms;
  json["min_ms"] = report.min_ms;
  json["spread"] = report.spread;
  json["runs"] = report.runs;
  json["threads"] = report.threads;
  Json kernels = Json::array();
  for (const KernelTime& kernel : report.kernels) {
    Json nodes = Json::array();
    for (const NodeRef& node : kernel.nodes)
      nodes.push_back({{"index", node.index}, {"name", node.name}, {"op", node.op}});
    auto known = [](double value) { return value < 0 ? Json(nullptr) : Json(value); };
    kernels.push_back({{"name", kernel.name},
                       {"median_ms", kernel.median_ms},
                       {"calls", kernel.calls},
                       {"nodes", nodes},
                       {"share", kernel.median_ms / report.median_ms},
                       {"gflops", known(kernel.gflops)},
                       {"gb_per_s", known(kernel.gb_per_s)},
                       {"roofline", known(kernel.roofline)},
                       {"least_ms", known(kernel.least_ms)}});
    if (kernel.loads_ms >= 0) kernels.back()["loads_ms"] = kernel.loads_ms, kernels.back()["arithmetic_ms"] = kernel.arithmetic_ms;
  }
  json["kernels"] = kernels;
  if (!report.kernels.empty()) {
    json["floor_ms"] = report.floor_ms < 0 ? Json(nullptr) : Json(report.floor_ms);
    json["calls"] = report.calls;
    json["uncounted_calls"] = report.uncounted_calls;
    json["regions"] = Json::array();
    for (const RegionTime& region : report.regions) {
      json["regions"].push_back({{"name", region.name}, {"median_ms", region.median_ms}});
      if (region.against_ms >= 0) json["regions"].back()["against_ms"] = region.against_ms;
    }
  }
  if (report.against)
    json["against"] = {{"median_ms", report.against->median_ms}, {"min_ms", report.against->min_ms}, {"ratio", report.against->ratio}, {"low", report.against->low},
                       {"high", report.against->high}, {"differences", report.against->differences}};
  if (stored) json["stored"] = {{"timings", stored->timings}, {"disturbed", stored->disturbed}};
  return line(json);
}

std::string train_record(const TrainReport& report, const std::string& blake3) {
  Json json = record("train/1");
  json["timings"] = report.timings;
  json["other_models"] = report.other_models;
  json["groups"] = report.groups;
  json["other_features"] = report.other_features;
  json["failures"] = report.failures;
  json["trees"] = report.growth;
  json["failure_boosters"] = report.model.failures.size();
  json["calibration"] = {{"floor", report.model.calibration.floor}, {"scale", report.model.calibration.scale}, {"units", report.model.calibration.units}};
  json["features"] = report.model.features;
  json["provenance"] = report.model.provenance;
  json["blake3"] = blake3;
  return line(json);
}

std::string tune_record(const TuneReport& report) {
  Json json = record("tune/1");
  json["target"] = report.target;
  json["timings"] = report.timings;
  json["resumed"] = report.resumed;
  json["seconds"] = report.seconds;
  json["rules_ms"] = report.rules_ms;
  json["median_ms"] = report.result.median_ms;
  json["ratio"] = {report.result.ratio, report.result.low, report.result.high};
  json["faster"] = report.faster;
  json["verified"] = report.verified;
  if (!report.points.empty()) {
    Json points = Json::array();
    for (const TunedPoint& p : report.points)
      points.push_back({{"point", p.point}, {"rules_ms", p.rules_ms}, {"median_ms", p.result.median_ms}, {"ratio", {p.result.ratio, p.result.low, p.result.high}}, {"faster", p.faster}});
    json["points"] = points;
  }
  json["rounds"] = {{"repeated", report.repeated}, {"disturbed", report.disturbed}};
  json["candidates"] = {{"wrong", report.wrong}, {"crashed", report.crashed}, {"timeout", report.timeouts}, {"refused", report.refused}};
  Json answers = Json::array();
  for (const TunedAnswer& answer : report.answers)
    answers.push_back({{"kind", answer.kind}, {"subject", answer.subject}, {"answer", answer.answer}, {"rules", answer.rules}, {"predicted", answer.predicted}, {"ratio", answer.ratio}, {"kept", answer.kept}});
  json["answers"] = answers;
  Json regions = Json::array();
  for (const TunedRegion& region : report.regions) {
    regions.push_back({{"name", region.name}, {"workload", region.workload}, {"occurrences", region.occurrences}, {"rules_ms", region.rules_ms}, {"ratio", region.ratio},
                       {"timings", region.timings}, {"rules", knobs_json(region.rules)}, {"chosen", knobs_json(region.chosen)}});
    if (!region.point.empty()) regions.back()["point"] = region.point;
  }
  json["regions"] = regions;
  return line(json);
}

}  // namespace tenon::cli
