#include <algorithm>

#include "evaluate.h"
#include "tiles.h"

namespace tenon {

DeviceFacts device_facts(const Target& target, unsigned threads) {
  // What is not measured is guessed: a gigahertz, and every cache half as fast as the one before.
  constexpr double kHalf = 0.5, kBytesPerFloat = 4;
  DeviceFacts d;
  d.vector_bytes = target.vector_bytes;
  d.unit_bytes = target.computes_in_parts() ? target.unit_bytes : target.vector_bytes;
  d.registers = target.vector_registers;
  d.line_bytes = static_cast<double>(std::max<int64_t>(1, target.line_bytes));
  d.cycles = multiply_add_cycles(target);
  const double per_cycle = 2 * d.vector_bytes / kBytesPerFloat / d.cycles;
  d.gflops_f32 = target.gflops_f32 > 0 ? target.gflops_f32 : per_cycle;
  d.gigahertz = d.gflops_f32 / per_cycle;
  d.gops_i8 = target.gops_i8 > 0 ? target.gops_i8 : d.gflops_f32;
  auto rate = [&](const Atom* atom) { return !atom ? 0 : atom->gops > 0 ? atom->gops : 2 * d.gflops_f32; };
  d.gops_pairs = rate(target.find("vdpbf16ps"));
  d.gflops_half = rate(target.half_fma());
  d.gops_matrix_i8 = target.has("tdpbssd") ? target.find("tdpbssd")->gops : 0;
  d.gops_matrix_half = target.has("tdpbf16ps") ? target.find("tdpbf16ps")->gops : 0;
  const int64_t sizes[] = {target.l1d_bytes, target.l2_bytes, target.l3_bytes};
  for (size_t c = 0; c < kCaches; ++c) d.bytes[c] = static_cast<double>(std::max<int64_t>(0, sizes[c]));
  const double rates[] = {target.l1_gb_per_s, target.l2_gb_per_s, target.l3_gb_per_s, target.dram_gb_per_s};
  double before = d.vector_bytes * d.gigahertz / kHalf;
  for (size_t c = 0; c <= kCaches; ++c) {
    const bool missing = c > 0 && c < kCaches && d.bytes[c] == 0;
    before = d.gb_per_s[c] = rates[c] > 0 ? rates[c] : missing ? before : before * kHalf;
  }
  d.fork_us = target.fork_us;
  d.threads = std::max(1U, threads);
  d.fuses = target.fuses(), d.masks = target.masked_memory;
  d.ahead_bytes = static_cast<double>(target.l1_ahead_bytes);
  return d;
}

int level_of(const DeviceFacts& device, double bytes) {
  for (int c = 0; c < static_cast<int>(kCaches); ++c)
    if (bytes <= device.bytes[c]) return c;
  return kCaches;
}

}  // namespace tenon
