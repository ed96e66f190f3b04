// What a job's device reports. Nothing in it is believed that cannot be.
#pragma once

#include <expected>

#include "../artifact.h"
#include "job.h"
#include "measure.h"

namespace tenon {

struct JobFailure {
  Outcome outcome = Outcome::Crashed;
  std::string message;
  bool of_runner = true;  // the runner's fault and not the candidate's, as far as can be told
};

// `runs`: timed calls of each program.
std::expected<Measured, JobFailure> read_result(std::string_view text, const WrittenJob& job, int turns, int calls);

}  // namespace tenon
