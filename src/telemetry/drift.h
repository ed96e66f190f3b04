// Whether a sequence of residuals, ln(measured / predicted), keeps its level: Page's test of 1954, in both directions. docs/telemetry.md says where
// its numbers come from.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace tenon::telemetry {

struct DriftOptions {
  double shift = 0.04879016416943201;  // of the level, the least that is looked for: ln 1.05
  size_t learnt = 64;                  // samples from which level and spread are known
  size_t delay = 32;                   // samples within which a shift is to be found: the latest ones have no part in the level
};

struct DriftAlarm {
  size_t begin = 0;   // first sample of the new level, by its likelihood
  size_t found = 0;   // the sample that made it sure
  double change = 0;  // the new level less that before
};

struct Drift {
  double level = 0, sigma = 0;    // after the last alarm; of all samples where these are too few to learn from
  std::vector<DriftAlarm> alarms;
};

// The least of every so many samples, a last few left out: what disturbs a canary makes it slower, and comes and goes.
std::vector<double> least_of_batches(std::span<const double> samples, size_t batch);
constexpr size_t kCanaryBatch = 5;  // sets of canaries that are one sample of drift

// Equal sequences give equal answers. Samples are finite. Fewer than `learnt` of them: no alarm.
Drift find_drift(std::span<const double> residuals, const DriftOptions& options = {});

}  // namespace tenon::telemetry
