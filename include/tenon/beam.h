// Beam search over the planner's answers: docs/learning.md, docs/decisions/0028.
#pragma once

#include "tenon/plan_times.h"

namespace tenon {

// What a deviation should gain by later answers, beyond what it changes at once; counts until that question was asked.
struct Hope {
  double gain = 0;    // of ln(seconds)
  size_t until = 0;   // place among the plan's questions
};

// What the search is about. Seconds are all that it knows of a plan.
struct Walk {
  std::function<Result<TimedPlanRef>(const Answers& answers)> evaluate;
  // Whether to try this answer, rather than others, where not all can be: more is better. Asks for no plan.
  std::function<double(const TimedPlan& plan, size_t question, size_t answer)> promise;
  std::function<Hope(const TimedPlan& before, const TimedPlan& after, size_t question)> hope = {};  // empty: none
  // Hears of each answer that was tried.
  std::function<void(const TimedPlanRef& before, size_t question, size_t answer, const TimedPlanRef& after)> tried = {};
};

struct BeamOptions {
  int width = 4;          // plans that are kept after each question
  int64_t budget = 128;   // plans that are evaluated, beside the rules'
};

struct Walked {
  Answers answers;              // those that differ from the rules'
  TimedPlanRef rules, best;     // best: none slower than the rules'
  int64_t evaluations = 0;
};

// Goes through the planner's questions in their order and tries other answers, the later questions being answered as before; keeps the fastest plans after each. Where the
// budget does not suffice for all answers, those that promise most are tried; where some is left, again from the best plan. Always the same for the same walk.
Result<Walked> beam_search(const Walk& walk, const BeamOptions& options);

// By predicted seconds alone. Of answers, those promise most whose regions have the largest share of the time. Who computes a region is left to the rules, as nothing here
// predicts a library's times.
Walk plain_walk(PlanTimes& times);
// Whether a walk asks for other answers to this.
bool may_change(const Asked& asked);

}  // namespace tenon
