// Taking over what another store holds, and looking whether a store is whole.
#include <filesystem>

#include "insert.h"
#include "schema.h"

namespace tenon::telemetry {

namespace {

// A store of somebody else's: nothing of it is believed. E0701 where it is damaged.
Result<Database> open_foreign(const std::string& path) {
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return fail({.code = Code::E0701, .message = "there is no such store", .file = path});
  TENON_TRY(Database db, Database::open(path, Access::Read, 10000));
  TENON_TRY(const int64_t version, schema_version(db, false));
  TENON_TRY(const std::string pages, db.text("PRAGMA quick_check(20)"));
  if (pages != "ok") return fail({.code = Code::E0701, .message = "the file is damaged: " + pages, .file = path});
  if (version < static_cast<int64_t>(migrations().size())) {
    TENON_TRY(Database copy, Database::open(path, Access::Memory, 0));
    TENON_DO(copy.copy_from(db));
    TENON_DO(migrate(copy, migrations()));
    db = std::move(copy);
  }
  TENON_DO(check_schema(db));
  return db;
}

template <class Row, class Use>
Result<void> each_row(Database& db, const std::string& table, const char* id, Problems& problems, Use use) {
  TENON_TRY(Statement statement, db.prepare("SELECT " + std::string(id) + ", " + columns<Row>() + " FROM " + table));
  while (true) {
    TENON_TRY(const bool more, statement.step());
    if (!more) return {};
    Row row;
    std::vector<std::string> wrong;
    each_field(row, Reader(statement, 1, wrong));
    const std::string first = statement.text(0);
    if constexpr (std::is_same_v<Row, Record> || std::is_same_v<Row, Device>) {
      if (wrong.empty() && checksum(row) != first) wrong.push_back("its checksum does not fit");
    }
    if constexpr (std::is_same_v<Row, Record>) {
      if (!wrong.empty()) problems.add("record " + row.uuid.substr(0, 36), wrong);
    } else {
      problems.add(table + " " + first.substr(0, 36), wrong);
    }
    if (wrong.empty()) TENON_DO(use(row));
  }
}

}  // namespace

Result<Merged> Store::merge(const std::string& path) {
  TENON_TRY(Database other, open_foreign(path));
  TENON_TRY(const Transaction same_moment, Transaction::begin(other, false));
  TENON_TRY(Transaction transaction, Transaction::begin(*db_));
  TENON_TRY(Inserter in, Inserter::prepare(*db_));
  Problems problems(path);
  auto add = [&](const auto& row) -> Result<void> {
    TENON_DO(in.add(row, problems));
    return {};
  };
  TENON_DO(each_row<Device>(other, "device", "fingerprint", problems, add));
  TENON_DO(each_row<Compiler>(other, "compiler", "id", problems, add));
  TENON_DO(each_row<Session>(other, "session", "uuid", problems, add));
  Merged merged;
  TENON_DO(each_row<Record>(other, "record", "checksum", problems, [&](const Record& record) -> Result<void> {
    TENON_TRY(const bool fresh, in.add(record, problems));
    ++(fresh ? merged.added : merged.known);
    return {};
  }));
  if (problems.any()) return problems.failure();
  TENON_DO(transaction.commit());
  return merged;
}

Result<void> Store::check() {
  TENON_TRY(const Transaction same_moment, Transaction::begin(*db_, false));
  TENON_TRY(const std::string pages, db_->text("PRAGMA integrity_check(20)"));
  if (pages != "ok") return fail({.code = Code::E0701, .message = "the file is damaged: " + pages, .file = db_->path()});
  TENON_TRY(const std::string orphans, db_->text("SELECT \"table\" || ' row without its ' || parent FROM pragma_foreign_key_check LIMIT 20"));
  if (!orphans.empty()) return fail({.code = Code::E0701, .message = orphans, .file = db_->path()});
  Problems problems(db_->path());
  auto look = [&](const auto& row) -> Result<void> {
    problems.add("", problems_of(row));
    return {};
  };
  TENON_DO(each_row<Device>(*db_, "device", "fingerprint", problems, look));
  TENON_DO(each_row<Compiler>(*db_, "compiler", "id", problems, look));
  TENON_DO(each_row<Session>(*db_, "session", "uuid", problems, look));
  TENON_DO(each_row<Record>(*db_, "record", "checksum", problems, look));
  if (problems.any()) return problems.failure();
  return {};
}

}  // namespace tenon::telemetry
