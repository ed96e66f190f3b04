#include "canaries.h"

#include <algorithm>
#include <cmath>
#include <thread>

#include "../lowered.h"
#include "canary_kernels.h"
#include "clock.h"
#include "pin.h"
#include "tenon/median.h"

namespace tenon {

void Steadiness::add(const CanarySet& before, const CanarySet& after) {
  constexpr size_t kKept = 32;
  std::vector<double>& all = differences_.emplace_back();
  for (size_t k = 0; k < before.seconds.size(); ++k) all.push_back(std::abs(std::log(after.seconds[k] / before.seconds[k])));
  if (differences_.size() > kKept) differences_.pop_front();
}

bool Steadiness::steady(const CanarySet& before, const CanarySet& after) const {
  constexpr double kFar = 3, kLeastSpread = 0.01;  // of ln(seconds): what no timing here knows better
  constexpr size_t kMost = 3;
  size_t far = 0;
  for (size_t k = 0; k < before.seconds.size(); ++k) {
    std::vector<double> own;
    for (const auto& set : differences_) own.push_back(set[k]);
    const double spread = std::max(kLeastSpread, own.empty() ? 0 : kSigmaOfMad * median_of(own));
    far += std::abs(std::log(after.seconds[k] / before.seconds[k])) > kFar * spread;
  }
  return far <= kMost;
}

Result<void> Canaries::open(const Target& target, int cpu) {
  const CanaryKernels kernels = canary_kernels(target);
  TENON_TRY(Module module, parse_module(kernels.module));
  TENON_DO(verify(module));
  Lowered model{.target = target, .graph = {}, .plan = {}, .module = std::move(module)};
  model.graph.name = model.module.name;
  const std::string folder = (scratch_.path() / "canary").string();
  TENON_DO(generate_artifact(model, folder, {}));
  TENON_TRY(artifact_, open_artifact(folder));
  TENON_TRY(call_, artifact_->repeated(kernels.inputs, {}, 1, true));
  names_ = kernels.names;
  cpu_ = cpu;
  return {};
}

Result<CanarySet> Canaries::measure() {
  constexpr int kCalls = 3;
  Result<std::vector<CallTimes>> times;
  std::thread([&] {  // pinned, which this thread is not
    pin(cpu_);
    const auto warmed = call_->run();
    times = warmed ? call_->time(kCalls) : std::unexpected(warmed.error());
  }).join();
  if (!times) return std::unexpected(std::move(times).error());
  CanarySet set;
  for (size_t k = 0; k < names_.size(); ++k) {
    double least = times->front().kernels_ms[k];
    for (const CallTimes& one : *times) least = std::min(least, one.kernels_ms[k]);
    set.seconds.push_back(least * 1e-3);
  }
  set.at = now();
  return set;
}

}  // namespace tenon
