// Policies: who answers the planner's questions and chooses schedules, and what they decided. docs/learning.md.
#pragma once

#include <optional>

#include "tenon/decisions.h"
#include "tenon/points.h"
#include "tenon/policy.h"
#include "tenon/q_policy.h"
#include "tenon/tree_scorer.h"
#include "tenon/workload.h"

namespace tenon {

enum class Policy : uint8_t {
  Rules,   // no model
  Model,   // whatever the model thinks is fastest
  Hybrid,  // the model where it is sure, else the rules
  Beam,    // the planner's answers by beam search, schedules as Model
  Rl,      // the same, led by what was learnt of such answers
};
std::optional<Policy> parse_policy(std::string_view word);
std::string_view spelling(Policy policy);
std::string policy_words();          // "rules, model, ..."

struct Decision;

struct PolicyOptions {
  Policy policy = Policy::Rules;
  const CostModel* model = nullptr;    // null: the roofline prior alone, which is never sure
  const QModel* q_model = nullptr;     // Rl needs one
  BeamOptions beam = {};               // of Beam and Rl
  Precision precision = Precision::Strict;
  Providers providers = Providers::None;
  unsigned threads = 1;                // that times are predicted for
  std::vector<Point> points = {};      // at which regions get schedules of their own
  bool workers = false;                // whether the artifact may run on several: cut_rows
  // Which decisions get a reason; empty: none. Schedules are then compared with others whoever decides.
  std::function<bool(const Decision& decision)> explain = {};
  // Code of boosters, which ranks faster than trees as data, and the same.
  std::span<const NativeTrees> compiled = shipped_trees();
};

// Why something was decided so and not as the runner-up says.
struct Reason {
  // A part of runner_up_seconds / seconds: they multiply to it.
  struct Term {
    std::string name, meaning;         // of a feature (docs/features.md), or "roofline": the ratio of what the prior says of both
    double factor = 1;
  };
  std::vector<Term> terms;             // furthest from 1 first
  double roofline = 0;                 // seconds of what was chosen, by the prior
  std::string bound;                   // what the prior says limits it: bound_name
  double second = 0;                   // what comes next, as a share of that
  double low = 0, high = 0;            // 90 % interval of `seconds`; both 0: there is no calibrated model
  std::string nearest;                 // of the schedules that differ in one knob the fastest, "unroll=1 -> 4"; empty: there is none
  double nearest_seconds = 0;
  double runner_up_low = 0, runner_up_high = 0;  // the runner-up's interval
  std::vector<float> features = {};    // of what was chosen; empty: it is no schedule
};

// What was decided about one value or region.
struct Decision {
  std::string kind;                    // a DecisionKind's spelling, or "schedule"
  std::string subject;                 // name of the value; of the region
  std::vector<std::string> nodes;      // of the ONNX model
  std::string chosen, rules;           // answers; of a schedule "rows=14 vectors=2", knob by knob, tiles of producers apart by " | "
  std::string runner_up;               // the best of the others; empty: there is none
  std::string decided_by;              // "rules", "model", "beam" or "rl"
  std::string point = {};              // the binding that the schedule is for, "S=1,P=512"; empty: all that have none of their own
  double seconds = 0;                  // of the region, predicted; 0: not asked for
  double runner_up_seconds = 0;
  double sigma = 0;                    // standard deviation of ln(runner_up_seconds / seconds); 0: there is no model
  int occurrences = 1;                 // regions that compute the same are decided once
  std::vector<Knobs> tiles = {}, runner_up_tiles = {};  // of a schedule, one per tile of the region's space
  std::optional<Reason> reason;        // where it was asked for
};

struct PolicyPlan {
  Plan plan;
  std::vector<Decision> decisions;     // of the plan's questions in their order, then of schedules in the order of the regions
  bool unknown_device = false;         // Hybrid left all to rules: the model learnt from no device like this one
};

// E0405: as decided_plan. E0601: Rl without a model of answers. E0703: the model was learnt with other features than this build computes.
Result<PolicyPlan> choose_plan(const Graph& graph, const Target& target, const PolicyOptions& options);

}  // namespace tenon
