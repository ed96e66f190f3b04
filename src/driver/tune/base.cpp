#include "base.h"

#include <algorithm>

#include "runner.h"

namespace tenon {

Result<void> Base::open(const TuneOptions& options, const Lowered& model, Watch& watch, Recorder& recorder, const std::string& folder, const std::string& what) {
  constexpr double kTurnsMs = 1500;
  constexpr int kFewest = 5, kMost = 100, kCallsPerTurn = 6;
  options_ = &options, model_ = &model, watch_ = &watch, folder_ = folder, what_ = what;
  TENON_DO(prepare_jobs(options, model, folder_));
  TENON_TRY(const Measured first, watch_->measure({.model = model_, .plan = &model_->plan, .base = {}, .keep = folder_, .turns = kFewest}));
  if (first.outcome != Outcome::Ok) return fail(Code::E0501, what_ + " cannot be measured: " + first.message, "tenon bench says more");
  turns_ = options.turns > 0 ? options.turns : std::clamp(static_cast<int>(kTurnsMs / (kCallsPerTurn * std::max(first.model.median_ms, 1e-3))), kFewest, kMost);
  if (first.device) recorder.measured_on(*first.device, options.runner);
  TENON_TRY(const VerifyReport verified, check(folder_));
  verified_ = verified.passed;
  // How far outputs of two right artifacts may lie apart: each by its bound from the reference.
  for (const OutputError& output : verified.outputs) apart_.push_back(2 * output.bound);
  return measure_self();
}

Result<void> Base::open_again(const std::string& folder) {
  folder_ = folder;
  TENON_DO(prepare_jobs(*options_, *model_, folder_));
  TENON_TRY(const Measured first, watch_->measure({.model = model_, .plan = &model_->plan, .base = {}, .keep = folder_, .turns = turns_}));
  if (first.outcome != Outcome::Ok) return fail(Code::E0501, "what was found cannot be measured again: " + first.message, "tenon bench says more");
  return measure_self();
}

Result<void> Base::measure_self() {
  TENON_TRY(self_, watch_->measure({.model = model_, .plan = &model_->plan, .base = folder_, .keep = {}, .turns = turns_}));
  if (self_.outcome != Outcome::Ok) return fail(Code::E0501, what_ + " cannot be measured twice: " + self_.message, "tenon bench says more");
  return {};
}

Result<Measured> Base::measure(const Plan& plan, const std::string& base, const std::string& keep, int longer) {
  TENON_TRY(Measured m, watch_->measure({.model = model_, .plan = &plan, .base = base, .keep = keep, .turns = longer * turns_}));
  if (m.outcome == Outcome::Ok && wrong(m)) m.outcome = Outcome::Wrong;
  if (m.device && *m.device != *self_.device) m.outcome = Outcome::Refused, m.message = "it ran on another device than the search began on";
  return m;
}

Result<VerifyReport> Base::check(const std::string& artifact) const {
  if (runs_jobs(*options_)) return VerifyReport{.passed = true};
  return verify({.compile = options_->compile, .artifact = artifact, .inputs = options_->inputs, .dims = options_->dims, .threads = options_->threads, .output = {}, .level = {}});
}

bool Base::wrong(const Measured& m) const {
  for (size_t k = 0; k < m.model.differences.size() && k < apart_.size(); ++k)
    if (!(m.model.differences[k] <= apart_[k])) return true;
  return false;
}

}  // namespace tenon
