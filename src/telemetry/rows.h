// Structs as rows of a table: columns, binding, reading and a checksum, all from telemetry_fields.def.
#pragma once

#include <bit>
#include <cmath>
#include <cstring>
#include <type_traits>

#include "sql.h"
#include "tenon/telemetry.h"

namespace tenon::telemetry {

static_assert(std::endian::native == std::endian::little, "blobs are little endian");

// use(name, field) for every field of a row.
#define FIELD(type, name, initial, meaning) use(#name, row.name);
template <class Row, class Use>
void each_field(Row& row, Use&& use) {
  using T = std::remove_const_t<Row>;
  if constexpr (std::is_same_v<T, Device>) {
#define DEVICE FIELD
#include "tenon/telemetry_fields.def"
#undef DEVICE
  } else if constexpr (std::is_same_v<T, Compiler>) {
#define COMPILER FIELD
#include "tenon/telemetry_fields.def"
#undef COMPILER
  } else if constexpr (std::is_same_v<T, Session>) {
#define SESSION FIELD
#include "tenon/telemetry_fields.def"
#undef SESSION
  } else if constexpr (std::is_same_v<T, Canary>) {
#define CANARY FIELD
#include "tenon/telemetry_fields.def"
#undef CANARY
  } else {
    static_assert(std::is_same_v<T, Record>);
#define RECORD FIELD
#include "tenon/telemetry_fields.def"
#undef RECORD
  }
}
#undef FIELD

// "uuid, session, ..."
template <class Row>
std::string columns() {
  std::string names;
  const Row row;
  each_field(row, [&](const char* name, const auto&) { names += (names.empty() ? "" : ", ") + std::string(name); });
  return names;
}

template <class Row>
int column_count() {
  int count = 0;
  const Row row;
  each_field(row, [&](const char*, const auto&) { ++count; });
  return count;
}

// What is not known is null: NaN, a negative count, no numbers. The row must live until the statement is reset.
class Binder {
 public:
  Binder(Statement& statement, int first) : statement_(statement), at_(first) {}
  void operator()(const char*, const std::string& v) { statement_.bind(at_++, std::string_view(v)); }
  void operator()(const char*, double v) { statement_.bind(at_++, v); }
  void operator()(const char*, int64_t v) { v < 0 ? statement_.bind_null(at_++) : statement_.bind(at_++, v); }
  void operator()(const char*, Status v) { statement_.bind(at_++, spelling(v)); }
  void operator()(const char*, Source v) { statement_.bind(at_++, spelling(v)); }
  template <class T>
  void operator()(const char*, const std::vector<T>& v) {
    v.empty() ? statement_.bind_null(at_++) : statement_.bind(at_++, std::as_bytes(std::span(v)));
  }

 private:
  Statement& statement_;
  int at_;
};

// Says in `problems` what no field can hold.
class Reader {
 public:
  Reader(const Statement& statement, int first, std::vector<std::string>& problems) : statement_(statement), at_(first), problems_(problems) {}
  void operator()(const char*, std::string& v) { v = statement_.text(at_++); }
  void operator()(const char*, double& v) { v = statement_.real(at_++); }
  void operator()(const char*, int64_t& v) { v = statement_.null(at_) ? -1 : statement_.integer(at_), ++at_; }
  void operator()(const char* name, Status& v) { read(name, v, parse_status(statement_.text(at_))), ++at_; }
  void operator()(const char* name, Source& v) { read(name, v, parse_source(statement_.text(at_))), ++at_; }
  template <class T>
  void operator()(const char* name, std::vector<T>& v) {
    const std::span<const std::byte> blob = statement_.blob(at_++);
    if (blob.size() % sizeof(T) != 0) problems_.push_back(std::string(name) + " has " + std::to_string(blob.size()) + " bytes, which is no number of elements");
    v.resize(blob.size() / sizeof(T));
    if (!v.empty()) std::memcpy(v.data(), blob.data(), v.size() * sizeof(T));
  }

 private:
  template <class E>
  void read(const char* name, E& v, std::optional<E> parsed) {
    if (parsed) v = *parsed;
    else problems_.push_back(std::string(name) + " `" + statement_.text(at_) + "` is not known");
  }
  const Statement& statement_;
  int at_;
  std::vector<std::string>& problems_;
};

// BLAKE3 of all fields that are known, 64 digits. A field that a later release adds does not change it where it is not set.
template <class Row>
std::string checksum(const Row& row);

// `problem` as an error of this kind.
Diag refused(const std::string& what, const std::string& problem, const std::string& file = {});

// Of its workload, which is sound.
std::string op_class_of(const Record& record);

// Collects problems up to a limit and says how many more there were.
class Problems {
 public:
  explicit Problems(std::string file = {}) : file_(std::move(file)) {}
  void add(const std::string& what, const std::vector<std::string>& problems);
  bool any() const { return count_ > 0; }
  std::unexpected<Diags> failure() const;

 private:
  static constexpr size_t kLimit = 20;
  std::string file_;
  Diags diags_;
  size_t count_ = 0;
};

}  // namespace tenon::telemetry
