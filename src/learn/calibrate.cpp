#include "calibrate.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace tenon {

namespace {

struct Weighted {
  double value, weight;
};

// The least value that `share` of the weight does not exceed; the greatest where rounding leaves none.
double quantile(std::vector<Weighted> values, double share) {
  std::ranges::sort(values, {}, &Weighted::value);
  double all = 0, sum = 0;
  for (const Weighted& v : values) all += v.weight;
  for (const Weighted& v : values)
    if (sum += v.weight; sum >= share * all) return v.value;
  return values.back().value;
}

}  // namespace

// Conformal prediction. A schedule's score is |ln t - mean| / s(x) with s(x)^2 = sigma^2 + floor^2. If an unseen unit is like those that are known,
// its scores are as likely to lie at any place among theirs, whatever s is; so with q the kCoverage quantile of known scores, |ln t - mean| <= q s(x)
// holds for kCoverage of its schedules. Three things need care.
//   Scores must be of boosters that did not see the unit: those that were grown without it, of which there are m < n. Their mean scatters more,
//   by sigma^2/m where the whole ensemble's does by sigma^2/n; with v the variance beside that, residuals are shrunk by
//   sqrt((v + sigma^2/n) / (v + sigma^2/m)).
//   Rows of a unit are alike, so that K units are K draws, not as many as rows: each row weighs 1/(K rows of its unit), and the unit to come has
//   the weight of one more, at infinity, which asks for the quantile kCoverage (K + 1)/K (Lee, Barber and Willett 2023, "Distribution-free
//   inference with hierarchical data"). Fewer than nine units cannot promise 90 %: the greatest score stands in.
//   Units that models share are more alike than those of other models. Where it is known whose they are, a model is what is drawn: K is theirs.
//   floor^2 is v, from the median of squares, which a few wild rows do not move: the median of a squared normal deviate is 0.455. A floor that is
//   off makes intervals uneven, not wrong on the whole.
Calibration calibrate(std::span<const Unseen> said, std::span<const double> truth, std::span<const int> unit_of_row, int ensemble) {
  constexpr double kMedianOfSquare = 0.455, kLeastFloor = 1e-4;
  std::map<int, double> rows;  // of each unit
  for (size_t r = 0; r < said.size(); ++r)
    if (said[r].boosters > 1) ++rows[unit_of_row[r]];
  if (rows.empty()) return {};
  std::vector<Weighted> squares, scores;
  double spread = 0;
  const auto units = static_cast<double>(rows.size());
  for (size_t r = 0; r < said.size(); ++r) {
    if (said[r].boosters < 2) continue;
    const double residual = truth[r] - said[r].mean, weight = 1 / (units * rows[unit_of_row[r]]);
    squares.push_back({residual * residual, weight});
    spread += weight * said[r].variance / said[r].boosters;
  }
  const double v = std::max(quantile(squares, 0.5) / kMedianOfSquare - spread, kLeastFloor * kLeastFloor);
  for (size_t r = 0, k = 0; r < said.size(); ++r) {
    const Unseen& u = said[r];
    if (u.boosters < 2) continue;
    const double shrink = (v + u.variance / ensemble) / (v + u.variance / u.boosters);
    const double sigma2 = u.variance * (ensemble - 1) / ensemble;  // as Prediction::sigma has it
    scores.push_back({std::sqrt(squares[k].value * shrink / (sigma2 + v)), squares[k].weight});
    ++k;
  }
  return {.floor = std::sqrt(v), .scale = quantile(scores, kCoverage * (units + 1) / units), .units = static_cast<int64_t>(rows.size())};
}

}  // namespace tenon
