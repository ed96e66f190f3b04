// Telemetry -> cost model.
#include <algorithm>
#include <set>

#include "families.h"
#include "samples.h"
#include "tenon/features.h"
#include "xgboost_library.h"

namespace tenon {

namespace {

std::string line_of(const GrowOptions& g) {
  char text[160];
  std::snprintf(text, sizeof text, "boosters %d, at most %d rounds, depth %d, eta %.17g, seed %llu", g.boosters, g.rounds, g.depth, g.eta, static_cast<unsigned long long>(g.seed));
  return text;
}

}  // namespace

Result<TrainReport> train(const TrainOptions& options) {
  TENON_DO(xgboost_library());
  if (!options.without.empty() && std::ranges::find(families(), options.without, &Family::name) == families().end()) {
    std::string known;
    for (const Family& family : families()) known += (known.empty() ? "" : ", ") + family.name;
    return fail(Code::E0703, "no family of models is named " + options.without, "the families are: " + known);
  }
  TENON_TRY(const Samples samples, read_samples(options));
  TrainReport report{.model = {}, .other_epochs = samples.other_epochs, .other_features = samples.other_features, .growth = {}};
  std::vector<const Sample*> all;
  std::set<int> groups;
  std::set<std::string> devices;
  for (const Sample& s : samples.all) {
    if (!options.without.empty() && (s.model.empty() || family_of(s.model) == options.without)) {
      ++report.other_models;
      continue;
    }
    all.push_back(&s), devices.insert(s.device);
    report.failures += s.failed();
    if (s.timed()) ++report.timings, groups.insert(s.timing.group);
  }
  report.groups = static_cast<int64_t>(groups.size());
  std::vector<std::string> names;
  for (const FeatureInfo& feature : feature_table()) names.emplace_back(feature.name);
  TENON_TRY(report.model, grow(features_hash(), names, timings_of(all), options.grow));
  TENON_TRY(const bool learnt, learn_failures(report.model, trials_of(all), options.grow));
  for (size_t f = 0; f < feature_table().size(); ++f)
    if (feature_table()[f].group == 'G') report.model.device_features.push_back(static_cast<int32_t>(f));
  for (const Sample* s : all)
    if (s->timed()) add_device(report.model, s->timing.features);
  for (const Booster& booster : report.model.boosters) report.growth.push_back(static_cast<double>(booster.roots.size()));
  report.model.provenance = {"telemetry " + samples.hash + (options.without.empty() ? "" : " without " + options.without), std::to_string(report.timings) + " timings in " + std::to_string(groups.size()) + " groups of " + std::to_string(devices.size()) + " devices",
                             line_of(options.grow), std::to_string(report.failures) + " of " + std::to_string(all.size()) + " trials failed" + (learnt ? "" : ", too few to learn from")};
  return report;
}

}  // namespace tenon
