#include "tenon/model_scorer.h"

namespace tenon {

namespace {

// Feature after feature, as scorers take them.
struct Columns {
  Columns(std::span<const float> rows, std::span<const double> ln_priors, size_t width) : features(rows.size()), margins(ln_priors.begin(), ln_priors.end()) {
    const size_t count = ln_priors.size();
    TENON_CHECK(rows.size() == count * width, "a row of features per candidate");
    for (size_t k = 0; k < count; ++k)
      for (size_t f = 0; f < width; ++f) features[f * count + k] = rows[k * width + f];
  }

  std::vector<float> predict(const TreeScorer& scorer) const {
    std::vector<float> out(margins.size());
    scorer.predict(margins.size(), features.data(), margins.data(), out.data());
    return out;
  }

  std::vector<float> features, margins;
};

}  // namespace

ModelScorer::ModelScorer(const CostModel& model, std::span<const NativeTrees> compiled) : model_(model), draft_(draft_booster(model)) {
  const size_t features = model.names.size();
  scorers_.emplace_back(draft_, features, compiled);
  for (const Booster& booster : model.boosters) scorers_.emplace_back(booster, features, compiled);
}

std::vector<double> ModelScorer::draft(std::span<const float> rows, std::span<const double> ln_priors) const {
  if (model_.boosters.empty()) return {ln_priors.begin(), ln_priors.end()};
  const std::vector<float> said = Columns(rows, ln_priors, model_.names.size()).predict(scorers_[0]);
  return {said.begin(), said.end()};
}

std::vector<std::vector<double>> ModelScorer::predictions(std::span<const float> rows, std::span<const double> ln_priors) const {
  std::vector<std::vector<double>> all(ln_priors.size());
  const Columns columns(rows, ln_priors, model_.names.size());
  for (size_t b = 1; b < scorers_.size(); ++b) {
    const std::vector<float> said = columns.predict(scorers_[b]);
    for (size_t k = 0; k < said.size(); ++k) all[k].push_back(said[k]);
  }
  if (model_.boosters.empty())
    for (size_t k = 0; k < all.size(); ++k) all[k].push_back(ln_priors[k]);
  return all;
}

}  // namespace tenon
