#include <filesystem>
#include <random>
#include <thread>

#include "insert.h"
#include "read.h"
#include "schema.h"

namespace tenon::telemetry {

namespace {

// Turning a new file into one with a log needs it for a moment alone; SQLite does not wait for that by itself.
Result<void> use_log(Database& db, const OpenOptions& options) {
  using namespace std::chrono;
  for (const auto start = steady_clock::now();;) {
    const Result<std::string> mode = db.text("PRAGMA journal_mode = WAL");
    if (mode && *mode == "wal") break;
    if (mode && !db.busy()) return fail({.code = Code::E0701, .message = "the file system keeps no write-ahead log", .hint = "put the store on a local disk", .file = db.path()});
    if (!mode && !db.busy()) return std::unexpected(mode.error());
    if (steady_clock::now() - start > milliseconds(options.busy_ms))
      return fail({.code = Code::E0701, .message = "another process holds the store", .hint = "try again", .file = db.path()});
    std::this_thread::sleep_for(milliseconds(2));
  }
  return db.run("PRAGMA wal_autocheckpoint = " + std::to_string(options.checkpoint_pages));
}

// A list of parameters "?, ?".
std::string marks(size_t count) {
  std::string text;
  for (size_t k = 0; k < count; ++k) text += k ? ", ?" : "?";
  return text;
}

}  // namespace

std::string new_uuid() {
  std::random_device random;
  constexpr char digits[] = "0123456789abcdef";
  std::string text;
  for (int k = 0; k < 32; ++k) {
    if (k == 8 || k == 12 || k == 16 || k == 20) text += '-';
    uint32_t digit = random() & 15;
    if (k == 12) digit = 4;
    if (k == 16) digit = 8 | (digit & 3);
    text += digits[digit];
  }
  return text;
}

Store::Store(std::unique_ptr<Database> db) : db_(std::move(db)) {}
Store::Store(Store&&) noexcept = default;
Store& Store::operator=(Store&&) noexcept = default;
Store::~Store() = default;

Result<Store> Store::open(const std::string& path, const OpenOptions& options) {
  std::error_code ignored;
  if (options.read_only && !std::filesystem::exists(path, ignored)) return fail({.code = Code::E0701, .message = "there is no such store", .file = path});
  TENON_TRY(Database db, Database::open(path, options.read_only ? Access::Read : Access::Write, options.busy_ms));
  TENON_TRY(const int64_t version, schema_version(db, !options.read_only));
  if (!options.read_only) {
    TENON_DO(use_log(db, options));
    TENON_DO(migrate(db, migrations()));
  } else if (version < static_cast<int64_t>(migrations().size())) {
    TENON_TRY(Database copy, Database::open(path, Access::Memory, 0));
    TENON_DO(copy.copy_from(db));
    TENON_DO(migrate(copy, migrations()));
    db = std::move(copy);
  }
  TENON_DO(check_schema(db));
  if (options.check) TENON_DO(check_file(db));
  return Store(std::make_unique<Database>(std::move(db)));
}

Result<Merged> Store::append(std::span<const Record> records, const Origins& origins, std::span<const Canary> canaries) {
  Merged merged;
  Problems problems;
  TENON_TRY(Inserter in, Inserter::prepare(*db_));
  TENON_TRY(Transaction transaction, Transaction::begin(*db_));
  for (const Device& device : origins.devices) TENON_DO(in.add(device, problems));
  for (const Compiler& compiler : origins.compilers) TENON_DO(in.add(compiler, problems));
  for (const Session& session : origins.sessions) TENON_DO(in.add(session, problems));
  for (const Record& record : records) {
    TENON_TRY(const bool fresh, in.add(record, problems));
    ++(fresh ? merged.added : merged.known);
  }
  for (const Canary& canary : canaries) TENON_DO(in.add(canary, problems));
  if (problems.any()) return problems.failure();
  TENON_DO(transaction.commit());
  return merged;
}

Result<std::vector<Record>> Store::query(const Filter& filter) {
  std::vector<Record> records;
  TENON_DO(each(filter, [&](const Record& record) { records.push_back(record); }));
  return records;
}

Result<int64_t> Store::each(const Filter& filter, const std::function<void(const Record&)>& use) {
  std::string where = "1";
  if (!filter.all_devices) where += " AND device IN (" + marks(filter.devices.size()) + ")";
  if (!filter.all_compilers) where += " AND compiler IN (" + marks(filter.compilers.size()) + ")";
  if (!filter.workload.empty()) where += " AND workload_hash = ?";
  if (!filter.statuses.empty()) where += " AND status IN (" + marks(filter.statuses.size()) + ")";
  TENON_TRY(Statement statement, db_->prepare(select_rows<Record>() + " WHERE " + where + " ORDER BY key"));
  int at = 1;
  if (!filter.all_devices) for (const std::string& id : filter.devices) statement.bind(at++, std::string_view(id));
  if (!filter.all_compilers) for (const std::string& id : filter.compilers) statement.bind(at++, std::string_view(id));
  if (!filter.workload.empty()) statement.bind(at++, std::string_view(filter.workload));
  for (const Status status : filter.statuses) statement.bind(at++, spelling(status));

  int64_t count = 0;
  Problems problems(db_->path());
  TENON_DO(each_sound_row<Record>(statement, problems, [&](const Record& record) -> Result<void> {
    if (!problems.any()) use(record), ++count;
    return {};
  }));
  if (problems.any()) return problems.failure();
  return count;
}

Result<std::vector<Device>> Store::devices() { return all_rows<Device>(*db_, "fingerprint"); }
Result<std::vector<Compiler>> Store::compilers() { return all_rows<Compiler>(*db_, "id"); }
Result<std::vector<Session>> Store::sessions() { return all_rows<Session>(*db_, "started, uuid"); }
Result<std::vector<Canary>> Store::canaries() { return all_rows<Canary>(*db_, "timestamp, name, session"); }

Result<int64_t> Store::prune(const PruneRule& rule) {
  std::string where = "1";
  if (rule.before > 0) where += " AND timestamp < ?1";
  if (!rule.device.empty()) where += " AND device = ?2";
  if (!rule.compiler.empty()) where += " AND compiler = ?3";
  if (rule.disturbed_only) where += " AND status = 'disturbed'";
  auto bound = [&](const std::string& sql) -> Result<Statement> {
    TENON_TRY(Statement statement, db_->prepare(sql + where));
    if (rule.before > 0) statement.bind(1, rule.before);
    if (!rule.device.empty()) statement.bind(2, std::string_view(rule.device));
    if (!rule.compiler.empty()) statement.bind(3, std::string_view(rule.compiler));
    return statement;
  };
  TENON_TRY(Transaction transaction, Transaction::begin(*db_, !rule.dry_run));
  TENON_TRY(Statement count, bound("SELECT count(*) FROM record WHERE "));
  TENON_DO(count.step());
  const int64_t number = count.integer(0);
  count.reset();
  if (rule.dry_run || number == 0) return number;
  TENON_TRY(Statement remove, bound("DELETE FROM record WHERE "));
  TENON_DO(remove.run());
  TENON_DO(db_->run("DELETE FROM canary WHERE session NOT IN (SELECT session FROM record) OR device NOT IN (SELECT device FROM record)"
                    " OR compiler NOT IN (SELECT compiler FROM record);"
                    "DELETE FROM session WHERE uuid NOT IN (SELECT session FROM record);"
                    "DELETE FROM device WHERE fingerprint NOT IN (SELECT device FROM record);"
                    "DELETE FROM compiler WHERE id NOT IN (SELECT compiler FROM record)"));
  TENON_DO(transaction.commit());
  return number;
}

}  // namespace tenon::telemetry
