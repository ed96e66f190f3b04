// Versions of the store's schema, and what a file must be to be a store.
#pragma once

#include <span>

#include "sql.h"

namespace tenon::telemetry {

constexpr int64_t kApplicationId = 0x544e544d;  // "TNTM"

// Migration k makes schema version k + 1 of version k. Only ever added to.
std::span<const char* const> migrations();

// Brings the schema to version migrations.size(), in one transaction. E0701: it is newer.
Result<void> migrate(Database& db, std::span<const char* const> migrations);

// E0701 where the file is something else, or of a newer schema. A file without anything in it is a store of version 0.
Result<int64_t> schema_version(Database& db, bool may_be_empty);

// Tables, indexes and all else are those of this release, letter by letter: nothing that another hand put there.
Result<void> check_schema(Database& db);

}  // namespace tenon::telemetry
