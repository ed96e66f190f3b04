#include "merge_axes.h"

#include <algorithm>
#include <cmath>

namespace tenon {

namespace {

bool mergeable(const StatementFacts& s, size_t outer, size_t inner) {
  if (s.axes[outer].span.shared >= 0 || s.axes[inner].span.shared >= 0) return false;
  const double extent = s.axes[inner].extent;
  return std::ranges::all_of(s.accesses, [&](const AccessFacts& a) {
    if (a.steps[outer] == 0 && a.steps[inner] == 0) return true;
    return (!a.guarded || s.kind == StatementFacts::Kind::Map) && !std::isnan(a.steps[outer]) && !std::isnan(a.steps[inner]) && a.steps[outer] == a.steps[inner] * extent;
  });
}

// Dims that only the two axes go through become one; of others all become one, as far as the address says.
void merge_dims(AccessFacts& a, const StatementFacts& s, int outer, int inner) {
  if (!(a.uses >> outer & 1)) return;
  auto only = [&](const AccessFacts::Dim& dim, int axis) { return dim.affine && dim.steps.size() == 1 && dim.steps[0] == std::pair{axis, 1.0}; };
  for (size_t d = 0; d + 1 < a.dims.size(); ++d)
    if (only(a.dims[d], outer) && only(a.dims[d + 1], inner)) {
      a.dims[d + 1].extent *= a.dims[d].extent;
      a.dims.erase(a.dims.begin() + static_cast<ptrdiff_t>(d));
      return;
    }
  AccessFacts::Dim all{.extent = a.total / a.element, .steps = {}};
  for (size_t k = 0; k < s.axes.size(); ++k)
    if (static_cast<int>(k) != outer && a.steps[k] != 0) all.steps.emplace_back(static_cast<int>(k), std::isnan(a.steps[k]) ? 1 : std::abs(a.steps[k]));
  all.affine = std::ranges::none_of(a.steps, [](double by) { return std::isnan(by); });
  a.dims = {std::move(all)};
}

void drop(StatementFacts& s, size_t axis) {
  s.axes.erase(s.axes.begin() + static_cast<ptrdiff_t>(axis));
  --s.outputs;
  for (AccessFacts& a : s.accesses) {
    a.steps.erase(a.steps.begin() + static_cast<ptrdiff_t>(axis));
    const int64_t below = (int64_t{1} << axis) - 1;
    a.uses = (a.uses & below) | (a.uses >> 1 & ~below);
    for (AccessFacts::Dim& dim : a.dims) {
      std::erase_if(dim.steps, [&](const auto& step) { return step.first == static_cast<int>(axis); });
      for (auto& [at, by] : dim.steps) at -= at > static_cast<int>(axis);
    }
  }
  s.lane -= s.lane > static_cast<int>(axis);
}

}  // namespace

void merge_axes(StatementFacts& s) {
  if (s.kind == StatementFacts::Kind::Routine || s.ordered) return;
  for (int outer = s.outputs - 2; outer >= 0; --outer) {
    const int inner = outer + 1;
    const auto o = static_cast<size_t>(outer), i = static_cast<size_t>(inner);
    const bool lanes = s.lane == outer || s.lane == inner;
    // An axis of one step is no loop.
    const bool one = s.axes[o].extent == 1 && !s.axes[o].symbolic && s.axes[o].span.shared < 0 && s.lane != outer;
    if (!one && ((s.sums && lanes) || s.lane == outer || !mergeable(s, o, i))) continue;
    if (!one) {
      for (AccessFacts& a : s.accesses) merge_dims(a, s, outer, inner);
      s.axes[i].extent *= s.axes[o].extent;
      s.axes[i].symbolic = s.axes[i].symbolic || s.axes[o].symbolic;
    }
    drop(s, o);
  }
}

}  // namespace tenon
