// What is left out of training, and what is left.
#pragma once

#include "samples.h"
#include "tenon/evaluate.h"

namespace tenon {

struct Split {
  std::string left_out;
  std::vector<const Sample*> training, testing;
};
struct Splits {
  std::vector<Split> all;
  int64_t unnamed = 0, of_no_family = 0;  // timings that are in none, as it is not known what they belong to
};
// Of what was timed or failed; disturbed samples are in none. Sorted by what is left out.
Splits split(const Samples& samples, Leave leave);

// The same for all levels of instruction sets, and for those of one level whatever the system's kernel.
std::string machine_of(const telemetry::Device& device);
std::string level_of(const telemetry::Device& device);

}  // namespace tenon
