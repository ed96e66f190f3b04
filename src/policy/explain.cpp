#include "explain.h"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "tenon/contributions.h"

namespace tenon {

namespace {

// What differs, if it is one knob: "unroll=1 -> 4".
std::optional<std::string> one_change(const RegionSpace& space, const Tiles& from, const Tiles& to) {
  std::optional<std::string> found;
  for (size_t t = 0; t < from.size(); ++t)
    for (const KnobValues& k : space.tiles[t].knobs) {
      if (from[t][k.knob] == to[t][k.knob]) continue;
      if (found) return std::nullopt;
      found = std::string(knob_table()[static_cast<size_t>(k.knob)].name) + '=' + std::to_string(from[t][k.knob]) + " -> " + std::to_string(to[t][k.knob]);
      if (!space.tiles[t].value.empty()) *found += " of " + space.tiles[t].value;
    }
  return found;
}

// What a model is told of a schedule.
struct Rated {
  Rated(const Judge& judge, const Tiles& tiles) : features(feature_table().size()), prior(judge.evaluate(tiles, features)) {}
  Scheduled scheduled() const { return {features, prior}; }

  std::vector<float> features;
  double prior;
};

std::vector<Reason::Term> terms_of(const Judge& judge, const CostModel* model, const Tiles& chosen, const Tiles& runner_up) {
  constexpr size_t kMost = 8;
  const Rated other(judge, runner_up), own(judge, chosen);
  std::vector<Reason::Term> terms = {{.name = "roofline", .meaning = "what the prior says of both", .factor = model ? 1 : other.prior / own.prior}};
  if (!model) return terms;
  double rest = 1;
  for (const Factor& f : factors(*model, other.scheduled(), own.scheduled(), judge.rules())) {
    if (f.feature == feature_table().size()) {
      terms[0].factor = f.factor;
      continue;
    }
    const FeatureInfo& feature = feature_table()[f.feature];
    if (terms.size() <= kMost) terms.push_back({.name = std::string(feature.name), .meaning = std::string(feature.meaning), .factor = f.factor});
    else rest *= f.factor;
  }
  if (rest != 1) terms.push_back({.name = "others", .meaning = "all other features together", .factor = rest});
  std::ranges::stable_sort(terms, std::greater<>{}, [](const Reason::Term& t) { return std::abs(std::log(t.factor)); });
  return terms;
}

// Both 0: there is no calibrated model.
std::pair<double, double> interval_of(const Judge& judge, const CostModel* model, const Tiles& tiles) {
  if (!model) return {};
  // Of what rules choose, and how this one lies beside it.
  Prediction p = predict(*model, judge.rules().features, judge.rules().prior);
  const Rated own(judge, tiles);
  p.mean += relative(*model, own.features, own.prior, judge.rules()).mean;
  const Interval i = interval(*model, p);
  return i.low > 0 && std::isfinite(i.high) ? std::pair(i.low, i.high) : std::pair(0.0, 0.0);
}

}  // namespace

std::string shown(const Tiles& tiles) {
  std::string text;
  for (const Knobs& knobs : tiles) {
    if (&knobs != &tiles.front()) text += " | ";
    std::string own;
    for (const auto& [knob, value] : knobs.changed()) own += (own.empty() ? "" : " ") + std::string(knob_table()[static_cast<size_t>(knob)].name) + '=' + std::to_string(value);
    text += own.empty() ? "-" : own;
  }
  return text;
}

Reason explain(const RegionGroup& group, const Judge& judge, const CostModel* model, const Judged& chosen, const Judged* runner_up, const Ranking& others) {
  Reason reason;
  const Prior prior = judge.whole_prior(chosen.tiles);
  reason.roofline = prior.seconds, reason.bound = bound_name(prior.bound), reason.second = prior.second;
  if (runner_up) reason.terms = terms_of(judge, model, chosen.tiles, runner_up->tiles);
  reason.features = judge.features(chosen.tiles);
  std::tie(reason.low, reason.high) = interval_of(judge, model, chosen.tiles);
  if (runner_up) std::tie(reason.runner_up_low, reason.runner_up_high) = interval_of(judge, model, runner_up->tiles);
  auto consider = [&](const Judged& other) {
    const auto change = one_change(group.space, chosen.tiles, other.tiles);
    if (!change || (!reason.nearest.empty() && reason.nearest_seconds <= std::exp(other.mean))) return;
    reason.nearest = *change, reason.nearest_seconds = std::exp(other.mean);
  };
  consider(others.rules);
  std::ranges::for_each(others.others, consider);
  return reason;
}

}  // namespace tenon
