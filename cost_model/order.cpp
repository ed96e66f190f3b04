#include <algorithm>
#include <cmath>

#include "spread.h"

namespace tenon {

namespace {

constexpr double kPriorShare = 0.5;

// Of a - b, booster by booster.
Prediction of_differences(std::span<const Booster> boosters, std::span<const float> a, float margin_a, std::span<const float> b, float margin_b) {
  return spread(boosters, margin_a - margin_b, [&](const Booster& booster) { return static_cast<double>(booster.predict(a, margin_a)) - booster.predict(b, margin_b); });
}

}  // namespace

void order_row(std::span<const float> x, double prior, const Scheduled& rules, std::span<float> row) {
  const size_t n = x.size();
  for (size_t f = 0; f < n; ++f) row[f] = x[f], row[n + f] = x[f] - rules.features[f];
  row[2 * n] = static_cast<float>(std::log(prior / rules.prior));
}

float order_margin(double prior, const Scheduled& rules) { return static_cast<float>(kPriorShare * std::log(prior / rules.prior)); }

Prediction relative(const CostModel& model, std::span<const float> x, double prior, const Scheduled& rules) {
  if (model.order.empty())
    return of_differences(model.boosters, x, static_cast<float>(std::log(prior)), rules.features, static_cast<float>(std::log(rules.prior)));
  std::vector<float> row(order_width(x.size())), own(row.size());
  order_row(x, prior, rules, row), order_row(rules.features, rules.prior, rules, own);
  return of_differences(model.order, row, order_margin(prior, rules), own, 0);
}

namespace {
constexpr double kLeastGain = 0.05, kSigmas = 3;
}

bool is_sure(const Prediction& gain, double prior_gain) { return gain.mean > std::max({kLeastGain, kSigmas * gain.sigma, prior_gain}); }

// Where n boosters say m on average and one of them b, their standard deviation is |m - b| / sqrt(n - 1) at least: m > kSigmas of it leaves
// b > m (1 - sqrt(n - 1) / kSigmas).
bool may_be_sure(double gain_of_one, size_t boosters) {
  constexpr double kRounding = 1e-6;
  const double share = 1 - std::sqrt(std::max(0.0, static_cast<double>(boosters) - 1)) / kSigmas;
  return share <= 0 || gain_of_one > share * kLeastGain - kRounding;
}

namespace {

std::vector<float> device_of(const CostModel& model, std::span<const float> x) {
  std::vector<float> device;
  for (const int32_t f : model.device_features) device.push_back(x[static_cast<size_t>(f)]);
  return device;
}

// NaN, what is not known, is like NaN alone.
bool alike(const std::vector<float>& a, const std::vector<float>& b, float apart) {
  return std::ranges::equal(a, b, [&](float x, float y) { return (std::isnan(x) && std::isnan(y)) || std::abs(x - y) <= apart; });
}

}  // namespace

bool knows_device(const CostModel& model, std::span<const float> x) {
  constexpr float kApart = 0.15F;
  const std::vector<float> device = device_of(model, x);
  return model.devices.empty() || std::ranges::any_of(model.devices, [&](const auto& known) { return alike(known, device, kApart); });
}

void add_device(CostModel& model, std::span<const float> x) {
  std::vector<float> device = device_of(model, x);
  if (std::ranges::none_of(model.devices, [&](const auto& known) { return alike(known, device, 0); })) model.devices.push_back(std::move(device));
}

}  // namespace tenon
