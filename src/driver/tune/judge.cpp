#include "judge.h"

#include <cmath>

namespace tenon {

Result<Judge> Judge::of(const Graph& laid_out, const Plan& plan, const Target& target, const RegionGroup& group, unsigned threads) {
  Judge judge;
  const size_t first = group.regions[0];
  judge.plan_ = plan.regions[first];
  judge.space_ = &group.space;
  judge.device_ = device_facts(target, threads);
  TENON_TRY(Region region, build_region(laid_out, judge.plan_));
  TENON_TRY(judge.facts_, region_facts(laid_out, region, judge.plan_, target, surroundings(laid_out, plan, first)));
  return judge;
}

Variant Judge::variant_of(const Tiles& tiles) const {
  RegionPlan plan = plan_;
  for (size_t t = 0; t < tiles.size(); ++t) set_knobs(plan, *space_, t, tiles[t]);
  return plan.schedule.variants.back();
}

double Judge::prior(const Tiles& tiles) const { return prior_seconds(facts_, variant_of(tiles), device_); }

std::vector<float> Judge::features(const Tiles& tiles) const {
  std::vector<float> values(feature_table().size());
  features_of(facts_, variant_of(tiles), device_, values);
  return values;
}

double Judge::promise(const Tiles& tiles, const CostModel* model) const {
  constexpr double kOptimism = 0.5;  // standard deviations
  if (!model) return std::log(prior(tiles));
  const Prediction p = predict(*model, features(tiles), prior(tiles));
  return p.mean - kOptimism * p.sigma;
}

}  // namespace tenon
