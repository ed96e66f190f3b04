// Canaries: small kernels that never change, timed before and after each measurement to see whether the machine did.
#pragma once

#include <deque>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "../artifact.h"
#include "../scratch_folder.h"

namespace tenon {

// One time of each, in the order of the names.
struct CanarySet {
  std::vector<double> seconds;
  int64_t at = 0;  // microseconds since 1970, UTC
};

// How far canaries differ from one set to the next, and whether two sets differ by more.
class Steadiness {
 public:
  void add(const CanarySet& before, const CanarySet& after);  // of the same names
  // More than a few of the canaries differ by more than three times their own spread.
  bool steady(const CanarySet& before, const CanarySet& after) const;

 private:
  std::deque<std::vector<double>> differences_;  // |ln(after / before)|, the latest
};

class Canaries {
 public:
  // Compiles them for the target, which is this machine. `cpu`: as for `pin`.
  Result<void> open(const Target& target, int cpu);
  const std::vector<std::string>& names() const { return names_; }

  // The least of a few calls each, on a thread of its own; all of them take less than 100 ms.
  Result<CanarySet> measure();

 private:
  ScratchFolder scratch_;
  std::vector<std::string> names_;
  std::unique_ptr<Artifact> artifact_;
  std::unique_ptr<RepeatedCall> call_;
  int cpu_ = -1;
};

}  // namespace tenon
