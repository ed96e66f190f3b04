// A candidate plan compiled and run in a process of its own.
#pragma once

#include <cmath>
#include <tuple>

#include "../lowered.h"
#include "tenon/tune.h"

namespace tenon {

enum class Outcome : uint8_t { Ok, Wrong, Refused, Crashed, Timeout };
std::string_view spelling(Outcome outcome);

// What a device that is not this one says of itself.
struct DeviceSaid {
  std::string cpu, kernel, microcode;
  double clock_mhz = NAN;            // NaN: it does not say
  bool operator==(const DeviceSaid& other) const { return std::tie(cpu, kernel, microcode) == std::tie(other.cpu, other.kernel, other.microcode); }
};

struct Measured {
  Outcome outcome = Outcome::Ok;
  std::string message;               // of what is not ok
  AgainstTimes model;                // against the base; `median_ms`: its own
  double base_ms = 0;
  std::vector<RegionTime> regions;   // with times of both, where both have one of that name
  std::vector<RegionTime> base_regions;  // all of the base's
  double compile_seconds = 0;
  int64_t code_bytes = 0;
  std::string disturbed;             // what was seen to change on the machine meanwhile; empty: nothing
  int64_t switches = 0;              // by which the kernel took the processor away while it was measured
  double canary_before = NAN, canary_after = NAN;  // seconds of a fixed chain of instructions on that device, where the job timed it
  std::optional<DeviceSaid> device;  // where it ran as a job
};

struct Job {
  const Lowered* model = nullptr;    // its plan is the base's
  const Plan* plan = nullptr;        // the candidate's
  std::string base;                  // folder of the base's artifact; empty: the plan's own artifact stays in `keep`
  std::string keep;                  // folder for the artifact; empty: it goes with the process
  int turns = 25;                    // of three calls each
};

// In a child process, pinned, with a time-out: whatever it does, this process goes on. The artifact is compiled, its kernels are timed in turns with
// the base's; its outputs are compared with the base's, or, in a job (runner.h), with what is expected. `model` must not be used by other threads meanwhile.
Measured measure(const Job& job, const TuneOptions& options);

}  // namespace tenon
