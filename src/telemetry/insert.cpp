#include "insert.h"

namespace tenon::telemetry {

namespace {

// "INSERT INTO t(extra, columns) VALUES(?, ...) ..., RETURNING": a row where it was new.
template <class Row>
std::string insert_sql(const char* table, const char* extra) {
  std::string marks = *extra ? "?" : "";
  for (int k = 0; k < column_count<Row>(); ++k) marks += marks.empty() ? "?" : ", ?";
  return std::string("INSERT INTO ") + table + "(" + extra + (*extra ? ", " : "") + columns<Row>() + ") VALUES(" + marks + ") ON CONFLICT DO NOTHING RETURNING 1";
}

template <class Row>
std::string select_sql(const char* table, const char* id) {
  return "SELECT " + columns<Row>() + " FROM " + table + " WHERE " + id + " = ?";
}

Result<bool> step_once(Statement& statement) {
  TENON_TRY(const bool row, statement.step());
  statement.reset();
  return row;
}

// The row is there already: with the same contents?
template <class Row>
Result<bool> same(Statement& known, const std::string& id, const Row& row) {
  known.bind(1, std::string_view(id));
  TENON_TRY(const bool found, known.step());
  Row there;
  std::vector<std::string> problems;
  if (found) each_field(there, Reader(known, 0, problems));
  known.reset();
  return found && problems.empty() && checksum(there) == checksum(row);
}

}  // namespace

Result<Inserter> Inserter::prepare(Database& db) {
  Inserter in;
  TENON_TRY(in.device_, db.prepare(insert_sql<Device>("device", "fingerprint")));
  TENON_TRY(in.compiler_, db.prepare(insert_sql<Compiler>("compiler", "")));
  TENON_TRY(in.session_, db.prepare(insert_sql<Session>("session", "")));
  TENON_TRY(in.record_, db.prepare(insert_sql<Record>("record", "checksum")));
  TENON_TRY(in.canary_, db.prepare(insert_sql<Canary>("canary", "checksum")));
  TENON_TRY(in.has_device_, db.prepare("SELECT 1 FROM device WHERE fingerprint = ?"));
  TENON_TRY(in.has_compiler_, db.prepare("SELECT 1 FROM compiler WHERE id = ?"));
  TENON_TRY(in.has_session_, db.prepare("SELECT 1 FROM session WHERE uuid = ?"));
  TENON_TRY(in.known_compiler_, db.prepare(select_sql<Compiler>("compiler", "id")));
  TENON_TRY(in.known_session_, db.prepare(select_sql<Session>("session", "uuid")));
  TENON_TRY(in.known_record_, db.prepare("SELECT checksum FROM record WHERE uuid = ?"));
  TENON_TRY(in.known_canary_, db.prepare("SELECT checksum FROM canary WHERE session = ? AND timestamp = ? AND name = ?"));
  return in;
}

Result<bool> Inserter::exists(Statement& statement, const std::string& id) {
  statement.bind(1, std::string_view(id));
  return step_once(statement);
}

Result<bool> Inserter::add(const Device& device, Problems& problems) {
  const std::string id = fingerprint(device);
  if (const auto wrong = problems_of(device); !wrong.empty()) return problems.add("device " + id.substr(0, 12), wrong), false;
  device_.bind(1, std::string_view(id));
  each_field(device, Binder(device_, 2));
  return step_once(device_);
}

Result<bool> Inserter::add(const Compiler& compiler, Problems& problems) {
  const std::string what = "compiler " + compiler.id.substr(0, 12);
  if (const auto wrong = problems_of(compiler); !wrong.empty()) return problems.add(what, wrong), false;
  each_field(compiler, Binder(compiler_, 1));
  TENON_TRY(const bool fresh, step_once(compiler_));
  if (fresh) return true;
  TENON_TRY(const bool is_same, same(known_compiler_, compiler.id, compiler));
  if (!is_same) problems.add(what, {"the store has one of this id with other contents"});
  return false;
}

Result<bool> Inserter::add(const Session& session, Problems& problems) {
  const std::string what = "session " + session.uuid.substr(0, 36);
  if (const auto wrong = problems_of(session); !wrong.empty()) return problems.add(what, wrong), false;
  each_field(session, Binder(session_, 1));
  TENON_TRY(const bool fresh, step_once(session_));
  if (fresh) return true;
  TENON_TRY(const bool is_same, same(known_session_, session.uuid, session));
  if (!is_same) problems.add(what, {"the store has one of this UUID with other contents"});
  return false;
}

template <class Row>
Result<bool> Inserter::add_dependent(const Row& row, const std::string& what, Statement& insert, Statement& known, const std::function<void(Statement&)>& bind_id, Problems& problems) {
  if (const auto wrong = problems_of(row); !wrong.empty()) return problems.add(what, wrong), false;
  TENON_TRY(const bool device, exists(has_device_, row.device));
  TENON_TRY(const bool compiler, exists(has_compiler_, row.compiler));
  TENON_TRY(const bool session, exists(has_session_, row.session));
  if (!device || !compiler || !session) {
    problems.add(what, {std::string("the store has no such ") + (!device ? "device" : !compiler ? "compiler" : "session")});
    return false;
  }
  const std::string sum = checksum(row);
  insert.bind(1, std::string_view(sum));
  each_field(row, Binder(insert, 2));
  TENON_TRY(const bool fresh, step_once(insert));
  if (fresh) return true;
  bind_id(known);
  TENON_TRY(const bool found, known.step());
  const bool is_same = found && known.text(0) == sum;
  known.reset();
  if (!is_same) problems.add(what, {"the store has one of this id with other contents"});
  return false;
}

Result<bool> Inserter::add(const Record& record, Problems& problems) {
  return add_dependent(record, "record " + record.uuid.substr(0, 36), record_, known_record_, [&](Statement& known) { known.bind(1, std::string_view(record.uuid)); }, problems);
}

Result<bool> Inserter::add(const Canary& canary, Problems& problems) {
  auto bind_id = [&](Statement& known) { known.bind(1, std::string_view(canary.session)), known.bind(2, canary.timestamp), known.bind(3, std::string_view(canary.name)); };
  return add_dependent(canary, "canary " + canary.name.substr(0, 36) + " of session " + canary.session.substr(0, 36), canary_, known_canary_, bind_id, problems);
}

}  // namespace tenon::telemetry
