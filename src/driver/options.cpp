#include <algorithm>

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

std::string version() { return TENON_VERSION; }

}  // namespace tenon
