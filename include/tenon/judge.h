// How long a schedule should take, before it is measured.
#pragma once

#include "tenon/candidates.h"
#include "tenon/features.h"
#include "tenon/trees.h"

namespace tenon {

// Of one group of regions, by its first.
class Judge {
 public:
  static Result<Judge> of(const Graph& laid_out, const Plan& plan, const Target& target, const RegionGroup& group, unsigned threads);

  // Seconds of one call by the roofline prior: positive and finite.
  double prior(const Tiles& tiles) const;
  Prior whole_prior(const Tiles& tiles) const;
  std::vector<float> features(const Tiles& tiles) const;
  // Both at once: writes the features, returns the prior.
  double evaluate(const Tiles& tiles, std::span<float> features) const;
  Scheduled rules() const { return {rules_features_, rules_prior_}; }  // as long as the judge is there
  // What to measure first is what may be fastest: ln(seconds / those of rules), less where the model is unsure. Without a model: by the prior.
  double promise(const Tiles& tiles, const CostModel* model) const;

 private:
  Variant variant_of(const Tiles& tiles) const;

  RegionFacts facts_;
  DeviceFacts device_;
  Variant rules_;
  std::vector<float> rules_features_;
  double rules_prior_ = 0;
  const RegionSpace* space_ = nullptr;
};

}  // namespace tenon
