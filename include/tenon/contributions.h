// What each feature adds to a prediction: Shapley values of the trees (Lundberg, Erion, Lee: Consistent individualized feature attribution
// for tree ensembles, 2018, algorithm 2), where what is not known of a candidate is drawn as it lay while growing, by covers.
#pragma once

#include <span>
#include <vector>

#include "tenon/trees.h"

namespace tenon {

// Of the mean of the boosters, in ln(seconds): one number per feature, then the expected value. Their sum is the prediction less the margin,
// but for the rounding of predictions: they add T leaves to the margin in float, so they err by no more than T * 2^-24 * (|margin| + the sum
// of the trees' largest |leaf|). Ours is of double: of a tree no more than 4 D * 2^D * 2^-53 of its largest |leaf|, D its depth, as a
// step of a path rounds four times and taking a feature out of a path divides by a polynomial whose coefficients grow to 2^D.
std::vector<double> contributions(const CostModel& model, std::span<const float> x);
std::vector<double> contributions(const Booster& booster, size_t features, std::span<const float> x);

// Why x takes another time than y: a feature's factor, exp of the difference of what it adds, by itself and by its difference from what rules choose.
// Factors of 1 are left out; largest first, in either direction. Their product is exp(relative(x) - relative(y)).
struct Factor {
  size_t feature = 0;  // names.size(): the prior
  double factor = 1;
};
std::vector<Factor> factors(const CostModel& model, const Scheduled& x, const Scheduled& y, const Scheduled& rules);

}  // namespace tenon
