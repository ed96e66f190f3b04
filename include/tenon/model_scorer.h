// A cost model that ranks many candidates: a draft of it sees all of them, all of its boosters the best.
#pragma once

#include "tenon/tree_scorer.h"

namespace tenon {

// The model must outlive it. With code or without, results are the same bits.
class ModelScorer {
 public:
  explicit ModelScorer(const CostModel& model, std::span<const NativeTrees> compiled = shipped_trees());
  ModelScorer(const ModelScorer&) = delete;
  ModelScorer& operator=(const ModelScorer&) = delete;

  const CostModel& model() const { return model_; }
  bool native() const { return scorers_[0].native(); }  // the draft is code

  // ln(seconds) of candidates by the draft. `rows`: the features of each, one candidate after the other; `ln_priors`: of each.
  std::vector<double> draft(std::span<const float> rows, std::span<const double> ln_priors) const;
  // Of each candidate, what each booster says.
  std::vector<std::vector<double>> predictions(std::span<const float> rows, std::span<const double> ln_priors) const;

 private:
  const CostModel& model_;
  Booster draft_;
  std::vector<TreeScorer> scorers_;  // the draft's, then one per booster
};

}  // namespace tenon
