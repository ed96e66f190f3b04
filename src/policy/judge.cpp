#include "tenon/judge.h"

#include <cmath>

namespace tenon {

Result<Judge> Judge::of(const Graph& laid_out, const Plan& plan, const Target& target, const RegionGroup& group, unsigned threads) {
  Judge judge;
  const size_t first = group.regions[0];
  const RegionPlan& of = plan.regions[first];
  judge.rules_ = of.schedule.variants.back();
  judge.space_ = &group.space;
  judge.device_ = device_facts(target, threads);
  TENON_TRY(Region region, build_region(laid_out, of));
  TENON_TRY(judge.facts_, region_facts(laid_out, region, of, target, surroundings(laid_out, plan, first)));
  judge.rules_features_.resize(feature_table().size());
  judge.rules_prior_ = features_of(judge.facts_, judge.rules_, judge.device_, judge.rules_features_).seconds;
  return judge;
}

Variant Judge::variant_of(const Tiles& tiles) const {
  Variant variant = rules_;
  for (size_t t = 0; t < tiles.size(); ++t) set_knobs(variant, *space_, t, tiles[t]);
  return variant;
}

double Judge::prior(const Tiles& tiles) const { return prior_seconds(facts_, variant_of(tiles), device_); }

Prior Judge::whole_prior(const Tiles& tiles) const { return tenon::prior(facts_, variant_of(tiles), device_); }

std::vector<float> Judge::features(const Tiles& tiles) const {
  std::vector<float> values(feature_table().size());
  (void)evaluate(tiles, values);
  return values;
}

double Judge::evaluate(const Tiles& tiles, std::span<float> features) const { return features_of(facts_, variant_of(tiles), device_, features).seconds; }

double Judge::promise(const Tiles& tiles, const CostModel* model) const {
  constexpr double kOptimism = 0.5;  // standard deviations
  if (!model) return std::log(prior(tiles) / rules_prior_);
  std::vector<float> features(feature_table().size());
  const double seconds = evaluate(tiles, features);
  const Prediction p = relative(*model, features, seconds, rules());
  return p.mean - kOptimism * p.sigma;
}

}  // namespace tenon
