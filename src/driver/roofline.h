// The least time that a device needs for a call, from the manifest's figures.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "tenon/driver.h"

namespace tenon {

// What the target file says about the device: manifest.json's `target.rates` and `target.cache`.
struct Rates {
  double gflops_f32 = 0, gops_i8 = 0;
  double l1_gb_per_s = 0, l2_gb_per_s = 0, l3_gb_per_s = 0, dram_gb_per_s = 0;
  int64_t l1d_bytes = 0, l2_bytes = 0, l3_bytes = 0;
};

// CallWork as text.
struct WorkText {
  std::map<std::string, std::string> multiply_adds;
  std::string bytes, constant_bytes;
};

struct CallCost {
  double operations = 0;  // a multiply-add is two
  double bytes = 0;
  double least_ms = 0;    // the slower of computing and moving
};

// Nothing where an expression has no value at these dims. Computing, the caches, but not memory are faster by the
// number of threads. Constants come from where all of the model's (`weights_bytes`) fit: what a call reads was
// read last one run before.
std::optional<CallCost> call_cost(const WorkText& work, const Rates& rates, const std::map<std::string, int64_t>& dims,
                                  unsigned threads, int64_t weights_bytes);

}  // namespace tenon
