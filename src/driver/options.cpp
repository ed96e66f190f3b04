#include <algorithm>
#include <charconv>

#include "tenon/driver.h"

namespace tenon {

namespace {

constexpr EmitInfo kEmits[] = {
#define EMIT(name, spelling, what) {Emit::name, spelling, what},
#include "tenon/emit.def"
#undef EMIT
};

}  // namespace

std::span<const EmitInfo> emit_table() { return kEmits; }

Result<std::vector<Emit>> parse_emit(std::string_view list) {
  std::vector<Emit> out;
  while (!list.empty()) {
    const size_t comma = list.find(',');
    const std::string_view item = list.substr(0, comma);
    const auto* row = std::ranges::find(kEmits, item, &EmitInfo::spelling);
    if (row == std::end(kEmits)) {
      std::string known;
      for (const EmitInfo& emit : kEmits) known += (known.empty() ? "" : ", ") + std::string(emit.spelling);
      return fail(Code::E0601, "--emit does not know `" + std::string(item) + "`", "one of " + known);
    }
    if (std::ranges::find(out, row->emit) == out.end()) out.push_back(row->emit);
    list.remove_prefix(comma == list.npos ? list.size() : comma + 1);
  }
  return out;
}

std::optional<Weights> parse_weights(std::string_view word) {
  if (word == "embed") return Weights::Embed;
  if (word == "file") return Weights::File;
  return std::nullopt;
}

std::optional<Threads> parse_threads(std::string_view word) {
  if (word == "none") return Threads::None;
  if (word == "callback") return Threads::Callback;
  if (word == "pool") return Threads::Pool;
  return std::nullopt;
}

std::string full_target_name(const std::string& name) {
  const bool level = name.size() == 2 && name[0] == 'v' && name[1] >= '2' && name[1] <= '4';
  return level ? "x86-64-" + name : name;
}

namespace {

constexpr std::string_view kPrecisions[] = {"strict", "fast", "bf16", "fp16"};

}  // namespace

std::optional<Precision> parse_precision(std::string_view word) {
  const auto* at = std::ranges::find(kPrecisions, word);
  if (at == std::end(kPrecisions)) return std::nullopt;
  return static_cast<Precision>(at - kPrecisions);
}

std::string_view spelling(Precision precision) { return kPrecisions[static_cast<size_t>(precision)]; }

std::optional<Providers> parse_providers(std::string_view word) {
  if (word == "none") return Providers::None;
  if (word == "onednn") return Providers::OneDnn;
  if (word == "onednn-everywhere") return Providers::OneDnnEverywhere;
  return std::nullopt;
}

std::optional<DimRange> parse_range(std::string_view text) {
  auto number = [](std::string_view digits) -> std::optional<int64_t> {
    int64_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc() || end != digits.data() + digits.size() || value < 0) return std::nullopt;
    return value;
  };
  const size_t dots = text.find("..");
  const auto lo = number(text.substr(0, dots));
  const auto hi = dots == text.npos ? lo : number(text.substr(dots + 2));
  if (!lo || !hi || *lo > *hi) return std::nullopt;
  return DimRange{*lo, *hi};
}

std::string default_target() {
#if defined(__aarch64__)
  return "aarch64";
#elif defined(__riscv)
  return "rv64gcv";
#else
  return "x86-64-v2";
#endif
}

std::string version() { return TENON_VERSION; }

}  // namespace tenon
