#include "cache_key.h"

#include <algorithm>
#include <cstdio>

#include "cost_model_file.h"
#include "files.h"
#include "tenon/hash.h"

namespace tenon {

namespace {

template <class T>
std::string number(T value) {
  char text[64];
  std::snprintf(text, sizeof text, "%.17g", static_cast<double>(value));
  return text;
}

}  // namespace

std::map<std::string, std::string> option_parts(const CompileOptions& options) {
  std::map<std::string, std::string> parts;
  std::vector<Emit> emit = options.emit;
  std::ranges::sort(emit);
  for (Emit e : emit) (parts["emit"] += emit_table()[static_cast<size_t>(e)].spelling) += ',';
  parts["weights"] = std::to_string(static_cast<int>(options.weights));
  parts["threads"] = std::to_string(static_cast<int>(options.threads));
  const WhoDecides decider = who_decides(options);
  parts["policy"] = decider.policy;
  if (!decider.cost_model.empty()) {
    const auto text = cost_model_text(decider.cost_model);
    parts["cost_model"] = text ? hex(blake3(*text)) : "unreadable";
  }
  if (!options.q_model.empty()) {
    const auto text = read_file(options.q_model);
    parts["q_model"] = text ? hex(blake3(*text)) : "unreadable";
  }
  if (decider.policy == "beam" || decider.policy == "rl") parts["beam"] = std::to_string(options.beam.width) + ' ' + std::to_string(options.beam.budget);
  for (const Point& point : options.tune_at) parts["tune_at"] += print(point) + '\n';
  parts["precision"] = spelling(options.precision);
  parts["providers"] = std::to_string(static_cast<int>(options.providers));
  parts["level"] = std::to_string(options.level);
  for (const std::string& state : options.states) parts["state"] += state + '\n';
  for (const auto& [symbol, range] : options.import.dims)
    parts["dim"] += symbol + '=' + std::to_string(range.lo) + ".." + std::to_string(range.hi) + '\n';
  for (const auto& [input, dims] : options.import.shapes) {
    parts["shape"] += input + ':';
    for (const std::string& dim : dims) parts["shape"] += dim + 'x';
    parts["shape"] += '\n';
  }
  return parts;
}

std::string target_text(const Target& target) {
  // A binding per field: a field that is added does not compile until it is here.
  const auto& [name, description, triple, cpu, features, abi, cpu_check, freestanding, vector_bytes, unit_bytes, vector_registers,
               masked_memory, atoms, l1d_bytes, l2_bytes, l3_bytes, line_bytes, l1_ahead_bytes, results_ahead, gflops_f32, gops_i8,
               l1_gb_per_s, l2_gb_per_s, l3_gb_per_s, dram_gb_per_s, fork_us, onednn, qemu] = target;
  std::string text;
  for (const std::string* field : {&name, &description, &triple, &cpu, &features, &abi, &qemu}) text += *field + '\n';
  for (const std::string& feature : cpu_check) text += feature + ' ';
  for (const double value :
       {double(freestanding), double(vector_bytes), double(unit_bytes), double(vector_registers), double(masked_memory), double(l1d_bytes),
        double(l2_bytes), double(l3_bytes), double(line_bytes), double(l1_ahead_bytes), double(results_ahead), gflops_f32, gops_i8,
        l1_gb_per_s, l2_gb_per_s, l3_gb_per_s, dram_gb_per_s, fork_us})
    text += '\n' + number(value);
  for (const auto& [work, ratio] : onednn) text += '\n' + work + ' ' + number(ratio);
  for (const Atom& atom : atoms) {
    const auto& [atom_name, a, b, acc, lanes, k, intrinsic, rows, gops] = atom;
    text += '\n' + atom_name + ' ' + std::string(spelling(a)) + ' ' + std::string(spelling(b)) + ' ' +
            std::string(spelling(acc)) + ' ' + std::to_string(lanes) + ' ' + std::to_string(k) + ' ' + intrinsic + ' ' + std::to_string(rows) + ' ' + number(gops);
  }
  return text;
}

}  // namespace tenon
