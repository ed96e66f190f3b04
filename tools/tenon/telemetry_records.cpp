#include "telemetry_records.h"

#include "json_line.h"

namespace tenon::cli {

namespace {

Json changes(const std::vector<telemetry::Change>& all) {
  Json list = Json::array();
  for (const telemetry::Change& change : all) list.push_back({{"since_us", change.since}, {"by", change.by}});
  return list;
}

}  // namespace

std::string telemetry_merge_record(const std::string& file, const telemetry::Merged& merged) {
  Json json = record("telemetry_merge/1");
  json["file"] = file;
  json["added"] = merged.added;
  json["known"] = merged.known;
  return line(json);
}

std::string telemetry_ingest_record(const std::string& file, const telemetry::Ingested& ingested) {
  Json json = record("telemetry_ingest/1");
  json["file"] = file;
  json["timings"] = ingested.timings;
  json["torn"] = ingested.torn;
  json["added"] = ingested.merged.added;
  json["known"] = ingested.merged.known;
  return line(json);
}

std::string telemetry_stats_record(const telemetry::Stats& stats) {
  Json json = record("telemetry_stats/1");
  json["records"] = stats.records;
  json["learnable"] = stats.learnable;
  json["sessions"] = stats.sessions;
  json["rows"] = Json::array();
  for (const telemetry::StatsRow& row : stats.rows)
    json["rows"].push_back({{"device", row.device}, {"compiler", row.compiler}, {"op_class", row.op_class}, {"status", telemetry::spelling(row.status)},
                            {"records", row.records}, {"learnable", row.learnable}});
  json["canaries"] = Json::array();
  for (const telemetry::CanaryRow& row : stats.canaries)
    json["canaries"].push_back({{"device", row.device}, {"sessions", row.sessions}, {"canaries", row.canaries}, {"median_s", row.median}, {"spread", row.spread}});
  json["epochs"] = Json::array();
  for (const telemetry::Epoch& e : stats.epochs)
    json["epochs"].push_back({{"hardware", e.hardware}, {"epoch", e.number}, {"device", e.device}, {"compiler", e.compiler}, {"what", e.what}, {"begin_us", e.begin}, {"end_us", e.end}, {"records", e.records}});
  json["classes"] = Json::array();
  for (const telemetry::ClassRow& row : stats.classes)
    json["classes"].push_back({{"hardware", row.hardware}, {"op_class", row.op_class}, {"records", row.records}, {"learnable", row.learnable}, {"epochs", row.epochs}, {"model_hash", row.model_hash},
                               {"residuals", row.residuals}, {"learnable_before", row.before}, {"mean", row.mean}, {"sigma", row.sigma}, {"changes", changes(row.changes)}});
  json["drift"] = Json::array();
  for (const telemetry::CanaryDrift& row : stats.drift)
    json["drift"].push_back({{"hardware", row.hardware}, {"canary", row.name}, {"samples", row.samples}, {"median_s", row.median}, {"sigma", row.sigma}, {"changes", changes(row.changes)}});
  json["advice"] = stats.advice;
  return line(json);
}

std::string telemetry_prune_record(int64_t records, bool dry_run) {
  Json json = record("telemetry_prune/1");
  json["records"] = records;
  json["dry_run"] = dry_run;
  return line(json);
}

}  // namespace tenon::cli
