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

std::vector<std::pair<Knob, int64_t>> Knobs::changed() const {
  std::vector<std::pair<Knob, int64_t>> found;
  for (size_t k = 0; k < all_.size(); ++k)
    if (differs(static_cast<Knob>(k))) found.emplace_back(static_cast<Knob>(k), all_[k]);
  return found;
}

}  // namespace tenon
