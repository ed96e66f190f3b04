#include "samples.h"

#include <algorithm>
#include <cmath>

#include <nlohmann/json.hpp>

#include "epochs.h"
#include "tenon/features.h"
#include "tenon/hash.h"
#include "tenon/median.h"

namespace tenon {

namespace {

std::string number(double value) {
  char text[64];
  std::snprintf(text, sizeof text, "%.17g", value);
  return text;
}

// Ids of texts, in the order in which they come.
class Numbers {
 public:
  int of(const std::string& text) { return ids_.emplace(text, static_cast<int>(ids_.size())).first->second; }

 private:
  std::map<std::string, int> ids_;
};

// A clock changes within minutes, and neighbours come and go: each time as if the session's fixed work, which ran in turns with it, had taken what it took
// in the middle of the session. Of a quarter of an hour on a shared machine: the same work took 4.4 to 6.9 ms.
void at_one_speed(std::vector<Sample>& all, std::span<const double> base) {
  std::map<std::string, std::vector<double>> sessions;
  for (size_t k = 0; k < all.size(); ++k)
    if (base[k] > 0) sessions[all[k].session].push_back(base[k]);
  for (auto& [session, times] : sessions) std::ranges::nth_element(times, times.begin() + static_cast<ptrdiff_t>(times.size() / 2));
  for (size_t k = 0; k < all.size(); ++k)
    if (base[k] > 0 && all[k].timed()) all[k].timing.seconds *= sessions[all[k].session][sessions[all[k].session].size() / 2] / base[k];
}

// A region's own base ran in turns with it, which tells more than the whole model's: times are ratios, times what the group's base took in the middle of all.
void beside_the_base(std::vector<Sample>& all, std::span<const double> ratios) {
  std::map<int, std::vector<double>> groups;
  for (size_t k = 0; k < all.size(); ++k)
    if (ratios[k] > 0 && all[k].timed()) groups[all[k].timing.group].push_back(all[k].timing.seconds / ratios[k]);
  std::map<int, double> bases;
  for (auto& [group, times] : groups) bases[group] = median_of(std::move(times));
  for (size_t k = 0; k < all.size(); ++k)
    if (ratios[k] > 0 && all[k].timed()) all[k].timing.seconds = ratios[k] * bases[all[k].timing.group];
}

}  // namespace

Result<std::vector<std::string>> choose_ids(const std::string& wanted, const std::set<std::string>& ids, const std::string& what) {
  std::vector<std::string> found;
  for (const std::string& id : ids)
    if (wanted == "all" || id.starts_with(wanted)) found.push_back(id);
  if (found.size() == 1 || (wanted == "all" && !found.empty())) return found;
  std::string known;
  for (const std::string& id : ids) known += (known.empty() ? "" : ", ") + id.substr(0, 12);
  if (found.empty()) return fail(Code::E0703, "the telemetry has no " + what + " " + wanted, known.empty() ? "tenon tune --store FILE fills a store" : "it has " + known);
  return fail(Code::E0703, "the telemetry is of several " + what + "s, which are not mixed unasked: " + known, "--" + what + " ID, or --" + what + " all; --epoch latest takes the last kernel, microcode and build of one device");
}

std::string class_of(const std::string& workload) {
  const auto json = nlohmann::json::parse(workload, nullptr, false);
  return json.is_object() ? json.value("op_class", "") : "";
}

Result<Samples> read_samples(const TrainOptions& options) {
  Samples samples;
  std::vector<telemetry::Store> stores;
  std::set<std::string> devices, compilers;
  for (const std::string& path : options.stores) {
    TENON_TRY(telemetry::Store store, telemetry::Store::open(path, {.read_only = true, .check = true}));
    stores.push_back(std::move(store));
    TENON_TRY(const std::vector<telemetry::Device> of_store, stores.back().devices());
    for (const telemetry::Device& device : of_store) devices.insert(samples.devices.emplace(telemetry::fingerprint(device), device).first->first);
    TENON_TRY(const std::vector<telemetry::Compiler> builds, stores.back().compilers());
    for (const telemetry::Compiler& build : builds) compilers.insert(build.id);
  }
  telemetry::Filter filter{.devices = {}, .compilers = {}, .workload = {}, .statuses = {}};
  if (!options.epoch.empty()) {
    TENON_DO(choose_epochs(stores, options, filter, samples.other_epochs));
  } else {
    TENON_TRY(filter.devices, choose_ids(options.device, devices, "device"));
    TENON_TRY(filter.compilers, choose_ids(options.compiler, compilers, "compiler"));
  }
  // By uuid, so that neither the order of stores nor that of rows matters, and what two stores have counts once.
  std::map<std::string, telemetry::Record> records;
  const std::string id = features_id();
  for (telemetry::Store& store : stores)
    if (auto read = store.each(filter, [&](const telemetry::Record& r) {
          if (r.status == telemetry::Status::Disturbed || r.features.empty() || !(r.predicted > 0)) return;
          if (r.feature_hash == id) records.emplace(r.uuid, r);
          else ++samples.other_features;
        });
        !read)
      return std::unexpected(std::move(read).error());
  Numbers groups, units, sources;
  std::string content;
  std::vector<double> base, ratios;  // of each sample: what the session's fixed work took beside it; base_ratio; 0: not known
  for (auto& [uuid, r] : records) {
    Sample& s = samples.all.emplace_back(Sample{.timing = {.features = std::move(r.features), .prior = r.predicted, .group = groups.of(r.workload_hash + r.device + r.session), .rules = r.decided_by == "rules", .unit = units.of(r.workload), .source = r.model_name.empty() ? -1 : sources.of(r.model_name)},
                                                .status = r.status, .op_class = class_of(r.workload), .model = r.model_name, .device = r.device, .session = r.session, .timestamp = r.timestamp});
    if (s.timed()) s.timing.seconds = r.median, s.timing.noise = kSigmaOfMad * r.mad / r.median;
    base.push_back(r.canary_before > 0 && r.canary_after > 0 ? std::sqrt(r.canary_before * r.canary_after) : 0);
    ratios.push_back(r.base_ratio > 0 ? r.base_ratio : 0);
    content += uuid + ' ' + r.schedule_hash + ' ' + std::string(spelling(r.status)) + ' ' + (s.timed() ? number(r.median) : "") + (r.base_ratio > 0 ? ' ' + number(r.base_ratio) : "") + '\n';
  }
  at_one_speed(samples.all, base);
  beside_the_base(samples.all, ratios);
  samples.hash = hex(blake3(content));
  return samples;
}

std::vector<Timing> timings_of(std::span<const Sample* const> samples) {
  std::vector<Timing> timings;
  for (const Sample* s : samples)
    if (s->timed()) timings.push_back(s->timing);
  return timings;
}

std::vector<Trial> trials_of(std::span<const Sample* const> samples) {
  std::vector<Trial> trials;
  for (const Sample* s : samples) trials.push_back({.features = s->timing.features, .failed = s->failed(), .unit = s->timing.unit});
  return trials;
}

}  // namespace tenon
