// What is right and wrong in predictions of a group's schedules.
#pragma once

#include <map>
#include <optional>

#include "samples.h"
#include "tenon/evaluate.h"

namespace tenon {

struct Tally {
  double sum = 0, count = 0;  // the metric is their ratio
  int64_t groups = 0;
};
using Tallies = std::array<Tally, kMetrics>;
void add(Tallies& to, const Tallies& more);

// What is said of one schedule.
struct Said {
  double mean = 0;         // of ln(seconds)
  std::optional<Prediction> beside;  // of ln(seconds / what rules choose takes), which the order goes by where it is known
  double failure = 0;      // its probability
  Interval interval;       // high = 0: none is known
};
// What rules choose, where the group has it and it was timed; else null.
const Sample* rules_of(std::span<const Sample* const> group);
// Of the schedules of one group, all of them timed or failed. What probably fails is tried last.
Tallies judge(std::span<const Sample* const> group, std::span<const Said> said);
Tallies judge_random(std::span<const Sample* const> group);  // what any order gives in the mean
Tallies judge_rules(std::span<const Sample* const> group);   // of the one that rules choose, where the group has it

// One method's tallies per seed and unit.
struct Judged {
  std::string method;
  std::vector<std::map<int, Tallies>> seeds;
};
MethodFigures figures_of(const Judged& judged);

}  // namespace tenon
