// A target is one TOML file in backends/targets: instruction set, ABI, instruction atoms, memory
// hierarchy, measured rates. docs/adding_a_target.md describes every key.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "tenon/dtype.h"
#include "tenon/result.h"

namespace tenon {

// An instruction that multiplies and accumulates: acc[lanes] += sum over k of a[k] * b[lanes][k].
// One operand (a) is broadcast to all lanes.
struct Atom {
  std::string name;       // "fma", "vpdpbusd": what the emitter switches on
  DType a{}, b{}, acc{};
  int lanes = 1;          // accumulators per instruction
  int k = 1;              // products summed per lane
  std::string intrinsic;  // LLVM's name; empty: plain IR
  int rows = 1;           // of a tile, each with `lanes` accumulators
  double gops = 0;        // operations per second per core, in billions, measured; 0: not stated
};

struct Target {
  std::string name;             // file name without .toml
  std::string description;
  std::string triple;           // "x86_64-unknown-linux-gnu"
  std::string cpu;              // LLVM's -mcpu
  std::string features;         // LLVM's -mattr, added to the cpu's
  std::string abi;              // LLVM's ABI name where the triple leaves a choice ("lp64d")
  std::vector<std::string> cpu_check;  // features that the artifact checks at run time
  bool freestanding = false;
  int vector_bytes = 16;        // widest useful vector register (or register group)
  int unit_bytes = 0;           // of a vector, what a unit computes at once; 0: all of it
  int vector_registers = 16;
  bool masked_memory = false;   // has masked loads and stores of f32 and narrower
  std::vector<Atom> atoms;      // best first
  int64_t l1d_bytes = 0, l2_bytes = 0, l3_bytes = 0, line_bytes = 64;
  int64_t l1_ahead_bytes = 0;  // how far ahead of its use code asks for what streams from L2 to L1; 0: the hardware does
  bool results_ahead = false;  // stores wait for lines that are not in L1: asking for them before a tile's sums pays
  double gflops_f32 = 0, gops_i8 = 0;          // per core, measured
  double l1_gb_per_s = 0, l2_gb_per_s = 0, l3_gb_per_s = 0, dram_gb_per_s = 0;
  double fork_us = 0;           // starting and joining tasks
  std::map<std::string, double> onednn = {};  // per class of contraction (provider.h): our time / oneDNN's, measured
  std::string qemu = {};        // emulator command for `run` and `verify` on other hosts, with its flags

  int lanes(DType type) const { return type == DType::Bool ? vector_bytes : vector_bytes * 8 / bits(type); }
  const Atom* find(std::string_view atom) const {
    auto it = std::ranges::find(atoms, atom, &Atom::name);
    return it == atoms.end() ? nullptr : &*it;
  }
  bool has(std::string_view atom) const { return std::ranges::find(atoms, atom, &Atom::name) != atoms.end(); }
  bool computes_in_parts() const { return unit_bytes > 0 && unit_bytes < vector_bytes; }  // a shorter vector takes less time
  // Of a sum of floats whose products reuse an operand, terms that are added one after the other before what they make is added to the
  // total: parts take up to 3 % of the time, and where sums are fused 512 terms err no more than what other runtimes add in one go.
  int64_t terms_at_once() const { return fuses() ? 512 : 16; }
  bool fuses() const { return has("fma"); }  // multiplies and adds with one rounding
  // Makes vectors of f16 wider and narrower; in scalars that is slower than to read f32.
  bool widens_halves() const {
    return triple.starts_with("aarch64") || std::ranges::find(cpu_check, "f16c") != cpu_check.end();
  }
  // Multiplies and adds f16 in f16; null: not so.
  const Atom* half_fma() const {
    auto it = std::ranges::find_if(atoms, [](const Atom& atom) { return atom.name == "fma" && atom.acc == DType::F16; });
    return it == atoms.end() ? nullptr : &*it;
  }
};

Result<Target> load_target(const std::string& name);       // a name, a path to a .toml, or "native"
std::vector<std::string> target_names();
Result<Target> parse_target(std::string_view toml, std::string name);
// The file that parses to this target. `heading` is a comment above it, `rate_notes` comments on keys of [rates].
std::string to_toml(const Target& target, const std::string& heading,
                    const std::map<std::string, std::string>& rate_notes);
std::string host_cpu_name();                               // "AMD EPYC 9J14"; LLVM's name where nothing says more

}  // namespace tenon
