// Telemetry -> cost model.
#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "epochs.h"
#include "tenon/features.h"
#include "tenon/hash.h"
#include "tenon/learn.h"
#include "tenon/telemetry.h"

namespace tenon {

namespace {

// The one id that begins so; all of them for "all".
Result<std::vector<std::string>> chosen(const std::string& wanted, const std::set<std::string>& ids, const std::string& what) {
  std::vector<std::string> found;
  for (const std::string& id : ids)
    if (wanted == "all" || id.starts_with(wanted)) found.push_back(id);
  if (found.size() == 1 || (wanted == "all" && !found.empty())) return found;
  std::string known;
  for (const std::string& id : ids) known += (known.empty() ? "" : ", ") + id.substr(0, 12);
  if (found.empty()) return fail(Code::E0703, "the telemetry has no " + what + " " + wanted, known.empty() ? "tenon tune --store FILE fills a store" : "it has " + known);
  return fail(Code::E0703, "the telemetry is of several " + what + "s, which are not mixed unasked: " + known, "--" + what + " ID, or --" + what + " all; --epoch latest takes the last kernel, microcode and build of one device");
}

std::string number(double value) {
  char text[64];
  std::snprintf(text, sizeof text, "%.17g", value);
  return text;
}

}  // namespace

Result<TrainReport> train(const TrainOptions& options) {
  std::vector<telemetry::Store> stores;
  std::set<std::string> devices, compilers;
  for (const std::string& path : options.stores) {
    TENON_TRY(telemetry::Store store, telemetry::Store::open(path, {.read_only = true, .check = true}));
    stores.push_back(std::move(store));
    TENON_TRY(const std::vector<telemetry::Device> of_store, stores.back().devices());
    for (const telemetry::Device& device : of_store) devices.insert(telemetry::fingerprint(device));
    TENON_TRY(const std::vector<telemetry::Compiler> builds, stores.back().compilers());
    for (const telemetry::Compiler& build : builds) compilers.insert(build.id);
  }
  telemetry::Filter filter{.devices = {}, .compilers = {}, .workload = {}, .statuses = {telemetry::Status::Ok}};
  TrainReport report;
  if (!options.epoch.empty()) {
    TENON_DO(choose_epochs(stores, options, filter, report.other_epochs));
  } else {
    TENON_TRY(filter.devices, chosen(options.device, devices, "device"));
    TENON_TRY(filter.compilers, chosen(options.compiler, compilers, "compiler"));
  }
  // By uuid, so that neither the order of stores nor that of rows matters, and what two stores have counts once.
  std::map<std::string, telemetry::Record> records;
  const std::string id = features_id();
  for (telemetry::Store& store : stores)
    if (auto read = store.each(filter, [&](const telemetry::Record& r) {
          if (r.features.empty() || !(r.predicted > 0)) return;
          if (r.feature_hash == id) records.emplace(r.uuid, r);
          else ++report.other_features;
        });
        !read)
      return std::unexpected(std::move(read).error());
  constexpr double kSigmaOfMad = 1.4826;  // of a normal distribution
  std::vector<Timing> timings;
  std::map<std::string, int> groups;
  std::string content;
  for (const auto& [uuid, r] : records) {
    const int group = groups.emplace(r.workload_hash + r.device + r.session, static_cast<int>(groups.size())).first->second;
    timings.push_back({.features = r.features, .prior = r.predicted, .seconds = r.median, .noise = kSigmaOfMad * r.mad / r.median, .group = group});
    content += uuid + ' ' + r.schedule_hash + ' ' + number(r.median) + '\n';
  }
  std::vector<std::string> names;
  for (const FeatureInfo& feature : feature_table()) names.emplace_back(feature.name);
  TENON_TRY(report.model, grow(features_hash(), names, timings, options.grow));
  report.timings = static_cast<int64_t>(timings.size()), report.groups = static_cast<int64_t>(groups.size());
  for (const Booster& booster : report.model.boosters) report.growth.push_back(static_cast<double>(booster.roots.size()));
  const GrowOptions& g = options.grow;
  report.model.provenance = {"telemetry " + hex(blake3(content)), std::to_string(timings.size()) + " timings in " + std::to_string(groups.size()) + " groups of " + std::to_string(filter.devices.size()) + " devices",
                             "boosters " + std::to_string(g.boosters) + ", at most " + std::to_string(g.rounds) + " rounds, depth " + std::to_string(g.depth) + ", eta " + number(g.eta) + ", seed " + std::to_string(g.seed)};
  return report;
}

}  // namespace tenon
