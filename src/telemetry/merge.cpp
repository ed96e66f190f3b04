// Taking over what another store holds.
#include "insert.h"
#include "read.h"

namespace tenon::telemetry {

Result<Merged> Store::merge(const std::string& path) {
  TENON_TRY(const Store foreign, Store::open(path, {.read_only = true, .check = true}));  // nothing of it is believed
  Database& other = *foreign.db_;
  TENON_TRY(const Transaction same_moment, Transaction::begin(other, false));
  TENON_TRY(Transaction transaction, Transaction::begin(*db_));
  TENON_TRY(Inserter in, Inserter::prepare(*db_));
  Problems problems(path);
  auto add = [&](const auto& row) -> Result<void> {
    TENON_DO(in.add(row, problems));
    return {};
  };
  TENON_DO(each_row<Device>(other, problems, add));
  TENON_DO(each_row<Compiler>(other, problems, add));
  TENON_DO(each_row<Session>(other, problems, add));
  Merged merged;
  TENON_DO(each_row<Record>(other, problems, [&](const Record& record) -> Result<void> {
    TENON_TRY(const bool fresh, in.add(record, problems));
    ++(fresh ? merged.added : merged.known);
    return {};
  }));
  TENON_DO(each_row<Canary>(other, problems, add));
  if (problems.any()) return problems.failure();
  TENON_DO(transaction.commit());
  return merged;
}

}  // namespace tenon::telemetry
