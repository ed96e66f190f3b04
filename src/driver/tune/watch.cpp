#include "watch.h"

#include <chrono>
#include <cmath>

#include "clock.h"
#include "runner.h"

namespace tenon {

namespace {

// Less than 5 % apart, as far as both are known.
bool steady(double before, double after) {
  constexpr double kSteady = 0.05;
  return !(before > 0) || !(after > 0) || std::abs(std::log(after / before)) <= kSteady;
}

}  // namespace

std::string what_changed(const AgainstTimes& model, bool canaries_steady) {
  if (!steady(model.before_ms, model.after_ms)) return "the base's time changed meanwhile";
  return canaries_steady ? "" : "canaries changed meanwhile";
}

Result<void> Watch::look() {
  TENON_TRY(last_, canaries_.measure());
  return recorder_->add(last_, canaries_.names());
}

Result<void> Watch::open(const Target& target, const TuneOptions& options, Recorder& recorder) {
  constexpr int kFirst = 8;
  options_ = &options, recorder_ = &recorder;
  if (runs_jobs(options)) return {};  // elsewhere; a job looks at canaries of its own
  TENON_DO(canaries_.open(target, options.cpu));
  TENON_DO(look());
  for (int k = 1; k < kFirst; ++k) {
    const CanarySet before = last_;
    TENON_DO(look());
    steadiness_.add(before, last_);
  }
  return {};
}

Result<Measured> Watch::measure(const Job& job) {
  using namespace std::chrono;
  if (runs_jobs(*options_)) {
    Measured m = tenon::measure(job, *options_);
    if (m.outcome == Outcome::Ok) m.disturbed = what_changed(m.model, steady(m.canary_before, m.canary_after));
    disturbed_ += !m.disturbed.empty();
    return m;
  }
  constexpr int kAgain = 1;
  constexpr int64_t kFresh = microseconds(milliseconds(500)).count();
  for (int times = 0;; ++times) {
    // The canaries after one round are those before the next, if it comes at once.
    if (now() - last_.at > kFresh) TENON_DO(look());
    const CanarySet before = last_;
    Measured m = tenon::measure(job, *options_);
    if (m.outcome != Outcome::Ok) return m;
    TENON_DO(look());
    m.disturbed = what_changed(m.model, steadiness_.steady(before, last_));
    steadiness_.add(before, last_);
    if (m.disturbed.empty()) return m;
    if (times == kAgain || (options_->stop && options_->stop())) return ++disturbed_, m;
    ++repeated_;
  }
}

}  // namespace tenon
