#include "tenon/candidates.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace tenon {

Tiles tiles_of(const RegionPlan& region, const RegionSpace& space) {
  Tiles tiles;
  for (size_t t = 0; t < space.tiles.size(); ++t) tiles.push_back(knobs_of(region.schedule.variants.back(), space, t));
  return tiles;
}

bool is_legal(const RegionSpace& space, const Tiles& tiles) {
  for (size_t t = 0; t < tiles.size(); ++t) {
    Knobs free;
    for (const KnobValues& k : space.tiles[t].knobs)
      if (tiles[t].differs(k.knob)) free.set(k.knob, tiles[t][k.knob]);
    if (!space.tiles[t].has(free)) return false;
  }
  return true;
}

std::string text_of(const Tiles& tiles) {
  std::string text;
  for (const Knobs& knobs : tiles) {
    for (const auto& [knob, value] : knobs.changed()) text += std::string(knob_table()[static_cast<size_t>(knob)].name) + '=' + std::to_string(value) + ' ';
    text += '|';
  }
  return text;
}

std::optional<Tiles> parse_tiles(std::string_view text) {
  Tiles tiles;
  while (!text.empty()) {
    const size_t bar = text.find('|');
    if (bar == text.npos) return std::nullopt;
    std::string_view rest = text.substr(0, bar);
    text.remove_prefix(bar + 1);
    Knobs& knobs = tiles.emplace_back();
    while (!rest.empty()) {
      const size_t equals = rest.find('='), space = rest.find(' ');
      if (equals == rest.npos || space == rest.npos || space < equals) return std::nullopt;
      const auto row = std::ranges::find(knob_table(), rest.substr(0, equals), &KnobInfo::name);
      int64_t value = 0;
      const auto [end, error] = std::from_chars(rest.data() + equals + 1, rest.data() + space, value);
      if (row == knob_table().end() || error != std::errc() || end != rest.data() + space) return std::nullopt;
      knobs.set(static_cast<Knob>(row - knob_table().begin()), value);
      rest.remove_prefix(space + 1);
    }
  }
  return tiles;
}

Candidates::Candidates(const RegionGroup& group, const Plan& plan, uint64_t seed) : space_(group.space), dice_(seed) {
  best_ = rules_ = tiles_of(plan.regions[group.regions[0]], space_);
  seen_.insert(text_of(rules_));
}

void Candidates::choose(const TileSpace& tile, Knob knob, Knobs& knobs) {
  const auto row = std::ranges::find(tile.knobs, knob, &KnobValues::knob);
  if (row == tile.knobs.end() || row->values.empty()) return;
  const std::vector<int64_t>& values = row->values;
  const auto at = std::ranges::find(values, knobs[knob]);
  auto any = [&] { return values[std::uniform_int_distribution<size_t>(0, values.size() - 1)(dice_)]; };
  // Half of the changes go to a neighbour.
  if (at != values.end() && values.size() > 3 && std::uniform_int_distribution<int>(0, 1)(dice_)) {
    const auto place = static_cast<int64_t>(at - values.begin()) + std::uniform_int_distribution<int64_t>(-2, 2)(dice_);
    knobs.set(knob, values[static_cast<size_t>(std::clamp<int64_t>(place, 0, static_cast<int64_t>(values.size()) - 1))]);
  } else {
    knobs.set(knob, any());
  }
}

Tiles Candidates::vary(const Tiles& from, int changes) {
  Tiles tiles = from;
  for (int c = 0; c < changes; ++c) {
    const size_t t = std::uniform_int_distribution<size_t>(0, tiles.size() - 1)(dice_);
    const TileSpace& tile = space_.tiles[t];
    if (tile.knobs.empty()) continue;
    // The register block decides most.
    const bool block = std::uniform_int_distribution<int>(0, 1)(dice_);
    if (block) choose(tile, Knob::rows, tiles[t]), choose(tile, Knob::vectors, tiles[t]);
    else choose(tile, tile.knobs[std::uniform_int_distribution<size_t>(0, tile.knobs.size() - 1)(dice_)].knob, tiles[t]);
  }
  return tiles;
}

