#include <algorithm>
#include <map>

#include "rows.h"

namespace tenon::telemetry {

namespace {

double quantile(const std::vector<double>& sorted, double q) {
  return sorted[static_cast<size_t>(q * static_cast<double>(sorted.size() - 1) + 0.5)];
}

Result<std::vector<CanaryRow>> canaries(Database& db) {
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

Result<Stats> Store::stats() {
  TENON_TRY(const Transaction same_moment, Transaction::begin(*db_, false));
  TENON_TRY(Statement statement, db_->prepare("SELECT device, compiler, status, workload ->> '$.op_class', count(*), sum(status = 'ok' AND features IS NOT NULL) "
                                              "FROM record GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 4, 3"));
  Stats stats;
  while (true) {
    TENON_TRY(const bool more, statement.step());
    if (!more) break;
    StatsRow& row = stats.rows.emplace_back(StatsRow{.device = statement.text(0), .compiler = statement.text(1), .op_class = statement.text(3),
                                                     .status = parse_status(statement.text(2)).value_or(Status::Invalid),
                                                     .records = statement.integer(4), .learnable = statement.integer(5)});
    stats.records += row.records;
    stats.learnable += row.learnable;
  }
  TENON_TRY(stats.sessions, db_->number("SELECT count(*) FROM session"));
  TENON_TRY(stats.canaries, canaries(*db_));
  return stats;
}

}  // namespace tenon::telemetry
