// Target files as text, in the order of docs/adding_a_target.md.
#include <array>
#include <charconv>

#include "tenon/target.h"

namespace tenon {

namespace {

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

// The shortest text that reads back as the same number.
std::string number(double value) {
  std::array<char, 32> text;
  return {text.data(), std::to_chars(text.data(), text.data() + text.size(), value).ptr};
}

std::string list(const auto& values) {
  std::string out;
  for (const auto& value : values) out += (out.empty() ? "" : ", ") + quoted(value);
  return '[' + out + ']';
}

}  // namespace

std::string to_toml(const Target& t, const std::string& heading, const std::map<std::string, std::string>& rate_notes) {
  std::string out;
  auto key = [&](const std::string& name, const std::string& value, const std::string& note = {}) {
    std::string row = name + " = " + value;
    if (!note.empty()) row += std::string(row.size() < 24 ? 24 - row.size() : 0, ' ') + " # " + note;
    out += row + '\n';
  };
  if (!heading.empty()) out += "# " + heading + '\n';
  key("description", quoted(t.description));
  key("triple", quoted(t.triple));
  key("cpu", quoted(t.cpu));
  if (!t.features.empty()) key("features", quoted(t.features));
  if (!t.abi.empty()) key("abi", quoted(t.abi));
  if (t.freestanding) key("freestanding", "true");
  key("check", list(t.cpu_check));
  if (!t.qemu.empty()) key("qemu", quoted(t.qemu));
  out += "\n[vector]\n";
  key("bytes", std::to_string(t.vector_bytes));
  if (t.unit_bytes) key("unit_bytes", std::to_string(t.unit_bytes));
  key("registers", std::to_string(t.vector_registers));
  key("masked_memory", t.masked_memory ? "true" : "false");
  for (const Atom& atom : t.atoms) {
    out += "\n[[atom]]\n";
    key("name", quoted(atom.name));
    key("types", list(std::initializer_list<std::string_view>{spelling(atom.a), spelling(atom.b), spelling(atom.acc)}));
    key("lanes", std::to_string(atom.lanes));
    if (atom.k != 1) key("k", std::to_string(atom.k));
    if (!atom.intrinsic.empty()) key("intrinsic", quoted(atom.intrinsic));
    if (atom.rows != 1) key("rows", std::to_string(atom.rows));
    if (atom.gops != 0) key("gops", number(atom.gops));
  }
  out += "\n[cache]\n";
  key("l1d_bytes", std::to_string(t.l1d_bytes));
  key("l2_bytes", std::to_string(t.l2_bytes));
  key("l3_bytes", std::to_string(t.l3_bytes));
  key("line_bytes", std::to_string(t.line_bytes));
  if (t.l1_ahead_bytes) key("l1_ahead_bytes", std::to_string(t.l1_ahead_bytes));
  if (t.results_ahead) key("results_ahead", "true");
  out += "\n[rates]\n";
  auto rate = [&](const std::string& name, double value) {
    auto note = rate_notes.find(name);
    key(name, number(value), note == rate_notes.end() ? std::string() : note->second);
  };
  rate("gflops_f32", t.gflops_f32);
  rate("gops_i8", t.gops_i8);
  rate("l1_gb_per_s", t.l1_gb_per_s);
  rate("l2_gb_per_s", t.l2_gb_per_s);
  rate("l3_gb_per_s", t.l3_gb_per_s);
  rate("dram_gb_per_s", t.dram_gb_per_s);
  rate("fork_us", t.fork_us);
  if (!t.onednn.empty()) out += "\n[onednn]\n";
  for (const auto& [work, ratio] : t.onednn) key(work, number(ratio));
  return out;
}

}  // namespace tenon
