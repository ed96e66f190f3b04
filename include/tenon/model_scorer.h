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
  // How many boosters rank; whether the draft is the first of them, and no part of it.
  size_t boosters() const { return scorers_.size() - 1; }
  bool draft_is_whole() const;

  // Candidates of one region: what rules choose, and the features and ln(prior) of each, one candidate after the other.
  struct Candidates {
    std::span<const float> rules;
    double ln_rules_prior = 0;
    std::span<const float> rows;
    std::span<const double> ln_priors;
  };
  // What ranks candidates by the draft: ln(seconds), but for what all have in common.
  std::vector<double> draft(const Candidates& candidates) const;
  // ln(seconds) of each candidate by each booster: of what rules choose, and the candidate's beside it where the model has order boosters.
  std::vector<std::vector<double>> predictions(const Candidates& candidates) const;

 private:
  const CostModel& model_;
  Booster draft_;
  std::vector<TreeScorer> scorers_;  // the draft's, then one per booster that ranks
  bool order_;                       // which are the order boosters
};

}  // namespace tenon
