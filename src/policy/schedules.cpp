#include "schedules.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

namespace tenon {

namespace {

class Ranker {
 public:
  Ranker(const RegionGroup& group, const Judge& judge, const ModelScorer* scorer) : space_(group.space), judge_(judge), scorer_(scorer) {}

  Ranking run(const Tiles& rules, size_t keep, bool only_sure) {
    constexpr int kSteps = 3;
    constexpr size_t kBeam = 4;
    add(rules);
    score();
    for (int step = 0; step < kSteps; ++step) {
      const size_t known = drafts_.size();
      for (const size_t k : fastest(0, kBeam)) {
        const Tiles from = drafts_[k];  // drafts_ grows
        around(from);
      }
      if (drafts_.size() == known) break;
      score();
    }
    Ranking ranking{.rules = whole({0})[0], .others = {}};
    if (only_sure && !may_be_sure()) return ranking;
    ranking.others = whole(fastest(1, kWhole));
    std::ranges::stable_sort(ranking.others, {}, &Judged::mean);
    ranking.others.resize(std::min(ranking.others.size(), keep));
    return ranking;
  }

 private:
  static constexpr size_t kWhole = 64;  // that all boosters see

  bool may_be_sure() const {
    if (!scorer_ || !scorer_->draft_is_whole()) return true;
    const double least = *std::ranges::min_element(scores_);
    return tenon::may_be_sure(scores_[0] - least, scorer_->boosters());
  }

  void add(const Tiles& tiles) {
    if (seen_.insert(tiles).second) drafts_.push_back(tiles);
  }

  ModelScorer::Candidates candidates(std::span<const float> rows, std::span<const double> priors) const {
    return {.rules = std::span(rows_).first(feature_table().size()), .ln_rules_prior = ln_priors_[0], .rows = rows, .ln_priors = priors};
  }

  // What was added since, all at once.
  void score() {
    const size_t first = scores_.size(), features = scorer_ ? feature_table().size() : 0;
    rows_.resize(drafts_.size() * features);
    for (size_t k = first; k < drafts_.size(); ++k)
      ln_priors_.push_back(std::log(scorer_ ? judge_.evaluate(drafts_[k], std::span(rows_).subspan(k * features, features)) : judge_.prior(drafts_[k])));
    const std::span priors = std::span(ln_priors_).subspan(first);
    const std::vector<double> scores = scorer_ ? scorer_->draft(candidates(std::span(rows_).subspan(first * features), priors)) : std::vector<double>(priors.begin(), priors.end());
    scores_.insert(scores_.end(), scores.begin(), scores.end());
  }

  // Of the drafts from `first` on.
  std::vector<size_t> fastest(size_t first, size_t count) const {
    std::vector<size_t> best(drafts_.size() - first);
    std::iota(best.begin(), best.end(), first);
    std::ranges::stable_sort(best, {}, [&](size_t k) { return scores_[k]; });
    best.resize(std::min(best.size(), count));
    return best;
  }

  void around(const Tiles& from) {
    for (size_t t = 0; t < from.size(); ++t) {
      const TileSpace& tile = space_.tiles[t];
      const auto row = [&](Knob knob) { return std::ranges::find(tile.knobs, knob, &KnobValues::knob); };
      const auto rows = row(Knob::rows), vectors = row(Knob::vectors);
      auto with = [&](Knob knob, int64_t value, const Tiles& tiles) {
        Tiles changed = tiles;
        changed[t].set(knob, value);
        return changed;
      };
      for (const KnobValues& k : tile.knobs) {
        const bool block = k.knob == Knob::rows && vectors != tile.knobs.end();
        if (k.knob == Knob::vectors && rows != tile.knobs.end()) continue;  // with the rows
        for (const int64_t value : k.values) {
          const Tiles changed = with(k.knob, value, from);
          if (!block) add_legal(changed);
          else
            for (const int64_t v : vectors->values) add_legal(with(Knob::vectors, v, changed));
        }
      }
    }
  }

  void add_legal(const Tiles& tiles) {
    if (is_legal(space_, tiles)) add(tiles);
  }

  std::vector<Judged> whole(const std::vector<size_t>& which) const {
    std::vector<float> rows;
    std::vector<double> priors;
    const size_t features = rows_.size() / drafts_.size();
    for (const size_t k : which) {
      const auto row = std::span(rows_).subspan(k * features, features);
      rows.insert(rows.end(), row.begin(), row.end());
      priors.push_back(ln_priors_[k]);
    }
    std::vector<std::vector<double>> said;
    if (scorer_) said = scorer_->predictions(candidates(rows, priors));
    std::vector<Judged> judged;
    for (size_t i = 0; i < which.size(); ++i) {
      Judged& one = judged.emplace_back(Judged{.tiles = drafts_[which[i]], .ln_seconds = scorer_ ? std::move(said[i]) : std::vector{priors[i]}});
      one.mean = std::reduce(one.ln_seconds.begin(), one.ln_seconds.end()) / static_cast<double>(one.ln_seconds.size());
    }
    return judged;
  }

  const RegionSpace& space_;
  const Judge& judge_;
  const ModelScorer* scorer_;
  std::set<Tiles> seen_;
  std::vector<Tiles> drafts_;       // what rules choose first
  std::vector<float> rows_;         // their features, one after the other
  std::vector<double> ln_priors_, scores_;
};

}  // namespace

Ranking rank_schedules(const RegionGroup& group, const Plan& plan, const Judge& judge, const ModelScorer* scorer, size_t keep, bool only_sure) {
  return Ranker(group, judge, scorer).run(tiles_of(plan.regions[group.regions[0]], group.space), keep, only_sure);
}

Prediction compared(std::span<const double> a, std::span<const double> b) {
  const auto n = static_cast<double>(a.size());
  Prediction p;
  double squares = 0;
  for (size_t k = 0; k < a.size(); ++k) {
    const double d = a[k] - b[k];
    p.mean += d / n, squares += d * d / n;
  }
  p.sigma = std::sqrt(std::max(0.0, squares - p.mean * p.mean));
  return p;
}

}  // namespace tenon
