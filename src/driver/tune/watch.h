// Measurements between canaries: what the machine disturbs is measured again, and marked where that does not help.
#pragma once

#include "recorder.h"

namespace tenon {

// What changed from the first half of the turns to the second, or between the canaries before and after, in words; empty: nothing.
std::string what_changed(const AgainstTimes& model, bool canaries_steady);

class Watch {
 public:
  // Times the canaries a few times, to know how far they differ by themselves. They go to the recorder, which must outlive this.
  Result<void> open(const Target& target, const TuneOptions& options, Recorder& recorder);

  // As `measure`, with `disturbed` set.
  Result<Measured> measure(const Job& job);

  int repeated() const { return repeated_; }
  int disturbed() const { return disturbed_; }

 private:
  Result<void> look();  // at the canaries, whose latest set is then `last_`

  const TuneOptions* options_ = nullptr;
  Recorder* recorder_ = nullptr;
  Canaries canaries_;
  Steadiness steadiness_;
  CanarySet last_;
  int repeated_ = 0, disturbed_ = 0;
};

}  // namespace tenon
