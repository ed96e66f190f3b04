// Other answers to the planner's questions, measured: how the model is cut into regions, laid out, and which values are parts of others.
#pragma once

#include "recorder.h"
#include "tenon/alternatives.h"

namespace tenon {

struct CutsOptions {
  double rules_ms = 0;                              // of all regions of the rules' plan
  std::function<Result<Measured>(const Plan&, int longer)> measure;  // a plan in turns with that of the rules, so many times as long
  std::function<void(Outcome)> ended;               // what became of a candidate
  std::function<int64_t(int64_t timings)> left;     // how many more there may be after so many; asked between measurements
  std::function<void(int64_t timings, const TunedAnswer&)> found;
};

struct Cuts {
  Answers answers;                                  // that differ from those of the rules, and gain
  Plan plan;                                        // that they make
  std::vector<TunedAnswer> tried;                   // in the order in which they were measured
  int64_t timings = 0;
};

// From the plan of the rules: what should gain most by the prior is measured first, as many at a time as touch different regions; what gains stays, and
// the questions are asked anew until nothing gains. A timing is one of a region that the rules' plan does not have; all go to the recorder, where it is open. In the end all that stayed is measured again together, and what does not gain then goes.
Result<Cuts> search_cuts(const Lowered& model, const CutsOptions& cuts, Recorder& recorder, const TuneOptions& options);

}  // namespace tenon
