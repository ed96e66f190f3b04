#include "sql.h"

#include <sqlite3.h>

#include <cmath>
#include <filesystem>
#include <limits>
#include <utility>

namespace tenon::telemetry {

namespace {

std::unexpected<Diags> failure(sqlite3* db) {
  const char* file = sqlite3_db_filename(db, "main");
  const bool busy = (sqlite3_errcode(db) & 0xff) == SQLITE_BUSY;
  return fail({.code = Code::E0701, .message = std::string("SQLite: ") + sqlite3_errmsg(db),
               .hint = busy ? "another process is writing to it; try again" : "", .file = file ? file : ""});
}

// As in a URI: what follows `?` would be taken for options.
std::string uri(const std::string& path, const char* options) {
  constexpr char digits[] = "0123456789ABCDEF";
  std::string text = "file:";
  for (const char c : path) {
    if (c == '%' || c == '?' || c == '#') text += {'%', digits[static_cast<uint8_t>(c) >> 4], digits[c & 15]};
    else text += c;
  }
  return text + options;
}

// A file from elsewhere may hold anything: its schema runs no functions, and nothing writes past SQLite.
int harden(sqlite3* db) {
  constexpr int kLongest = 1 << 28;  // bytes of a row: twice that of the longest list
  sqlite3_limit(db, SQLITE_LIMIT_LENGTH, kLongest);
  int ok = sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  if (ok == SQLITE_OK) ok = sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  return ok == SQLITE_OK ? sqlite3_exec(db, "PRAGMA cell_size_check=ON; PRAGMA foreign_keys=ON; PRAGMA synchronous=FULL", nullptr, nullptr, nullptr) : ok;
}

}  // namespace

void Statement::Finalize::operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }

// A failing bind shows in the next step.
void Statement::bind(int at, std::string_view text) {
  sqlite3_bind_text64(statement_.get(), at, text.empty() ? "" : text.data(), text.size(), SQLITE_STATIC, SQLITE_UTF8);
}
void Statement::bind(int at, int64_t number) { sqlite3_bind_int64(statement_.get(), at, number); }
void Statement::bind(int at, double number) { sqlite3_bind_double(statement_.get(), at, number); }
void Statement::bind(int at, std::span<const std::byte> blob) {
  sqlite3_bind_blob64(statement_.get(), at, blob.empty() ? static_cast<const void*>("") : blob.data(), blob.size(), SQLITE_STATIC);
}
void Statement::bind_null(int at) { sqlite3_bind_null(statement_.get(), at); }

Result<bool> Statement::step() {
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  const auto problem = failure(sqlite3_db_handle(statement_.get()));
  sqlite3_reset(statement_.get());
  return problem;
}

Result<void> Statement::run() {
  for (bool more = true; more;) {
    TENON_TRY(more, step());
  }
  reset();
  return {};
}

void Statement::reset() { sqlite3_reset(statement_.get()); }

bool Statement::null(int column) const { return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL; }
std::string Statement::text(int column) const {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement_.get(), column));
  return text ? std::string(text, static_cast<size_t>(sqlite3_column_bytes(statement_.get(), column))) : std::string();
}
int64_t Statement::integer(int column) const { return sqlite3_column_int64(statement_.get(), column); }
double Statement::real(int column) const {
  return null(column) ? std::numeric_limits<double>::quiet_NaN() : sqlite3_column_double(statement_.get(), column);
}
std::span<const std::byte> Statement::blob(int column) const {
  const auto* bytes = static_cast<const std::byte*>(sqlite3_column_blob(statement_.get(), column));
  return {bytes, static_cast<size_t>(sqlite3_column_bytes(statement_.get(), column))};
}

void Database::Close::operator()(sqlite3* db) const { sqlite3_close_v2(db); }

Result<Database> Database::open(const std::string& path, Access access, int busy_ms) {
  const int flags = access == Access::Read ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
  auto attempt = [&](const char* options) {
    sqlite3* raw = nullptr;
    const std::string name = access == Access::Memory ? ":memory:" : uri(path, options);
    int ok = sqlite3_open_v2(name.c_str(), &raw, flags | SQLITE_OPEN_URI | SQLITE_OPEN_EXRESCODE, nullptr);
    std::unique_ptr<sqlite3, Close> db(raw);
    if (ok == SQLITE_OK) ok = sqlite3_busy_timeout(raw, busy_ms);
    if (ok == SQLITE_OK) ok = harden(raw);
    // The first read finds the file, its log and its locks.
    if (ok == SQLITE_OK) ok = sqlite3_exec(raw, "SELECT count(*) FROM sqlite_schema", nullptr, nullptr, nullptr);
    return std::pair(ok, std::move(db));
  };
  std::error_code ignored;
  if (access != Access::Memory && std::filesystem::is_directory(path, ignored))
    return fail({.code = Code::E0701, .message = "this is a folder", .file = path});
  auto [ok, db] = attempt("");
  // From where nobody may write, a store without a log is read as it lies.
  if (const int kind = ok & 0xff; access == Access::Read && (kind == SQLITE_CANTOPEN || kind == SQLITE_READONLY) &&
                                  std::filesystem::exists(path, ignored) && !std::filesystem::exists(path + "-wal", ignored))
    std::tie(ok, db) = attempt("?immutable=1");
  if (ok != SQLITE_OK) {
    auto problem = failure(db.get());
    problem.error()[0].file = path;
    return problem;
  }
  return Database(std::move(db), path);
}

Result<Statement> Database::prepare(std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v2(db_.get(), sql.data(), static_cast<int>(sql.size()), &statement, nullptr) != SQLITE_OK) return failure(db_.get());
  return Statement(statement);
}

Result<void> Database::run(const std::string& sql) {
  if (sqlite3_exec(db_.get(), sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) return failure(db_.get());
  return {};
}

Result<int64_t> Database::number(std::string_view sql) {
  TENON_TRY(Statement statement, prepare(sql));
  TENON_TRY(const bool row, statement.step());
  return row ? statement.integer(0) : 0;
}

Result<std::string> Database::text(std::string_view sql) {
  TENON_TRY(Statement statement, prepare(sql));
  std::string all;
  while (true) {
    TENON_TRY(const bool row, statement.step());
    if (!row) return all;
    all += (all.empty() ? "" : "\n") + statement.text(0);
  }
}

Result<void> Database::copy_from(Database& other) {
  sqlite3_backup* backup = sqlite3_backup_init(db_.get(), "main", other.db_.get(), "main");
  if (!backup) return failure(db_.get());
  sqlite3_backup_step(backup, -1);
  if (sqlite3_backup_finish(backup) != SQLITE_OK) return failure(db_.get());
  return {};
}

bool Database::busy() const { return (sqlite3_errcode(db_.get()) & 0xff) == SQLITE_BUSY; }

Result<Transaction> Transaction::begin(Database& db, bool write) {
  TENON_DO(db.run(write ? "BEGIN IMMEDIATE" : "BEGIN"));
  return Transaction(db);
}

Transaction::~Transaction() {
  if (db_) (void)db_->run("ROLLBACK");
}

Result<void> Transaction::commit() {
  TENON_DO(db_->run("COMMIT"));
  db_ = nullptr;
  return {};
}

}  // namespace tenon::telemetry
