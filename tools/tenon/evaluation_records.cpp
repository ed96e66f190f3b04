#include "evaluation_records.h"

#include "json_line.h"

namespace tenon::cli {

namespace {

Json methods_json(const std::vector<MethodFigures>& methods) {
  Json all = Json::object();
  for (const MethodFigures& method : methods) {
    Json& one = all[method.method] = Json::object();
    for (size_t m = 0; m < kMetrics; ++m)
      if (const Figure& f = method.figures[m]; f.groups > 0) one[std::string(metric_table()[m].key)] = {{"value", f.value}, {"low", f.low}, {"high", f.high}, {"groups", f.groups}};
  }
  return all;
}

}  // namespace

std::string evaluation_record(const EvaluationReport& report) {
  Json json = record("evaluate/1");
  json["leave"] = spelling(report.leave);
  json["seeds"] = report.seeds;
  json["probes"] = report.probes;
  json["timings"] = report.timings;
  json["failures"] = report.failures;
  json["devices"] = report.devices;
  json["machines"] = report.machines;
  json["left_out"] = {{"unnamed", report.unnamed}, {"of_no_family", report.of_no_family}, {"other_features", report.other_features}};
  json["notes"] = report.notes;
  json["all"] = methods_json(report.all);
  json["splits"] = Json::array();
  for (const EvaluatedSplit& split : report.splits) {
    Json one = {{"left_out", split.left_out}, {"training", split.training}, {"timings", split.timings}, {"groups", split.groups}};
    if (split.skipped.empty()) one["methods"] = methods_json(split.methods);
    else one["skipped"] = split.skipped;
    json["splits"].push_back(std::move(one));
  }
  return line(json);
}

}  // namespace tenon::cli
