// Adds rows to the tables, inside of a transaction of the caller's.
#pragma once

#include <functional>

#include "rows.h"

namespace tenon::telemetry {

class Inserter {
 public:
  static Result<Inserter> prepare(Database& db);
  // Whether it was new. What is wrong with a row goes to `problems`; errors are those of the file.
  Result<bool> add(const Device& device, Problems& problems);
  Result<bool> add(const Compiler& compiler, Problems& problems);
  Result<bool> add(const Session& session, Problems& problems);
  Result<bool> add(const Record& record, Problems& problems);
  Result<bool> add(const Canary& canary, Problems& problems);

 private:
  Result<bool> exists(Statement& statement, const std::string& id);
  // Whether device, compiler and session are there, and whether the row is new.
  template <class Row>
  Result<bool> add_dependent(const Row& row, const std::string& what, Statement& insert, Statement& known, const std::function<void(Statement&)>& bind_id, Problems& problems);
  Statement device_, compiler_, session_, record_, canary_;        // insert
  Statement has_device_, has_compiler_, has_session_;
  Statement known_compiler_, known_session_, known_record_, known_canary_;  // what is there under this id
};

}  // namespace tenon::telemetry
