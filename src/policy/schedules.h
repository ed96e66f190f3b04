// Which schedule of a region a cost model prefers, without measuring.
#pragma once

#include "tenon/candidates.h"
#include "tenon/judge.h"
#include "tenon/model_scorer.h"

namespace tenon {

// A schedule and what the model says of it.
struct Judged {
  Tiles tiles;
  std::vector<double> ln_seconds;   // one per booster; without a model, of the prior
  double mean = 0;
};

struct Ranking {
  Judged rules;
  std::vector<Judged> others;       // the fastest by their means first
};

// Steps from what rules choose, each from the best few so far to all that differ in one knob or in the register block: always the same. The
// draft of the model ranks all of them, its boosters the best 64. `keep`: so many others. No scorer: the prior ranks. `only_sure`: no others where the
// draft says that boosters are sure of none of them.
Ranking rank_schedules(const RegionGroup& group, const Plan& plan, const Judge& judge, const ModelScorer* scorer, size_t keep, bool only_sure = false);

// Mean and standard deviation, over the boosters, of ln(seconds of a / seconds of b), each booster's ln(seconds) of both being given: what all boosters are
// wrong about is in both.
Prediction compared(std::span<const double> a, std::span<const double> b);
inline Prediction compared(const Judged& a, const Judged& b) { return compared(a.ln_seconds, b.ln_seconds); }

}  // namespace tenon
