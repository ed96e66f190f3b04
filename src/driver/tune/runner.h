// Where candidates run: in a process of ours, under QEMU, or wherever a command takes their jobs.
#pragma once

#include "measure.h"

namespace tenon {

// Whether candidates run as jobs, and not in a process of this one.
bool runs_jobs(const TuneOptions& options);
// Where the reference's data for jobs lie that compare with the base in `folder`.
std::string job_data_of(const std::string& folder);

// What cannot be measured there is said before anything is: E0601; E0506: there is no emulator. Then writes the jobs' data for a base in `folder`.
Result<void> prepare_jobs(const TuneOptions& options, const Lowered& model, const std::string& folder);

// Runs the artifact in `folder` as a job, the command twice where the first time gives no result. In a process that may be killed with its group.
// `scratch`: for the job's folder.
Measured run_as_job(const Job& job, const std::string& folder, const std::string& scratch, const TuneOptions& options);

}  // namespace tenon
