#include "metrics.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "draws.h"

namespace tenon {

namespace {

constexpr size_t kTried = 8, kFewestForTop8 = 2 * kTried;  // schedules: fewer make it easy to be among the best

Tally& of(Tallies& tallies, Metric metric) { return tallies[static_cast<size_t>(metric)]; }
void count(Tallies& tallies, Metric metric, double sum, double number = 1) { of(tallies, metric) = {sum, number, 1}; }

// Times, those of failures as slow as the slowest: who tries them has gained nothing.
std::vector<double> times_of(std::span<const Sample* const> group) {
  double slowest = 0;
  for (const Sample* s : group) slowest = std::max(slowest, s->timing.seconds);
  std::vector<double> times;
  for (const Sample* s : group) times.push_back(s->timed() ? s->timing.seconds : slowest);
  return times;
}

bool decides(std::span<const Sample* const> group) { return std::ranges::count_if(group, &Sample::timed) > 1; }

void judge_order(std::span<const Sample* const> group, std::span<const size_t> order, Tallies& tallies) {
  const std::vector<double> times = times_of(group);
  const double best = std::ranges::min(times);
  if (decides(group)) count(tallies, Metric::Top1, times[order[0]] / best - 1);
  const size_t tried = std::min(kTried, order.size());
  double found = INFINITY, failed = 0;
  for (const size_t k : order.first(tried)) found = std::min(found, times[k]), failed += group[k]->failed();
  if (decides(group) && order.size() >= kFewestForTop8) count(tallies, Metric::Top8, found / best - 1);
  count(tallies, Metric::Failed, failed, static_cast<double>(tried));
}

double rank(const Said& said) { return said.beside ? said.beside->mean : said.mean; }

// As `hybrid` decides.
void judge_sure(std::span<const Sample* const> group, size_t first, std::span<const Said> said, Tallies& tallies) {
  const Sample* const rules = rules_of(group);
  if (!rules || !decides(group) || !said[first].beside) return;
  const bool taken = is_sure({.mean = -said[first].beside->mean, .sigma = said[first].beside->sigma}, std::log(rules->timing.prior / group[first]->timing.prior));
  count(tallies, Metric::Sure, taken ? times_of(group)[first] / rules->timing.seconds - 1 : 0);
}

}  // namespace

std::span<const MetricInfo> metric_table() {
  static constexpr MetricInfo kTable[] = {
      {"top1", "top-1 regret", "time of the schedule that is predicted fastest / of the fastest - 1; mean of groups"},
      {"top8", "top-8 regret", "time of the best of the eight that are predicted fastest / of the fastest - 1; groups of 16 schedules or more"},
      {"pairs", "pair accuracy", "of pairs of a group's schedules over 5 % apart: predicted in their order"},
      {"mape", "MAPE", "mean of |predicted / measured - 1|"},
      {"coverage", "coverage", "timings inside of their 90 % interval"},
      {"failed", "failed", "of the eight that are predicted fastest: cannot be used"},
      {"sure", "where it is sure", "time of the schedule that is predicted fastest where the gain on what rules choose is sure, else of the latter / that of rules - 1; mean of groups that have it"},
  };
  static_assert(std::size(kTable) == kMetrics);
  return kTable;
}

const Sample* rules_of(std::span<const Sample* const> group) {
  const auto rules = std::ranges::find_if(group, [](const Sample* s) { return s->timing.rules && s->timed(); });
  return rules == group.end() ? nullptr : *rules;
}

void add(Tallies& to, const Tallies& more) {
  for (size_t m = 0; m < kMetrics; ++m) to[m].sum += more[m].sum, to[m].count += more[m].count, to[m].groups += more[m].groups;
}

Tallies judge(std::span<const Sample* const> group, std::span<const Said> said) {
  constexpr double kProbable = 0.5, kApart = 0.05;
  Tallies tallies;
  std::vector<size_t> order(group.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, {}, [&](size_t k) { return std::pair(said[k].failure > kProbable, rank(said[k])); });
  judge_order(group, order, tallies);
  judge_sure(group, order[0], said, tallies);
  double right = 0, pairs = 0, error = 0, inside = 0, timed = 0, bounded = 0;
  for (size_t i = 0; i < group.size(); ++i) {
    if (!group[i]->timed()) continue;
    const double seconds = group[i]->timing.seconds;
    ++timed, error += std::abs(std::exp(said[i].mean) / seconds - 1);
    if (const Interval& range = said[i].interval; range.high > 0) ++bounded, inside += seconds >= range.low && seconds <= range.high;
    for (size_t j = 0; j < i; ++j) {
      if (!group[j]->timed()) continue;
      const double apart = std::log(seconds / group[j]->timing.seconds);
      if (std::abs(apart) <= std::log1p(kApart)) continue;
      const double predicted = rank(said[i]) - rank(said[j]);
      ++pairs, right += predicted == 0 ? 0.5 : (predicted > 0) == (apart > 0);
    }
  }
  if (pairs > 0) count(tallies, Metric::Pairs, right, pairs);
  if (timed > 0) count(tallies, Metric::Mape, error, timed);
  if (bounded > 0) count(tallies, Metric::Coverage, inside, bounded);
  return tallies;
}

Tallies judge_random(std::span<const Sample* const> group) {
  Tallies tallies;
  std::vector<double> times = times_of(group);
  std::ranges::sort(times);
  const auto n = static_cast<double>(times.size());
  // The best of `tried` is the i-th of n with probability C(n-1-i, tried-1) / C(n, tried): the product of what is not before it, one after the other.
  auto regret = [&](double tried) {
    double sum = 0, none_before = 1;
    for (size_t i = 0; i < times.size(); ++i) {
      const double left = n - static_cast<double>(i), here = std::min(1.0, tried / left);
      sum += none_before * here * (times[i] / times[0] - 1);
      none_before *= 1 - here;
    }
    return sum;
  };
  if (decides(group)) count(tallies, Metric::Top1, regret(1)), count(tallies, Metric::Pairs, 0.5);
  if (decides(group) && times.size() >= kFewestForTop8) count(tallies, Metric::Top8, regret(kTried));
  const double tried = std::min(static_cast<double>(kTried), n);
  count(tallies, Metric::Failed, tried * static_cast<double>(std::ranges::count_if(group, &Sample::failed)) / n, tried);
  return tallies;
}

Tallies judge_rules(std::span<const Sample* const> group) {
  Tallies tallies;
  const Sample* const rules = rules_of(group);
  if (!rules || !decides(group)) return tallies;
  const std::vector<double> times = times_of(group);
  count(tallies, Metric::Top1, rules->timing.seconds / std::ranges::min(times) - 1);
  return tallies;
}

MethodFigures figures_of(const Judged& judged) {
  constexpr int kDraws = 1000;
  constexpr double kTail = 0.025;
  MethodFigures figures{.method = judged.method, .figures = {}};
  const size_t seeds = judged.seeds.size();
  for (size_t m = 0; m < kMetrics; ++m) {
    // Units as columns: whoever has none of a seed counts nothing there.
    std::map<int, std::vector<Tally>> units;
    for (size_t s = 0; s < seeds; ++s)
      for (const auto& [unit, tallies] : judged.seeds[s])
        if (tallies[m].count > 0) units.try_emplace(unit, seeds).first->second[s] = tallies[m];
    if (units.empty()) continue;
    std::vector<const std::vector<Tally>*> columns;
    for (const auto& [unit, column] : units) columns.push_back(&column);
    auto ratio = [&](size_t s, std::span<const double> times) {
      double sum = 0, number = 0;
      for (size_t u = 0; u < columns.size(); ++u) sum += times[u] * (*columns[u])[s].sum, number += times[u] * (*columns[u])[s].count;
      return number > 0 ? sum / number : 0;
    };
    Figure& figure = figures.figures[m];
    std::vector<double> times(columns.size(), 1), drawn;
    for (size_t s = 0; s < seeds; ++s) figure.value += ratio(s, times) / static_cast<double>(seeds);
    for (const std::vector<Tally>* column : columns) figure.groups += std::ranges::max(*column, {}, &Tally::groups).groups;
    std::mt19937_64 dice(1);
    auto draw = [&](size_t of) { return draw_below(dice, of); };
    for (int d = 0; d < kDraws; ++d) {
      std::ranges::fill(times, 0);
      for (size_t u = 0; u < columns.size(); ++u) ++times[draw(columns.size())];
      double mean = 0;
      for (size_t s = 0; s < seeds; ++s) mean += ratio(draw(seeds), times) / static_cast<double>(seeds);
      drawn.push_back(mean);
    }
    std::ranges::sort(drawn);
    figure.low = drawn[static_cast<size_t>(kTail * kDraws)], figure.high = drawn[static_cast<size_t>((1 - kTail) * kDraws) - 1];
  }
  return figures;
}

}  // namespace tenon
