// Measured search over the schedules of a model's regions: docs/tuning.md. Each candidate is compiled and run in a process of its own,
// in turns with what `rules` chose.
#pragma once

#include "tenon/driver.h"

namespace tenon {

struct TuneOptions {
  CompileOptions compile;               // the model and its one target, which runs where the runner runs candidates; its cost model says what to measure, without one the roofline prior does
  std::string output;                   // lock file to write; empty: none
  std::string database;                 // telemetry store to add every timing to; empty: none
  bool resume = false;                  // begin with what the store has of this model's regions on this device by this compiler
  bool names = false;                   // write names of the model and its nodes into the store, too
  std::vector<std::string> inputs;      // as in RunOptions; empty: random:0
  std::map<std::string, int64_t> dims;  // symbols that the inputs leave open
  int64_t timings = 64;                 // of kernels, at most; 0: as many as `seconds` allow
  double seconds = 0;                   // at most; 0: as long as `timings` take
  double timeout = 120;                 // seconds after which a candidate is given up
  unsigned threads = 1;
  uint64_t seed = 0;
  int turns = 0;                        // of a measurement, six calls of both in each; 0: as many as take 1.5 s, 5 to 100
  bool random = false;                  // draws instead of asking what promises most: what guided searches are compared with
  std::string runner = "local";         // "local": a process here; "qemu": jobs under the target's emulator; else a command that is given a job's folder: docs/tuning.md
  int cpu = -1;                         // that measurements are pinned to; negative: the last one
  std::function<bool()> stop;           // asked between candidates; true: end now with what is known
  std::function<void(const struct TuneProgress&)> progress;
};

struct TuneProgress {
  std::string point = {};               // of --tune-at that is searched; empty: there are none
  int64_t timings = 0, all = 0;         // done; in the budget, 0: not limited
  double seconds = 0;                   // since the beginning
  double rules_ms = 0;                  // of the model
  double best_ms = 0;                   // with the best schedule of each region, by its own timings
  double predicted = 0, measured = 0;   // of this round's schedules: time / that of rules, geometric means; 0: none ran
  std::string improved;                 // the region that gained most in this round; empty: none did
  double gain = 0;                      // its time / that of what was best before
};

// A binding of --tune-at.
struct TunedPoint {
  std::string point;                    // "S=1,P=512"
  double rules_ms = 0;
  AgainstTimes result;                  // as a report's
  bool faster = false;
};

// A kind of region, which may occur several times.
struct TunedRegion {
  std::string point = {};               // that it was searched at; empty: there are none
  std::string name;                     // of its first occurrence
  std::string workload;                 // hash of what it computes, without names
  int occurrences = 0;
  double rules_ms = 0;                  // of all of them
  double ratio = 1;                     // time of what was chosen / of what rules choose, as measured at the end
  int timings = 0;
  Knobs rules, chosen;                  // of its own tile
};

// Another answer to a question of the planner (`tenon plan`), measured.
struct TunedAnswer {
  std::string kind, subject, answer, rules;
  double predicted = 1, ratio = 1;      // time of the regions that it changes / that of what rules make of them, by the prior and measured
  bool kept = false;
};

struct TuneReport {
  std::string target;
  std::vector<TunedAnswer> answers;     // in the order in which they were measured
  std::vector<TunedPoint> points;       // of --tune-at; times of the report are then of one call at each
  std::vector<TunedRegion> regions;     // of most time first, point by point
  int64_t timings = 0, resumed = 0;     // resumed: taken from the store
  int wrong = 0, crashed = 0, timeouts = 0, refused = 0;  // candidates
  int repeated = 0, disturbed = 0;      // rounds: measured again, as the machine changed meanwhile; of which that never was any better
  double seconds = 0;
  double rules_ms = 0;
  AgainstTimes result;                  // the schedule that was chosen, in turns with that of rules; `median_ms`: its own
  bool faster = false;                  // else the schedule is that of rules
  bool verified = false;                // against the reference evaluator
  Plan plan;
};

// What `bench --store` adds to a store.
struct StoredBench {
  int64_t timings = 0;                  // one of each kind of region in each schedule that it has
  std::string disturbed;                // what changed on the machine meanwhile; empty: nothing
};

// Times the regions of the model's plan, whoever decided it, and adds them to `database`. Errors as of `tune`; E0501, too, where outputs are not the reference's.
Result<StoredBench> store_bench(const TuneOptions& options);

// E0403, E0405, E0601: as compile. E0501: rules' own artifact does not run there. E0506: there is no emulator. E0601: the runner is none, or cannot run this.
Result<TuneReport> tune(const TuneOptions& options);

}  // namespace tenon
