// The folder of a measurement that runs somewhere else: programs, inputs, expected outputs and a script that needs nothing but them.
// docs/tuning.md has the format.
#pragma once

#include "../lowered.h"
#include "tenon/tune.h"

namespace tenon {

// Inputs and what the reference makes of them, into the folder `data`. E0601: an output's type cannot be compared on a device.
Result<void> write_job_data(const TuneOptions& options, const Lowered& model, const std::string& data);

struct JobParts {
  std::string folder;           // that becomes the job's
  std::string candidate, base;  // folders of artifacts with their programs
  std::string data;             // as write_job_data leaves it
  int turns = 0, calls = 0, cpu = -1;
};

// What is needed to read the job's result.
struct WrittenJob {
  std::string id;                                          // hash of all that the job is
  std::vector<std::string> candidate_regions, base_regions;  // of each call of a kernel
  std::vector<double> bounds;                              // per output: how far it may lie from what is expected
};

// E0505: it cannot be written.
Result<WrittenJob> write_job(const JobParts& parts);

}  // namespace tenon