std::optional<Tiles> Candidates::propose(const Score& score) {
  constexpr int kDrawn = 256, kMostChanges = 3, kWild = 8;
  constexpr size_t kParents = 4;
  const auto parents = fastest(kParents);
  std::optional<Tiles> best;
  double least = INFINITY;
  for (int draw = 0; draw < kDrawn; ++draw) {
    const bool wild = draw % kWild == 0;
    const Tiles& parent = draw % 3 == 0 ? rules_ : draw % 3 == 1 || parents.empty() ? best_ : parents[static_cast<size_t>(draw / 3) % parents.size()].first;
    Tiles tiles = vary(parent, wild ? 2 * kMostChanges : std::uniform_int_distribution<int>(1, kMostChanges)(dice_));
    if (!is_legal(space_, tiles) || seen_.contains(text_of(tiles))) continue;
    const double s = score(tiles);
    if (s < least) least = s, best = std::move(tiles);
  }
  if (best) seen_.insert(text_of(*best));
  return best;
}

bool Candidates::remember(const Tiles& tiles, double ratio, double predicted) {
  if (tiles.size() != space_.tiles.size() || !is_legal(space_, tiles)) return false;
  seen_.insert(text_of(tiles));
  measured(tiles, ratio, predicted);
  return true;
}

std::optional<Tiles> Candidates::draw() {
  constexpr int kTries = 1000;
  for (int k = 0; k < kTries; ++k) {
    Tiles tiles = rules_;
    for (size_t t = 0; t < tiles.size(); ++t)
      for (const KnobValues& knob : space_.tiles[t].knobs) tiles[t].set(knob.knob, knob.values[std::uniform_int_distribution<size_t>(0, knob.values.size() - 1)(dice_)]);
    if (is_legal(space_, tiles) && seen_.insert(text_of(tiles)).second) return tiles;
  }
  return std::nullopt;
}

std::vector<int> Candidates::places(const Tiles& tiles) const {
  std::vector<int> all;
  for (size_t t = 0; t < tiles.size(); ++t)
    for (const KnobValues& knob : space_.tiles[t].knobs)
      all.push_back(static_cast<int>(std::ranges::find(knob.values, tiles[t][knob.knob]) - knob.values.begin()));
  return all;
}

void Candidates::learn(const Tiles& tiles, double ratio, double predicted) {
  if (std::isfinite(ratio) && std::isfinite(predicted)) lessons_.push_back({.places = places(tiles), .predicted = predicted, .measured = std::log(ratio)});
}

double Candidates::expected(const Tiles& tiles, double predicted) const {
  // A prediction of 10 % that came true or did not is as much as is believed before.
  constexpr double kBelief = 0.01;
  // Two places of one knob away a lesson weighs exp(-1/2); what is far counts alike. Against one lesson's weight for "as predicted".
  constexpr double kTwoPlaces = 2, kFar = 4, kAsPredicted = 1;
  double agree = kBelief, all = kBelief;
  for (const Lesson& l : lessons_) agree += l.predicted * l.measured, all += l.predicted * l.predicted;
  const double share = std::clamp(agree / all, 0.0, 1.0);
  const std::vector<int> here = places(tiles);
  double missed = 0, weights = kAsPredicted;
  for (const Lesson& l : lessons_) {
    double distance = 0;
    for (size_t k = 0; k < here.size(); ++k) {
      const double steps = std::min(kFar, std::abs(static_cast<double>(here[k] - l.places[k]))) / kTwoPlaces;
      distance += steps * steps;
    }
    const double weight = std::exp(-distance / 2);
    weights += weight, missed += weight * (l.measured - share * l.predicted);
  }
  return share * predicted + missed / weights;
}

void Candidates::measured(const Tiles& tiles, double ratio, double predicted) {
  learn(tiles, ratio, predicted);
  measured_[text_of(tiles)] = {tiles, ratio};
  if (ratio < best_ratio_) best_ratio_ = ratio, best_ = tiles;
}

void Candidates::measured_again(const Tiles& tiles, double ratio, double predicted) {
  learn(tiles, ratio, predicted);
  auto& [known, before] = measured_[text_of(tiles)];
  known = tiles;
  before = before > 0 ? std::sqrt(before * ratio) : ratio;
  best_ratio_ = 1, best_ = rules_;
  for (const auto& [text, row] : measured_)
    if (row.second < best_ratio_) best_ratio_ = row.second, best_ = row.first;
}

std::vector<std::pair<Tiles, double>> Candidates::fastest(size_t count) const {
  std::vector<const std::pair<Tiles, double>*> rows;
  for (const auto& [text, row] : measured_)
    if (row.second < 1) rows.push_back(&row);
  std::ranges::sort(rows, {}, [](const auto* row) { return row->second; });
  std::vector<std::pair<Tiles, double>> found;
  for (size_t k = 0; k < std::min(count, rows.size()); ++k) found.push_back(*rows[k]);
  return found;
}

}  // namespace tenon
