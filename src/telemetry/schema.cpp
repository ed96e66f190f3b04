#include "schema.h"

namespace tenon::telemetry {

namespace {

constexpr const char* kMigrations[] = {
    R"(
CREATE TABLE device(
  fingerprint TEXT NOT NULL PRIMARY KEY CHECK(length(fingerprint) = 64),
  microarchitecture TEXT NOT NULL, features TEXT NOT NULL,
  l1d_bytes INTEGER, l2_bytes INTEGER, l3_bytes INTEGER, clock_mhz REAL,
  kernel TEXT NOT NULL, microcode TEXT NOT NULL, target_hash TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE compiler(
  id TEXT NOT NULL PRIMARY KEY CHECK(length(id) = 64), version TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE session(
  uuid TEXT NOT NULL PRIMARY KEY CHECK(length(uuid) = 36),
  started INTEGER NOT NULL,
  source TEXT NOT NULL CHECK(source IN ('tune', 'bench', 'deployed')),
  policy TEXT NOT NULL, runner TEXT NOT NULL, cpus TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE record(
  key INTEGER PRIMARY KEY,
  checksum TEXT NOT NULL CHECK(length(checksum) = 64),
  uuid TEXT NOT NULL UNIQUE CHECK(length(uuid) = 36),
  session TEXT NOT NULL REFERENCES session(uuid),
  device TEXT NOT NULL REFERENCES device(fingerprint),
  compiler TEXT NOT NULL REFERENCES compiler(id),
  workload_hash TEXT NOT NULL, schedule_hash TEXT NOT NULL,
  schedule TEXT NOT NULL, workload TEXT NOT NULL,
  feature_hash TEXT NOT NULL, features BLOB CHECK(length(features) % 4 = 0),
  trace TEXT NOT NULL,
  status TEXT NOT NULL CHECK(status IN ('ok', 'wrong', 'invalid', 'crashed', 'timeout', 'disturbed')),
  message TEXT NOT NULL,
  samples BLOB CHECK(length(samples) % 8 = 0), median REAL CHECK(median > 0), mad REAL CHECK(mad >= 0),
  warmups INTEGER, canary_before REAL CHECK(canary_before > 0), canary_after REAL CHECK(canary_after > 0),
  involuntary_switches INTEGER, voluntary_switches INTEGER, migrations INTEGER, load REAL,
  clock_before_mhz REAL, clock_after_mhz REAL,
  compile_ms REAL, code_bytes INTEGER, spills INTEGER, peak_bytes INTEGER, error_ulp REAL,
  predicted REAL, predicted_sigma REAL, model_hash TEXT NOT NULL, decided_by TEXT NOT NULL,
  timestamp INTEGER NOT NULL,
  model_name TEXT NOT NULL, nodes TEXT NOT NULL
) STRICT;
CREATE INDEX record_by_workload ON record(workload_hash, device, compiler);
CREATE INDEX record_by_session ON record(session);
CREATE INDEX record_by_device ON record(device, compiler);
CREATE INDEX record_by_compiler ON record(compiler);
)",
    // 2: canaries.
    R"(
CREATE TABLE canary(
  key INTEGER PRIMARY KEY,
  checksum TEXT NOT NULL CHECK(length(checksum) = 64),
  session TEXT NOT NULL REFERENCES session(uuid),
  device TEXT NOT NULL REFERENCES device(fingerprint),
  compiler TEXT NOT NULL REFERENCES compiler(id),
  name TEXT NOT NULL, seconds REAL NOT NULL CHECK(seconds > 0), timestamp INTEGER NOT NULL,
  UNIQUE(session, timestamp, name)
) STRICT;
CREATE INDEX canary_by_device ON canary(device, compiler);
CREATE INDEX canary_by_compiler ON canary(compiler);
)",
    // 3: beside what else each time was taken.
    R"(
ALTER TABLE record ADD COLUMN base_ratio REAL CHECK(base_ratio > 0);
)",
};

std::string shown(int64_t number) {
  constexpr char digits[] = "0123456789abcdef";
  std::string text = "0x";
  for (int shift = 28; shift >= 0; shift -= 4) text += digits[(number >> shift) & 15];
  return text;
}

std::unexpected<Diags> unusable(const Database& db, std::string message, std::string hint = {}) {
  return fail({.code = Code::E0701, .message = std::move(message), .hint = std::move(hint), .file = db.path()});
}

Result<std::string> schema_text(Database& db) {
  return db.text("SELECT type || ' ' || name || ' ' || tbl_name || ' ' || coalesce(sql, '') FROM sqlite_schema WHERE name NOT LIKE 'sqlite_stat%' ORDER BY type, name");
}

}  // namespace

std::span<const char* const> migrations() { return kMigrations; }

Result<void> migrate(Database& db, std::span<const char* const> migrations) {
  const auto newest = static_cast<int64_t>(migrations.size());
  TENON_TRY(const int64_t before, db.number("PRAGMA user_version"));
  if (before == newest) return {};
  TENON_TRY(Transaction transaction, Transaction::begin(db));
  TENON_TRY(const int64_t version, db.number("PRAGMA user_version"));  // another process may have been first
  if (version < 0 || version > newest)
    return unusable(db, "the store has schema " + std::to_string(version) + "; this release knows up to " + std::to_string(newest), "use a newer Tenon");
  for (int64_t k = version; k < newest; ++k) TENON_DO(db.run(migrations[static_cast<size_t>(k)]));
  TENON_DO(db.run("PRAGMA application_id = " + std::to_string(kApplicationId) + "; PRAGMA user_version = " + std::to_string(newest)));
  return transaction.commit();
}

Result<int64_t> schema_version(Database& db, bool may_be_empty) {
  TENON_TRY(const Transaction same_moment, Transaction::begin(db, false));
  TENON_TRY(const int64_t id, db.number("PRAGMA application_id"));
  TENON_TRY(const int64_t version, db.number("PRAGMA user_version"));
  TENON_TRY(const int64_t tables, db.number("SELECT count(*) FROM sqlite_schema"));
  if (may_be_empty && id == 0 && version == 0 && tables == 0) return 0;
  if (id != kApplicationId) return unusable(db, "this is no telemetry store: its application id is " + shown(id) + ", not " + shown(kApplicationId));
  if (const auto newest = static_cast<int64_t>(migrations().size()); version < 0 || version > newest)
    return unusable(db, "the store has schema " + std::to_string(version) + "; this release knows up to " + std::to_string(newest), "use a newer Tenon");
  return version;
}

Result<void> check_schema(Database& db) {
  TENON_TRY(Database own, Database::open("", Access::Memory, 0));
  TENON_DO(migrate(own, migrations()));
  TENON_TRY(const std::string wanted, schema_text(own));
  TENON_TRY(const std::string found, schema_text(db));
  if (found != wanted) return unusable(db, "its tables are not those of a telemetry store");
  return {};
}

}  // namespace tenon::telemetry
