#include "schedules.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

namespace tenon {

namespace {

class Ranker {
 public:
  Ranker(const RegionGroup& group, const Judge& judge, const CostModel* model) : space_(group.space), judge_(judge), model_(model) {}

  Ranking run(Tiles rules, size_t keep) {
    constexpr int kSteps = 3;
    constexpr size_t kBeam = 4;
    add(rules);
    for (int step = 0; step < kSteps; ++step) {
      const size_t known = drafts_.size();
      std::vector<size_t> best(known);
      std::iota(best.begin(), best.end(), size_t{0});
      std::ranges::stable_sort(best, {}, [&](size_t k) { return drafts_[k].second; });
      best.resize(std::min(known, kBeam));
      for (const size_t k : best) {
        const Tiles from = drafts_[k].first;  // drafts_ grows
        around(from);
      }
      if (drafts_.size() == known) break;
    }
    Ranking ranking{.rules = whole(rules), .others = {}};
    drafts_.erase(drafts_.begin());
    std::ranges::stable_sort(drafts_, {}, &std::pair<Tiles, double>::second);
    constexpr size_t kWhole = 64;
    for (size_t k = 0; k < std::min(drafts_.size(), kWhole); ++k) ranking.others.push_back(whole(drafts_[k].first));
    std::ranges::stable_sort(ranking.others, {}, &Judged::mean);
    ranking.others.resize(std::min(ranking.others.size(), keep));
    return ranking;
  }

 private:
  void add(const Tiles& tiles) {
    if (!seen_.insert(text_of(tiles)).second) return;
    drafts_.emplace_back(tiles, judge_.draft(tiles, model_));
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

  Judged whole(const Tiles& tiles) const {
    Judged judged{.tiles = tiles, .ln_seconds = judge_.predictions(tiles, model_)};
    judged.mean = std::reduce(judged.ln_seconds.begin(), judged.ln_seconds.end()) / static_cast<double>(judged.ln_seconds.size());
    return judged;
  }

  const RegionSpace& space_;
  const Judge& judge_;
  const CostModel* model_;
  std::set<std::string> seen_;
  std::vector<std::pair<Tiles, double>> drafts_;  // what rules choose first
};

}  // namespace

Ranking rank_schedules(const RegionGroup& group, const Plan& plan, const Judge& judge, const CostModel* model, size_t keep) {
  return Ranker(group, judge, model).run(tiles_of(plan.regions[group.regions[0]], group.space), keep);
}

Prediction compared(const Judged& a, const Judged& b) {
  const auto n = static_cast<double>(a.ln_seconds.size());
  Prediction p;
  double squares = 0;
  for (size_t k = 0; k < a.ln_seconds.size(); ++k) {
    const double d = a.ln_seconds[k] - b.ln_seconds[k];
    p.mean += d / n, squares += d * d / n;
  }
  p.sigma = std::sqrt(std::max(0.0, squares - p.mean * p.mean));
  return p;
}

}  // namespace tenon
