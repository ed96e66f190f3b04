#include "tenon/model_scorer.h"

#include <algorithm>
#include <cmath>

namespace tenon {

namespace {

// Feature after feature, as scorers take them.
struct Columns {
  Columns(const ModelScorer::Candidates& c, size_t width, bool order) : margins(c.ln_priors.begin(), c.ln_priors.end()) {
    const size_t count = c.ln_priors.size();
    TENON_CHECK(c.rows.size() == count * width, "a row of features per candidate");
    const size_t wide = order ? order_width(width) : width;
    features.resize(count * wide);
    const Scheduled rules{.features = c.rules, .prior = std::exp(c.ln_rules_prior)};
    std::vector<float> row(wide);
    for (size_t k = 0; k < count; ++k) {
      const std::span own = c.rows.subspan(k * width, width);
      if (order) order_row(own, std::exp(c.ln_priors[k]), rules, row), margins[k] = order_margin(std::exp(c.ln_priors[k]), rules);
      else std::ranges::copy(own, row.begin());
      for (size_t f = 0; f < wide; ++f) features[f * count + k] = row[f];
    }
  }

  std::vector<float> predict(const TreeScorer& scorer) const {
    std::vector<float> out(margins.size());
    scorer.predict(margins.size(), features.data(), margins.data(), out.data());
    return out;
  }

  std::vector<float> features, margins;
};

}  // namespace

ModelScorer::ModelScorer(const CostModel& model, std::span<const NativeTrees> compiled) : model_(model), draft_(draft_booster(model)), order_(!model.order.empty()) {
  const size_t features = order_ ? order_width(model.names.size()) : model.names.size();
  scorers_.emplace_back(draft_, features, compiled);
  for (const Booster& booster : order_ ? model.order : model.boosters) scorers_.emplace_back(booster, features, compiled);
}

bool ModelScorer::draft_is_whole() const {
  const std::vector<Booster>& all = order_ ? model_.order : model_.boosters;
  return !all.empty() && draft_.nodes.size() == all[0].nodes.size();
}

std::vector<double> ModelScorer::draft(const Candidates& candidates) const {
  if (model_.boosters.empty()) return {candidates.ln_priors.begin(), candidates.ln_priors.end()};
  const std::vector<float> said = Columns(candidates, model_.names.size(), order_).predict(scorers_[0]);
  return {said.begin(), said.end()};
}

std::vector<std::vector<double>> ModelScorer::predictions(const Candidates& candidates) const {
  std::vector<std::vector<double>> all(candidates.ln_priors.size());
  const Columns columns(candidates, model_.names.size(), order_), itself({candidates.rules, candidates.ln_rules_prior, candidates.rules, std::span(&candidates.ln_rules_prior, 1)}, model_.names.size(), order_);
  for (size_t b = 1; b < scorers_.size(); ++b) {
    const std::vector<float> said = columns.predict(scorers_[b]);
    const double level = order_ ? static_cast<double>(model_.boosters[b - 1].predict(candidates.rules, static_cast<float>(candidates.ln_rules_prior))) - itself.predict(scorers_[b])[0] : 0;
    for (size_t k = 0; k < said.size(); ++k) all[k].push_back(level + said[k]);
  }
  if (model_.boosters.empty())
    for (size_t k = 0; k < all.size(); ++k) all[k].push_back(candidates.ln_priors[k]);
  return all;
}

}  // namespace tenon
