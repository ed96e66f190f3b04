// JSON records of `tenon telemetry`: docs/schemas.md.
#pragma once

#include <string>

#include "tenon/telemetry.h"

namespace tenon::cli {

std::string telemetry_merge_record(const std::string& file, const telemetry::Merged& merged);
std::string telemetry_ingest_record(const std::string& file, const telemetry::Ingested& ingested);
std::string telemetry_stats_record(const telemetry::Stats& stats);
std::string telemetry_stats_text(const telemetry::Stats& stats);  // the same as tables and sentences
std::string telemetry_prune_record(int64_t records, bool dry_run);

}  // namespace tenon::cli
