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
  features_of(facts_, variant_of(tiles), device_, values);
  return values;
}

double Judge::draft(const Tiles& tiles, const CostModel* model) const {
  const double ln_prior = std::log(prior(tiles));
  return model && !model->boosters.empty() ? model->boosters[0].predict(features(tiles), static_cast<float>(ln_prior)) : ln_prior;
}

std::vector<double> Judge::predictions(const Tiles& tiles, const CostModel* model) const {
  const double ln_prior = std::log(prior(tiles));
  std::vector<double> all;
  if (model) {
    const std::vector<float> x = features(tiles);
    for (const Booster& booster : model->boosters) all.push_back(booster.predict(x, static_cast<float>(ln_prior)));
  }
  if (all.empty()) all.push_back(ln_prior);
  return all;
}

double Judge::promise(const Tiles& tiles, const CostModel* model) const {
  constexpr double kOptimism = 0.5;  // standard deviations
  if (!model) return std::log(prior(tiles));
  const Prediction p = predict(*model, features(tiles), prior(tiles));
  return p.mean - kOptimism * p.sigma;
}

}  // namespace tenon
