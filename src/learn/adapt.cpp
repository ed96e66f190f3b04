// A device's own delta on the pooled model.
#include <algorithm>
#include <cmath>
#include <map>

#include "boost.h"
#include "calibrate.h"
#include "timings.h"
#include "xgboost_library.h"

namespace tenon {

Result<CostModel> adapt(const CostModel& pooled, std::span<const Timing> probes, const std::string& device, const GrowOptions& options) {
  // Trees are small and count for n/(n + 64) of what they say: they learn that a device divides slowly, not the probes by heart. The factor that
  // all times share is one number, which few probes settle.
  constexpr double kDoubtOfOffset = 4, kDoubtOfTrees = 64;
  GrowOptions own = options;
  own.rounds = std::min(options.rounds, 80), own.depth = 3, own.eta = 0.1, own.min_child_weight = 2, own.lambda = 1, own.patience = 10;
  if (probes.size() < kFewestProbes)
    return fail(Code::E0703, std::to_string(probes.size()) + " probes are too few to learn a device from", "it takes " + std::to_string(kFewestProbes) + ", better 32");
  TENON_DO(check_timings(probes, pooled.names.size(), 2));
  const auto n = static_cast<double>(probes.size());
  Delta delta{.device = device, .probes = static_cast<int64_t>(probes.size()), .boosters = {}, .calibration = {}};
  std::vector<double> labels;
  std::vector<Prediction> known;
  double sum = 0, trusted = 0;
  for (const Timing& t : probes) {
    labels.push_back(std::log(t.seconds));
    known.push_back(predict(pooled, t.features, t.prior));
    sum += trust(t) * (labels.back() - known.back().mean), trusted += trust(t);
  }
  delta.offset = sum / trusted * n / (n + kDoubtOfOffset);
  auto margin = [&](size_t r) { return static_cast<float>(known[r].mean + delta.offset); };
  const std::vector<int> units = units_of(probes);
  const std::vector<Draw> draws = draw_units(units, own.boosters, own.seed);
  auto table = [&](const std::vector<size_t>& rows) {
    Table made;
    for (const size_t r : rows) made.add(probes[r].features, labels[r], margin(r), trust(probes[r]) * n / trusted);  // 1 in the mean
    return made;
  };
  for (size_t k = 0; k < draws.size(); ++k) {
    TENON_TRY(Booster booster, boost(table(draws[k].rows), table(draws[k].left_out), Objective::Squares, own, own.seed + k));
    for (TreeNode& node : booster.nodes)
      if (node.feature < 0) node.value *= static_cast<float>(n / (n + kDoubtOfTrees));
    delta.boosters.push_back(std::move(booster));
  }
  // The pooled boosters' spread is part of the prediction's: as it is for a device that none of them saw.
  std::vector<Unseen> said = predict_unseen(draws, delta.boosters, probes.size(), [&](size_t r) { return std::span(probes[r].features); }, margin);
  for (size_t r = 0; r < said.size(); ++r) said[r].variance += known[r].sigma * known[r].sigma;
  delta.calibration = calibrate(said, labels, units, own.boosters);
  CostModel adapted = pooled;
  std::erase_if(adapted.deltas, [&](const Delta& d) { return d.device == device; });
  adapted.deltas.insert(std::ranges::lower_bound(adapted.deltas, device, {}, &Delta::device), std::move(delta));
  if (!adapted.device_features.empty())
    for (const Timing& t : probes) add_device(adapted, t.features);
  return adapted;
}

Result<void> can_learn() {
  TENON_DO(xgboost_library());
  return {};
}

std::vector<size_t> choose_probes(std::span<const ProbeCandidate> candidates, size_t count) {
  std::map<std::string, std::vector<size_t>> classes;
  for (size_t k = 0; k < candidates.size(); ++k) classes[candidates[k].op_class].push_back(k);
  // One more of each class in turn, as long as it has any.
  std::map<std::string, size_t> shares;
  for (size_t left = std::min(count, candidates.size()); left > 0;)
    for (const auto& [name, members] : classes)
      if (left > 0 && shares[name] < members.size()) ++shares[name], --left;
  std::vector<size_t> chosen;
  for (auto& [name, members] : classes) {
    std::ranges::stable_sort(members, {}, [&](size_t k) { return candidates[k].predicted; });
    for (size_t i = 0; i < shares[name]; ++i) chosen.push_back(members[(2 * i + 1) * members.size() / (2 * shares[name])]);
  }
  std::ranges::sort(chosen);
  return chosen;
}

}  // namespace tenon
