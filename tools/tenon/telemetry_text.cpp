// What `tenon telemetry stats` prints for people.
#include <chrono>
#include <cmath>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "telemetry_records.h"

namespace tenon::cli {

namespace {

namespace tm = telemetry;

std::string short_id(const std::string& id) { return id.substr(0, 12); }

std::string day(int64_t microseconds) { return fmt::format("{:%Y-%m-%d %H:%M}", std::chrono::floor<std::chrono::minutes>(std::chrono::sys_time(std::chrono::microseconds(microseconds)))); }

// "+7 % 2026-11-27 20:14"
std::string shown(const std::vector<tm::Change>& changes) {
  std::string text;
  for (const tm::Change& change : changes) text += fmt::format("{}{:+.0f} % {}", text.empty() ? "" : ", ", 100 * std::expm1(change.by), day(change.since));
  return text;
}

std::string percent(double share) { return std::isnan(share) ? "-" : fmt::format("{:.1f} %", 100 * share); }

}  // namespace

std::string telemetry_stats_text(const tm::Stats& stats) {
  std::string text;
  if (!stats.rows.empty()) text += "device        compiler      op class          status     records  learnable\n";
  for (const tm::StatsRow& row : stats.rows)
    text += fmt::format("{:<12}  {:<12}  {:<16}  {:<9}  {:>8}  {:>9}\n", short_id(row.device), short_id(row.compiler), row.op_class, tm::spelling(row.status), row.records, row.learnable);
  if (!stats.epochs.empty()) text += "\nhardware      epoch  device        compiler      began             records  what\n";
  for (const tm::Epoch& e : stats.epochs)
    text += fmt::format("{:<12}  {:>5}  {:<12}  {:<12}  {}  {:>7}  {}\n", short_id(e.hardware), e.number, short_id(e.device), short_id(e.compiler), day(e.begin), e.records, e.what);
  if (!stats.classes.empty()) text += "\nhardware      op class          records  learnable  epochs  predicted by  residuals     mean   spread  drift\n";
  for (const tm::ClassRow& row : stats.classes)
    text += fmt::format("{:<12}  {:<16}  {:>7}  {:>9}  {:>6}  {:<12}  {:>9}  {:>7}  {:>7}  {}\n", short_id(row.hardware), row.op_class, row.records, row.learnable, row.epochs,
                        row.residuals == 0 ? "-" : row.model_hash.empty() ? "the prior" : short_id(row.model_hash), row.residuals, percent(row.mean), percent(row.sigma), shown(row.changes));
  if (!stats.drift.empty()) text += "\nhardware      canary        samples     median   spread  drift\n";
  for (const tm::CanaryDrift& row : stats.drift)
    text += fmt::format("{:<12}  {:<12}  {:>7}  {:>6.1f} us  {:>7}  {}\n", short_id(row.hardware), row.name, row.samples, row.median * 1e6, percent(row.sigma), shown(row.changes));
  if (!text.empty()) text += "\n";
  for (const tm::CanaryRow& row : stats.canaries)
    if (row.canaries > 0) text += fmt::format("{:<12}  the base took {:.4g} s, spread {:.1f} %, {} times in {} sessions\n", short_id(row.device), row.median, 100 * row.spread, row.canaries, row.sessions);
  text += fmt::format("{} records in {} sessions, {} learnable\n", stats.records, stats.sessions, stats.learnable);
  for (const std::string& sentence : stats.advice) text += sentence + "\n";
  return text;
}

}  // namespace tenon::cli
