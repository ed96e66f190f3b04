// Other answers to the planner's questions, measured: how the model is cut into regions, laid out, and which values are parts of others.
#pragma once

#include "tenon/alternatives.h"
#include "watch.h"

namespace tenon {

struct CutsOptions {
  std::string base;                                 // folder of the artifact of the rules' plan
  int turns = 25;
  std::vector<RegionTime> self;                     // regions of that plan, measured against themselves
  std::function<bool(const Measured&)> wrong;       // its results are too far from the base's
  std::function<int64_t(int64_t timings)> left;     // how many more there may be after so many; asked between measurements
  std::function<void(int64_t timings, const TunedAnswer&)> found;
};

struct Cuts {
  Answers answers;                                  // that differ from those of the rules, and gain
  Plan plan;                                        // that they make
  std::vector<TunedAnswer> tried;                   // in the order in which they were measured
  int64_t timings = 0;
  int wrong = 0, crashed = 0, timeouts = 0, refused = 0;
};

// From the plan of the rules: what should gain most by the prior is measured first, as many at a time as touch different regions; what gains stays, and
// the questions are asked anew until nothing gains. A timing is one of a region that the rules' plan does not have; all go to the recorder, where it is open. In the end all that stayed is measured again together, and what does not gain then goes.
Result<Cuts> search_cuts(const Lowered& model, const CutsOptions& cuts, Watch& watch, Recorder& recorder, const TuneOptions& options);

}  // namespace tenon
