#include "tenon/plan.h"

namespace tenon {

std::span<const KnobInfo> knob_table() {
  static constexpr KnobInfo rows[] = {
#define KNOB(name, fallback, meaning) {#name, fallback, meaning},
#include "tenon/knobs.def"
#undef KNOB
  };
  return rows;
}

int64_t Knobs::operator[](Knob k) const {
  auto it = values.find(k);
  return it == values.end() ? knob_table()[static_cast<size_t>(k)].fallback : it->second;
}

void Knobs::set(Knob k, int64_t value) {
  if (value == knob_table()[static_cast<size_t>(k)].fallback) values.erase(k);
  else values[k] = value;
}

}  // namespace tenon
