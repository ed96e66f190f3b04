// Which schedules of a region to measure next.
#pragma once

#include <functional>
#include <random>
#include <set>

#include "workload.h"

namespace tenon {

using Tiles = std::vector<Knobs>;  // one per tile of the region's space

std::string text_of(const Tiles& tiles);  // "rows=14 vectors=2 |rows=4 |"
std::optional<Tiles> parse_tiles(std::string_view text);

// Scores a schedule: less is better. Finite.
using Score = std::function<double(const Tiles& tiles)>;

// What is known of a region's schedules, and what is proposed from it.
class Candidates {
 public:
  Candidates(const RegionGroup& group, const Plan& plan, uint64_t seed);

  // One that was not proposed before: the best by `score` of some that differ in a few knobs from the best measured, or in all; nothing: none is left.
  std::optional<Tiles> propose(const Score& score);
  // Time of a proposal / that of what rules choose; infinite: it is none.
  void measured(const Tiles& tiles, double ratio);

  // One that was measured before this search; whether it is legal here and now.
  bool remember(const Tiles& tiles, double ratio);

  const Tiles& rules() const { return rules_; }
  const Tiles& best() const { return best_; }
  double best_ratio() const { return best_ratio_; }

 private:
  Tiles vary(const Tiles& from, int changes);
  void choose(const TileSpace& tile, Knob knob, Knobs& knobs);
  bool legal(const Tiles& tiles) const;

  const RegionSpace& space_;
  std::mt19937_64 dice_;
  Tiles rules_, best_;
  double best_ratio_ = 1;
  std::set<std::string> seen_;
};

}  // namespace tenon
