#include "changes.h"

#include <algorithm>
#include <cmath>

#include "drift.h"
#include "tenon/median.h"

namespace tenon::telemetry {

namespace {

// How many timings of a workload say what the prior does not know of it.
constexpr size_t kFirstOfWorkload = 8;

std::vector<Change> changes_of(const Drift& drift, const std::vector<int64_t>& moments) {
  std::vector<Change> changes;
  for (const DriftAlarm& alarm : drift.alarms) changes.push_back({.since = moments[alarm.begin], .by = alarm.change});
  return changes;
}

}  // namespace

void Residuals::add(const Record& r, const std::string& op_class, const std::string& hardware, int epoch) {
  Class& c = classes_[{hardware, op_class}];
  ++c.records;
  if (std::ranges::find(c.epochs, epoch) == c.epochs.end()) c.epochs.push_back(epoch);
  if (r.status != Status::Ok) return;
  if (!r.features.empty()) ++c.learnable, c.learnt_at.push_back(r.timestamp);
  if (r.predicted > 0) c.by_model[r.model_hash].push_back({r.timestamp, r.uuid, r.workload_hash, std::log(r.median / r.predicted)});
}

std::vector<ClassRow> Residuals::rows() const {
  std::vector<ClassRow> rows;
  for (const auto& [id, c] : classes_) {
    ClassRow& row = rows.emplace_back(ClassRow{.hardware = id.first, .op_class = id.second, .records = c.records, .learnable = c.learnable, .epochs = static_cast<int>(c.epochs.size())});
    const std::vector<Sample>* last = nullptr;
    int64_t latest = 0;
    for (const auto& [model, predicted] : c.by_model) {
      const int64_t at = std::ranges::max(predicted, {}, &Sample::at).at;
      if (!last || at > latest) last = &predicted, latest = at, row.model_hash = model;
    }
    if (!last) continue;
    std::vector<Sample> samples = *last;
    std::ranges::sort(samples, {}, [](const Sample& s) { return std::tie(s.at, s.uuid); });
    if (row.model_hash.empty()) {
      std::map<std::string, std::vector<double>> first;
      for (const Sample& s : samples)
        if (auto& some = first[s.workload]; some.size() < kFirstOfWorkload) some.push_back(s.residual);
      for (Sample& s : samples) s.residual -= median_of(first[s.workload]);
    }
    std::vector<double> residuals;
    std::vector<int64_t> moments;
    for (const Sample& s : samples) residuals.push_back(s.residual), moments.push_back(s.at);
    row.residuals = static_cast<int64_t>(residuals.size());
    row.before = std::ranges::count_if(c.learnt_at, [&](int64_t at) { return at < moments[0]; });
    for (const double x : residuals) row.mean = (std::isnan(row.mean) ? 0 : row.mean) + x / static_cast<double>(residuals.size());
    row.sigma = kSigmaOfMad * mad_of(residuals, median_of(residuals));
    row.changes = changes_of(find_drift(residuals), moments);
  }
  return rows;
}

std::vector<CanaryDrift> canary_drift(const std::vector<Canary>& canaries, const std::map<std::string, std::string>& hardware_of_device) {
  std::map<std::pair<std::string, std::string>, std::pair<std::vector<double>, std::vector<int64_t>>> series;
  for (const Canary& canary : canaries) {
    auto& [logs, moments] = series[{hardware_of_device.at(canary.device), canary.name}];
    logs.push_back(std::log(canary.seconds)), moments.push_back(canary.timestamp);
  }
  std::vector<CanaryDrift> all;
  for (const auto& [id, one] : series) {
    const auto& [logs, moments] = one;
    const double middle = median_of(logs);
    std::vector<int64_t> begins;
    for (size_t k = 0; k < moments.size(); k += kCanaryBatch) begins.push_back(moments[k]);
    all.push_back({.hardware = id.first, .name = id.second, .samples = static_cast<int64_t>(logs.size()), .median = std::exp(middle),
                   .sigma = kSigmaOfMad * mad_of(logs, middle), .changes = changes_of(find_drift(least_of_batches(logs, kCanaryBatch)), begins)});
  }
  return all;
}

}  // namespace tenon::telemetry
