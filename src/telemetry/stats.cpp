#include <algorithm>
#include <map>

#include "changes.h"
#include "rows.h"

namespace tenon::telemetry {

namespace {

double quantile(const std::vector<double>& sorted, double q) {
  return sorted[static_cast<size_t>(q * static_cast<double>(sorted.size() - 1) + 0.5)];
}

Result<std::vector<CanaryRow>> base_times(Database& db) {
  TENON_TRY(Statement statement, db.prepare("SELECT device, session, canary_before, canary_after FROM record ORDER BY device, session"));
  std::map<std::string, std::vector<double>> times;
  std::map<std::string, int64_t> sessions;
  std::string last;
  while (true) {
    TENON_TRY(const bool more, statement.step());
    if (!more) break;
    const std::string device = statement.text(0), both = device + statement.text(1);
    if (both != last) ++sessions[device], last = both;
    for (const int column : {2, 3})
      if (!statement.null(column)) times[device].push_back(statement.real(column));
  }
  std::vector<CanaryRow> rows;
  for (const auto& [device, count] : sessions) {
    CanaryRow& row = rows.emplace_back(CanaryRow{.device = device, .sessions = count});
    std::vector<double>& all = times[device];
    row.canaries = static_cast<int64_t>(all.size());
    if (all.empty()) continue;
    std::ranges::sort(all);
    row.median = quantile(all, 0.5);
    row.spread = (quantile(all, 0.9) - quantile(all, 0.1)) / row.median;
  }
  return rows;
}

}  // namespace

Result<Stats> Store::stats(const std::function<void(int64_t, int64_t)>& progress) {
  TENON_TRY(const Transaction same_moment, Transaction::begin(*db_, false));
  Stats stats;
  std::map<std::string, std::string> hardware_of, names;
  TENON_TRY(const std::vector<Device> all_devices, devices());
  for (const Device& device : all_devices) {
    const std::string id = hardware(device);
    hardware_of[fingerprint(device)] = id, names[id] = device.microarchitecture + " " + id.substr(0, 12);
  }
  TENON_TRY(stats.epochs, telemetry::epochs(std::span(this, 1)));
  std::map<std::pair<std::string, std::string>, int> epoch_of;
  for (const Epoch& epoch : stats.epochs) epoch_of[{epoch.device, epoch.compiler}] = epoch.number;

  TENON_TRY(const int64_t count, db_->number("SELECT count(*) FROM record"));
  std::map<std::tuple<std::string, std::string, std::string, Status>, StatsRow> rows;
  Residuals residuals;
  TENON_TRY(stats.records, each({.all_devices = true, .all_compilers = true}, [&](const Record& r) {
    const std::string op_class = op_class_of(r);
    StatsRow& row = rows.try_emplace({r.device, r.compiler, op_class, r.status}, StatsRow{.device = r.device, .compiler = r.compiler, .op_class = op_class, .status = r.status}).first->second;
    ++row.records, row.learnable += r.status == Status::Ok && !r.features.empty();
    residuals.add(r, op_class, hardware_of[r.device], epoch_of[{r.device, r.compiler}]);
    if (progress) progress(++stats.records, count);
  }));
  for (const auto& [id, row] : rows) stats.rows.push_back(row), stats.learnable += row.learnable;
  stats.classes = residuals.rows();
  TENON_TRY(stats.sessions, db_->number("SELECT count(*) FROM session"));
  TENON_TRY(stats.canaries, base_times(*db_));
  TENON_TRY(const std::vector<Canary> all_canaries, canaries());
  for (const Canary& canary : all_canaries)
    if (!hardware_of.contains(canary.device)) return fail({.code = Code::E0701, .message = "canaries have lost their device", .hint = "tenon telemetry stats --check", .file = db_->path()});
  stats.drift = canary_drift(all_canaries, hardware_of);
  stats.advice = advice(stats, names);
  return stats;
}

}  // namespace tenon::telemetry
