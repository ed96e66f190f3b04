// Whether a store is whole.
#include <filesystem>

#include "read.h"

namespace tenon::telemetry {

namespace {

Result<void> check_pages(Database& db, const char* how) {
  TENON_TRY(const std::string pages, db.text("PRAGMA " + std::string(how) + "(20)"));
  if (pages != "ok") return fail({.code = Code::E0701, .message = "the file is damaged: " + pages, .file = db.path()});
  // SQLite takes what a last page lacks for zeros. Where power was lost while the log was copied into the file, the log still has that page; should
  // it not, the records' checksums tell.
  TENON_TRY(const int64_t page, db.number("PRAGMA page_size"));
  std::error_code ignored;
  const auto log = std::filesystem::file_size(db.path() + "-wal", ignored);
  const bool logged = !ignored && log > 0;
  if (const auto size = std::filesystem::file_size(db.path(), ignored); !logged && !ignored && size % static_cast<uint64_t>(page) != 0)
    return fail({.code = Code::E0701, .message = "the file is damaged: it ends inside of a page", .file = db.path()});
  TENON_TRY(const std::string orphans, db.text("SELECT \"table\" || ' row without its ' || parent FROM pragma_foreign_key_check LIMIT 20"));
  if (!orphans.empty()) return fail({.code = Code::E0701, .message = orphans, .file = db.path()});
  return {};
}

template <class Row>
Result<void> check_rows(Database& db, Problems& problems) {
  TENON_TRY(Statement statement, db.prepare(select_rows<Row>()));
  return each_sound_row<Row>(statement, problems, [](const Row&) -> Result<void> { return {}; });
}

Result<void> check_origins(Database& db, Problems& problems) {
  TENON_DO(check_rows<Device>(db, problems));
  TENON_DO(check_rows<Compiler>(db, problems));
  return check_rows<Session>(db, problems);
}

}  // namespace

Result<void> check_file(Database& db) {
  TENON_TRY(const Transaction same_moment, Transaction::begin(db, false));
  TENON_DO(check_pages(db, "quick_check"));
  Problems problems(db.path());
  TENON_DO(check_origins(db, problems));
  if (problems.any()) return problems.failure();
  return {};
}

Result<void> Store::check() {
  TENON_TRY(const Transaction same_moment, Transaction::begin(*db_, false));
  TENON_DO(check_pages(*db_, "integrity_check"));
  Problems problems(db_->path());
  TENON_DO(check_origins(*db_, problems));
  TENON_DO(check_rows<Record>(*db_, problems));
  TENON_DO(check_rows<Canary>(*db_, problems));
  if (problems.any()) return problems.failure();
  return {};
}

}  // namespace tenon::telemetry
