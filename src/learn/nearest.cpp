#include "tenon/nearest.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "samples.h"
#include "tenon/features.h"

namespace tenon {

Result<NearestRecords> NearestRecords::open(const NearestOptions& options) {
  TENON_TRY(telemetry::Store store, telemetry::Store::open(options.store, {.read_only = true, .check = true}));
  std::set<std::string> devices, compilers;
  TENON_TRY(const std::vector<telemetry::Device> of_store, store.devices());
  for (const telemetry::Device& device : of_store) devices.insert(telemetry::fingerprint(device));
  TENON_TRY(const std::vector<telemetry::Compiler> builds, store.compilers());
  for (const telemetry::Compiler& build : builds) compilers.insert(build.id);
  telemetry::Filter filter{.devices = {}, .compilers = {}, .workload = {}, .statuses = {telemetry::Status::Ok}};
  TENON_TRY(filter.devices, choose_ids(options.device, devices, "device"));
  TENON_TRY(filter.compilers, choose_ids(options.compiler, compilers, "compiler"));
  NearestRecords nearest;
  const std::string id = features_id();
  const size_t width = feature_table().size();
  std::map<std::pair<std::string, std::string>, size_t> known;
  const auto read = store.each(filter, [&](const telemetry::Record& r) {
    if (r.feature_hash != id || r.features.size() != width) return;
    Row row{.record = {.schedule = r.schedule, .op_class = class_of(r.workload), .workload = r.workload_hash, .model = r.model_name, .seconds = r.median, .timestamp = r.timestamp}, .features = r.features};
    const auto [at, is_new] = known.emplace(std::pair(r.workload_hash, r.schedule), nearest.records_.size());
    if (is_new) nearest.records_.push_back(std::move(row));
    else if (nearest.records_[at->second].record.timestamp <= r.timestamp) nearest.records_[at->second] = std::move(row);
  });
  if (!read) return std::unexpected(read.error());
  for (size_t f = 0; f < width; ++f) {
    double n = 0, sum = 0, squares = 0;
    for (const Row& row : nearest.records_)
      if (std::isfinite(row.features[f])) n += 1, sum += static_cast<double>(row.features[f]);
    for (const Row& row : nearest.records_)
      if (std::isfinite(row.features[f])) squares += std::pow(static_cast<double>(row.features[f]) - sum / n, 2);
    nearest.sigma_.push_back(n > 0 ? std::sqrt(squares / n) : 0);
  }
  return nearest;
}

std::vector<NearRecord> NearestRecords::of(std::span<const float> features, size_t count) const {
  std::vector<NearRecord> found;
  for (const Row& row : records_) {
    double squares = 0;
    for (size_t f = 0; f < sigma_.size(); ++f) {
      const auto a = static_cast<double>(features[f]), b = static_cast<double>(row.features[f]);
      if (a == b || (std::isnan(a) && std::isnan(b))) continue;
      // Where all records have the same, another value is as far as can be told.
      const double d = (a - b) / sigma_[f];
      squares += std::isfinite(d) ? d * d : 1;
    }
    found.push_back(row.record);
    found.back().distance = std::sqrt(squares / static_cast<double>(sigma_.size()));
  }
  std::ranges::stable_sort(found, {}, &NearRecord::distance);
  found.resize(std::min(found.size(), count));
  return found;
}

}  // namespace tenon
