#include "recorder.h"

#include <algorithm>
#include <map>

#include <nlohmann/json.hpp>

#include "../compiler_id.h"
#include "clock.h"
#include "paired.h"
#include "tenon/hash.h"
#include "tenon/median.h"
#include "tenon/ops.h"

namespace tenon {

namespace {

using Json = nlohmann::json;

telemetry::Status status_of(const Entry& entry) {
  switch (entry.outcome) {
    case Outcome::Wrong: return telemetry::Status::Wrong;
    case Outcome::Refused: return telemetry::Status::Invalid;
    case Outcome::Crashed: return telemetry::Status::Crashed;
    case Outcome::Timeout: return telemetry::Status::Timeout;
    case Outcome::Ok: break;
  }
  return entry.disturbed.empty() ? telemetry::Status::Ok : telemetry::Status::Disturbed;
}

}  // namespace

telemetry::Device device_of_session(const Target& target, const std::optional<DeviceSaid>& said) {
  telemetry::Device device = telemetry::device_of(target, !said);
  if (!said) return device;
  if (!said->cpu.empty()) device.microarchitecture += " (" + said->cpu + ")";
  device.kernel = said->kernel, device.microcode = said->microcode, device.clock_mhz = said->clock_mhz;
  return device;
}

std::string heaviest_op(const Graph& graph, const RegionPlan& region) {
  std::string heaviest = "none";
  for (const int n : region.nodes) {
    const Op op = graph.nodes[static_cast<size_t>(n)].op;
    if (heaviest == "none" || definition(op).kind != OpKind::Elementwise) heaviest = definition(op).name;
  }
  return heaviest;
}

RegionTime total(const Plan& plan, const std::vector<size_t>& regions, const Measured& m, bool also_new) {
  RegionTime sum{.against_ms = 0};
  for (const size_t r : regions) {
    const auto found = std::ranges::find(m.regions, plan.regions[r].name, &RegionTime::name);
    if (found == m.regions.end() || (found->against_ms <= 0 && !also_new)) continue;
    sum.median_ms += found->median_ms, sum.against_ms += found->against_ms;
    sum.samples_ms.resize(found->samples_ms.size());
    for (size_t k = 0; k < sum.samples_ms.size(); ++k) sum.samples_ms[k] += found->samples_ms[k];
  }
  return sum;
}

double paired_ratio(const Plan& plan, const std::vector<size_t>& regions, const Measured& m) {
  return median_of(ratios_of_turns(samples_of(plan, regions, m.regions), samples_of(plan, regions, m.base_regions)));
}

Entry entry_of(const RegionGroup& group, const Plan& plan, const Judge& judge, const Tiles& tiles, const std::vector<size_t>& regions, const Measured& m, bool new_cut) {
  constexpr double kMs = 1e-3;
  Entry entry{.group = &group, .plan = &plan, .tiles = tiles, .outcome = m.outcome, .message = m.message, .seconds = {}, .before = m.model.before_ms * kMs, .after = m.model.after_ms * kMs,
              .canary_before = m.canary_before, .canary_after = m.canary_after, .switches = m.switches, .disturbed = m.disturbed, .compile_ms = m.compile_seconds / kMs, .features = judge.features(tiles), .prior = judge.prior(tiles)};
  const RegionTime times = total(plan, regions, m, new_cut), all = total(plan, group.regions, m, new_cut);
  const double share = new_cut ? 1 / static_cast<double>(regions.size()) : all.against_ms / times.against_ms / static_cast<double>(group.regions.size());
  if (times.median_ms > 0 && std::isfinite(share))
    for (const double ms : times.samples_ms) entry.seconds.push_back(ms * kMs * share);
  if (!new_cut) entry.ratio = paired_ratio(plan, regions, m);
  // None of its kernels ran, or the clock is too coarse for them: no fault of the schedule.
  entry.unclear = entry.outcome == Outcome::Ok && (entry.seconds.empty() || std::ranges::any_of(entry.seconds, [](double x) { return !(x > 0); }));
  return entry;
}

Result<void> Recorder::open(const TuneOptions& options, const Lowered& model, telemetry::Source source, const std::string& decided_by) {
  if (options.database.empty()) return {};
  TENON_TRY(store_, telemetry::Store::open(options.database, {.check = true}));
  model_ = &model;
  const telemetry::Device device = telemetry::device_of(model.target, true);
  device_ = telemetry::fingerprint(device);
  TENON_TRY(const std::string build, compiler_id());
  origins_.devices = {device};
  origins_.compilers = {{.id = build, .version = "tenon " + version()}};
  origins_.sessions = {{.uuid = telemetry::new_uuid(), .started = now(), .source = source, .policy = decided_by, .runner = "process", .cpus = options.cpu < 0 ? "" : std::to_string(options.cpu)}};
  if (options.names) name_ = telemetry::plain(model.graph.name);
  return {};
}

void Recorder::measured_on(const DeviceSaid& said, const std::string& runner) {
  if (!store_) return;
  emulated_ = runner == "qemu";
  const telemetry::Device device = device_of_session(model_->target, said);
  device_ = telemetry::fingerprint(device);
  origins_.devices = {device};
  origins_.sessions[0].runner = emulated_ ? runner : "command";
}

std::string Recorder::workload_json(const RegionGroup& group, const Plan& plan) const {
  const RegionPlan& region = plan.regions[group.regions[0]];
  Json ops = Json::array(), shapes = Json::array(), dtypes = Json::array();
  for (const int n : region.nodes) ops.push_back(definition(model_->graph.nodes[static_cast<size_t>(n)].op).name);
  for (const auto& [value, placement] : region.placed) {
    if (placement != Placement::Root) continue;
    Json dims = Json::array();
    for (const Expr dim : model_->graph.values[value].dims) dims.push_back(model_->graph.pool.text(dim));
    shapes.push_back(dims), dtypes.push_back(spelling(model_->graph.values[value].type));
  }
  return Json{{"op_class", heaviest_op(model_->graph, region)}, {"ops", ops}, {"shapes", shapes}, {"dtypes", dtypes}}.dump();
}

Result<void> Recorder::add(std::span<const Entry> entries) {
  if (!store_) return {};
  std::vector<telemetry::Record> records;
  for (const Entry& entry : entries) {
    const std::string schedule = text_of(entry.tiles);
    telemetry::Record& r = records.emplace_back(telemetry::Record{
        .uuid = telemetry::new_uuid(), .session = origins_.sessions[0].uuid, .device = device_, .compiler = origins_.compilers[0].id, .workload_hash = entry.group->workload,
        .schedule_hash = hex(blake3(schedule)), .schedule = schedule, .workload = workload_json(*entry.group, *entry.plan)});
    r.status = status_of(entry);
    r.message = r.status == telemetry::Status::Disturbed ? entry.disturbed : entry.message.empty() && r.status != telemetry::Status::Ok ? "it was not right" : entry.message;
    // Counted, but without features, so that nobody learns it as a failure of the schedule.
    if (entry.unclear) r.status = telemetry::Status::Invalid, r.message = "no kernel of it ran, or the clock is too coarse for its time";
    else if (entry.outcome == Outcome::Ok || entry.outcome == Outcome::Wrong) telemetry::set_samples(r, entry.seconds);
    if (!entry.unclear && entry.outcome == Outcome::Ok && entry.ratio > 0) r.base_ratio = entry.ratio;
    if (!entry.features.empty() && !entry.unclear && !emulated_) r.features = entry.features, r.feature_hash = features_id();
    if (entry.canary_before > 0) r.canary_before = entry.canary_before, r.canary_after = entry.canary_after;
    else if (entry.before > 0) r.canary_before = entry.before, r.canary_after = entry.after;
    r.involuntary_switches = entry.switches;
    if (entry.compile_ms > 0) r.compile_ms = entry.compile_ms;
    r.predicted = entry.prior;
    r.decided_by = entry.rules ? "rules" : origins_.sessions[0].policy;
    r.timestamp = now();
    r.model_name = name_;
  }
  if (auto added = store_->append(records, origins_); !added) return std::unexpected(std::move(added).error());
  return {};
}

Result<void> Recorder::add(const CanarySet& set, std::span<const std::string> names) {
  if (!store_) return {};
  std::vector<telemetry::Canary> canaries;
  for (size_t k = 0; k < names.size(); ++k)
    canaries.push_back({.session = origins_.sessions[0].uuid, .device = device_, .compiler = origins_.compilers[0].id, .name = names[k], .seconds = set.seconds[k], .timestamp = set.at});
  if (auto added = store_->append({}, origins_, canaries); !added) return std::unexpected(std::move(added).error());
  return {};
}

Result<std::vector<Known>> Recorder::known(const RegionGroup& group, const Tiles& rules) {
  std::vector<Known> found;
  if (!store_) return found;
  TENON_TRY(const std::vector<telemetry::Record> records, store_->query({.devices = {device_}, .compilers = {origins_.compilers[0].id}, .workload = group.workload, .statuses = {}}));
  const std::string base = text_of(rules);
  // Of records without a ratio of their own, by what rules took.
  std::map<std::string, double> rules_seconds;  // by session
  for (const telemetry::Record& r : records)
    if (r.status == telemetry::Status::Ok && r.schedule == base) rules_seconds[r.session] = r.median;
  for (const telemetry::Record& r : records) {
    if (r.schedule == base || r.status == telemetry::Status::Disturbed) continue;
    auto tiles = parse_tiles(r.schedule);
    if (!tiles || tiles->size() != rules.size()) continue;
    const auto at = rules_seconds.find(r.session);
    const double ratio = r.status != telemetry::Status::Ok ? INFINITY : r.base_ratio > 0 ? r.base_ratio : at != rules_seconds.end() ? r.median / at->second : NAN;
    if (!std::isnan(ratio)) found.push_back({std::move(*tiles), ratio});
  }
  return found;
}

}  // namespace tenon
