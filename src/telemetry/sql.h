// SQLite as values and Results; only sql.cpp sees its header.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "tenon/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace tenon::telemetry {

class Statement {
 public:
  explicit Statement(sqlite3_stmt* statement = nullptr) : statement_(statement) {}
  // Parameters count from 1, columns from 0. A bound text or blob must live until the statement is reset.
  void bind(int at, std::string_view text);
  void bind(int at, int64_t number);
  void bind(int at, double number);  // NaN: null
  void bind(int at, std::span<const std::byte> blob);
  void bind_null(int at);

  Result<bool> step();  // a row is there
  Result<void> run();   // to its end, and reset
  void reset();

  bool null(int column) const;
  std::string text(int column) const;
  int64_t integer(int column) const;
  double real(int column) const;  // null: NaN
  std::span<const std::byte> blob(int column) const;  // until the next step

 private:
  struct Finalize { void operator()(sqlite3_stmt* statement) const; };
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

enum class Access : uint8_t { Read, Write, Memory };

class Database {
 public:
  static Result<Database> open(const std::string& path, Access access, int busy_ms);

  Result<Statement> prepare(std::string_view sql);
  Result<void> run(const std::string& sql);  // any number of statements
  Result<int64_t> number(std::string_view sql);
  Result<std::string> text(std::string_view sql);  // rows of one column, as lines
  Result<void> copy_from(Database& other);
  bool busy() const;  // the last failure was another process's lock
  const std::string& path() const { return path_; }

 private:
  struct Close { void operator()(sqlite3* db) const; };
  Database(std::unique_ptr<sqlite3, Close> db, std::string path) : db_(std::move(db)), path_(std::move(path)) {}
  std::unique_ptr<sqlite3, Close> db_;
  std::string path_;
};

// Rolls back unless committed.
class Transaction {
 public:
  static Result<Transaction> begin(Database& db, bool write = true);
  Transaction(Transaction&& other) noexcept : db_(std::exchange(other.db_, nullptr)) {}
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();
  Result<void> commit();

 private:
  explicit Transaction(Database& db) : db_(&db) {}
  Database* db_;
};

}  // namespace tenon::telemetry
