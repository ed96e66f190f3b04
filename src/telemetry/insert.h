// Adds rows to the tables, inside of a transaction of the caller's.
#pragma once

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

 private:
  Result<bool> exists(Statement& statement, const std::string& id);
  Statement device_, compiler_, session_, record_;                 // insert
  Statement has_device_, has_compiler_, has_session_;
  Statement known_compiler_, known_session_, known_record_;        // what is there under this id
};

}  // namespace tenon::telemetry
