// When to learn anew, in words.
#include <algorithm>
#include <chrono>
#include <cmath>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "changes.h"

namespace tenon::telemetry {

namespace {

std::string moment(int64_t microseconds) {
  return fmt::format("{:%Y-%m-%d %H:%M} UTC", std::chrono::floor<std::chrono::minutes>(std::chrono::sys_time(std::chrono::microseconds(microseconds))));
}

// "7 % higher"
std::string amount(double change, const char* more, const char* less) { return fmt::format("{:.0f} % {}", 100 * std::abs(std::expm1(change)), change > 0 ? more : less); }

}  // namespace

std::vector<std::string> advice(const Stats& stats, const std::map<std::string, std::string>& names) {
  std::vector<std::string> all;
  auto reasons = [&](const ClassRow& row) {
    const std::string what = row.op_class + " on " + names.at(row.hardware);
    const bool of_model = !row.model_hash.empty();
    if (!row.changes.empty()) {
      const Change& last = row.changes.back();
      if (of_model)
        all.push_back(fmt::format("retrain: residuals of {} are {} since {}, {} records since the model was made", what, amount(last.by, "higher", "lower"), moment(last.since), row.residuals));
      else
        all.push_back(fmt::format("{}: times are {} against the roofline prior since {}, of the same workloads; learn from what was measured since then", what, amount(last.by, "higher", "lower"), moment(last.since)));
    } else if (of_model && row.residuals >= 64 && row.residuals > row.before) {
      all.push_back(fmt::format("retrain: {} has {} records since the model was made, more than the {} before", what, row.residuals, row.before));
    }
  };
  for (const ClassRow& row : stats.classes) reasons(row);
  for (size_t k = 0; k < stats.epochs.size(); ++k) {
    const Epoch& e = stats.epochs[k];
    const bool last = k + 1 == stats.epochs.size() || stats.epochs[k + 1].hardware != e.hardware;
    if (e.number > 1 && last)
      all.push_back(fmt::format("retrain: epoch {} of {} began {} ({}) and has {} records; tenon train --device {} --epoch latest learns from it alone", e.number, names.at(e.hardware), moment(e.begin), e.what, e.records, e.hardware.substr(0, 12)));
  }
  std::map<std::string, std::vector<const CanaryDrift*>> changed;
  for (const CanaryDrift& canary : stats.drift)
    if (!canary.changes.empty()) changed[canary.hardware].push_back(&canary);
  for (const auto& [hardware, canaries] : changed) {
    std::string text;
    for (const CanaryDrift* canary : canaries) text += fmt::format("{}{} {} since {}", text.empty() ? "" : ", ", canary->name, amount(canary->changes.back().by, "slower", "faster"), moment(canary->changes.back().since));
    all.push_back(fmt::format("the machine is another: canaries of {} changed: {}; measure anew what matters before it is learnt from", names.at(hardware), text));
  }
  if (all.empty()) {
    int64_t residuals = 0;
    for (const ClassRow& row : stats.classes) residuals += row.residuals;
    all.push_back(fmt::format("no reason to retrain: no drift in {} residuals and {} canaries", residuals, stats.drift.size()));
  }
  return all;
}

}  // namespace tenon::telemetry
