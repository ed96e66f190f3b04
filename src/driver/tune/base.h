// What candidates are compared with: the artifact of a model's plan, timed in turns with itself, verified.
#pragma once

#include "watch.h"

namespace tenon {

class Base {
 public:
  // Compiles the model's plan into `folder`, times and verifies it. `what`: what the plan is, in messages. All that is given must outlive this.
  // E0501: it does not run there. E0506, E0601: as prepare_jobs.
  Result<void> open(const TuneOptions& options, const Lowered& model, Watch& watch, Recorder& recorder, const std::string& folder, const std::string& what);
  // The same of another plan of the model, which is measured and verified by what `open` made.
  Result<void> open_again(const std::string& folder);

  // A plan in turns with the artifact in `base`, `longer` times as many; its own artifact stays in `keep`, where that is not empty. *Wrong* where outputs differ by more than
  // two right artifacts' may; refused where it ran on another device.
  Result<Measured> measure(const Plan& plan, const std::string& base, const std::string& keep, int longer = 1);
  Result<Measured> measure(const Plan& plan) { return measure(plan, folder_, {}); }
  // An artifact against the reference; a job that ended well was compared with it where it ran.
  Result<VerifyReport> check(const std::string& artifact) const;

  const std::string& folder() const { return folder_; }
  const Measured& self() const { return self_; }  // with itself
  bool verified() const { return verified_; }     // of what `open` made

 private:
  Result<void> measure_self();
  bool wrong(const Measured& m) const;

  const TuneOptions* options_ = nullptr;
  const Lowered* model_ = nullptr;
  Watch* watch_ = nullptr;
  std::string folder_, what_;
  std::vector<double> apart_;  // per output: how far two right artifacts may lie apart
  Measured self_;
  int turns_ = 5;
  bool verified_ = false;
};

}  // namespace tenon
