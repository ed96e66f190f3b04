// Rows out of a file that is not believed.
#pragma once

#include "rows.h"

namespace tenon::telemetry {

struct Table {
  const char *name, *id;  // id: what each_row reads first
  bool checked;           // the id is the checksum of the rest
};
template <class Row>
constexpr Table table_of() {
  if constexpr (std::is_same_v<Row, Device>) return {"device", "fingerprint", true};
  else if constexpr (std::is_same_v<Row, Compiler>) return {"compiler", "id", false};
  else if constexpr (std::is_same_v<Row, Session>) return {"session", "uuid", false};
  else if constexpr (std::is_same_v<Row, Canary>) return {"canary", "checksum", true};
  else return {"record", "checksum", true};
}

// "SELECT id, columns FROM table"
template <class Row>
std::string select_rows() { return std::string("SELECT ") + table_of<Row>().id + ", " + columns<Row>() + " FROM " + table_of<Row>().name; }

// Uses every row of `select_rows` that fields can hold and whose checksum fits; the others are problems.
template <class Row, class Use>
Result<void> each_row(Statement& statement, Problems& problems, Use use) {
  while (true) {
    TENON_TRY(const bool more, statement.step());
    if (!more) return {};
    Row row;
    std::vector<std::string> wrong;
    each_field(row, Reader(statement, 1, wrong));
    const std::string id = statement.text(0);
    if (table_of<Row>().checked && wrong.empty() && checksum(row) != id) wrong.push_back("its checksum does not fit");
    if (wrong.empty()) {
      TENON_DO(use(row));
      continue;
    }
    if constexpr (std::is_same_v<Row, Record>) problems.add("record " + row.uuid.substr(0, 36), wrong);
    else problems.add(table_of<Row>().name + (" " + id.substr(0, 36)), wrong);
  }
}

template <class Row, class Use>
Result<void> each_row(Database& db, Problems& problems, Use use) {
  TENON_TRY(Statement statement, db.prepare(select_rows<Row>()));
  return each_row<Row>(statement, problems, use);
}

// Those, without what no measurement can be.
template <class Row, class Use>
Result<void> each_sound_row(Statement& statement, Problems& problems, Use use) {
  return each_row<Row>(statement, problems, [&](const Row& row) -> Result<void> {
    const std::vector<std::string> wrong = problems_of(row);
    if (wrong.empty()) return use(row);
    if constexpr (std::is_same_v<Row, Record>) problems.add("record " + row.uuid.substr(0, 36), wrong);
    else problems.add(table_of<Row>().name, wrong);
    return {};
  });
}

// All that a file has of a kind. E0702: some of it cannot be.
template <class Row>
Result<std::vector<Row>> all_rows(Database& db, const std::string& order) {
  TENON_TRY(Statement statement, db.prepare(select_rows<Row>() + " ORDER BY " + order));
  std::vector<Row> rows;
  Problems problems(db.path());
  TENON_DO(each_sound_row<Row>(statement, problems, [&](const Row& row) -> Result<void> { return rows.push_back(row), Result<void>(); }));
  if (problems.any()) return problems.failure();
  return rows;
}

// Pages, references and the rows that records refer to: all that reading the records does not show. E0701, E0702.
Result<void> check_file(Database& db);

}  // namespace tenon::telemetry
