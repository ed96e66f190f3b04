// How long whole plans should take, before anything is measured. Plans that share regions share what is known of these.
#pragma once

#include <map>
#include <memory>

#include "tenon/decisions.h"
#include "tenon/features.h"
#include "tenon/trees.h"

namespace tenon {

// What is known of a region in the schedule that rules choose for it.
struct RegionOutlook {
  double seconds = 0;      // of one call, predicted; 0: nothing is computed, or a library computes it
  Prior prior;
  double operations = 0;   // of products and sums; a multiply-add is two
  double inputs = 0, weights = 0, temporaries = 0;  // bytes
};

struct TimedPlan {
  DecidedPlan decided;
  std::vector<RegionOutlook> regions;  // of the plan
  double seconds = 0;                  // of all of them
  std::string identity;                // plans of equal code have equal ones; empty: not known
};
using TimedPlanRef = std::shared_ptr<const TimedPlan>;

struct PlanTimesOptions {
  Precision precision = Precision::Strict;
  Providers providers = Providers::None;
  const CostModel* model = nullptr;  // null: the roofline prior
  unsigned threads = 1;
};

class PlanTimes {
 public:
  PlanTimes(const Graph& graph, const Target& target, const PlanTimesOptions& options);

  // Of the plan that the answers make. E0405, E0403: as decided_plan and region_facts.
  Result<TimedPlanRef> of(const Answers& answers);

  // The regions that the question is about, by their places in the plan: the one that makes the value first, then those that read it. Each once.
  std::vector<size_t> regions_about(const TimedPlan& plan, const Asked& asked) const;
  // The value that a question is about.
  ValueId subject(const Asked& asked) const { return values_.at(asked.subject); }
  // Nodes that read the value, ascending.
  const std::vector<int>& readers(ValueId v) const { return users_[static_cast<size_t>(v.index)]; }
  const Graph& graph() const { return graph_; }
  const DeviceFacts& device() const { return device_; }
  size_t regions_known() const { return known_.size(); }

 private:
  Result<RegionOutlook> one(const Graph& laid_out, const Plan& plan, size_t region, const Surroundings& around) const;

  const Graph& graph_;
  const Target& target_;
  PlanTimesOptions options_;
  DeviceFacts device_;
  std::vector<std::vector<int>> users_;
  std::map<std::string, ValueId, std::less<>> values_;  // by their names
  std::map<std::string, RegionOutlook> known_;          // by what decides a region's time
};

}  // namespace tenon
