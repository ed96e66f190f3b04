// The JSON record of `tenon adapt`: docs/schemas.md.
#pragma once

#include "tenon/learn.h"
#include "tenon/probes.h"

namespace tenon::cli {

// A probe, what the model said of it before it was measured, and what it took.
struct Probed {
  Probe probe;
  double predicted = 0;  // seconds
  ProbeTime time;
};

struct AdaptReport {
  std::string target;
  std::vector<Probed> probes;
  Delta delta;
  double mape = 0;       // of what was said before, over the probes that were timed
  std::string blake3;    // of the file
};

std::string adapt_record(const AdaptReport& report);

}  // namespace tenon::cli
