// Which schedules of a region to measure next.
#pragma once

#include <functional>
#include <map>
#include <random>
#include <set>

#include "tenon/workload.h"

namespace tenon {

using Tiles = std::vector<Knobs>;  // one per tile of the region's space

// Of a region's last variant.
Tiles tiles_of(const RegionPlan& region, const RegionSpace& space);
// Whether the space has them.
bool is_legal(const RegionSpace& space, const Tiles& tiles);
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
  // One of all that are legal that was not proposed before, each as likely as the others; nothing: none was found.
  std::optional<Tiles> draw();
  // Time of a proposal / that of what rules choose; infinite: it is none. `predicted`: the logarithm of that ratio as it was foretold.
  void measured(const Tiles& tiles, double ratio, double predicted);
  // Counts more than what was measured before: the mean of both, in logarithms.
  void measured_again(const Tiles& tiles, double ratio, double predicted);
  // What is foretold of a schedule after all that was measured here: as much of `predicted` as predictions were right so far, and by how much they missed
  // at schedules near this one.
  double expected(const Tiles& tiles, double predicted) const;
  // At most so many of those measured that are faster than what rules choose, with their ratios, the fastest first.
  std::vector<std::pair<Tiles, double>> fastest(size_t count) const;

  // One that was measured before this search; whether it is legal here and now.
  bool remember(const Tiles& tiles, double ratio, double predicted);

  const Tiles& rules() const { return rules_; }
  const Tiles& best() const { return best_; }
  double best_ratio() const { return best_ratio_; }

 private:
  // What was foretold and came, ln(time / that of rules), and where: per knob the place among its values.
  struct Lesson {
    std::vector<int> places;
    double predicted = 0, measured = 0;
  };

  std::vector<int> places(const Tiles& tiles) const;
  void learn(const Tiles& tiles, double ratio, double predicted);
  Tiles vary(const Tiles& from, int changes);
  void choose(const TileSpace& tile, Knob knob, Knobs& knobs);

  const RegionSpace& space_;
  std::mt19937_64 dice_;
  Tiles rules_, best_;
  double best_ratio_ = 1;
  std::set<std::string> seen_;
  std::map<std::string, std::pair<Tiles, double>> measured_;  // with the ratio
  std::vector<Lesson> lessons_;
};

}  // namespace tenon
