#include "draws.h"

#include <algorithm>
#include <map>

#include "tenon/result.h"

namespace tenon {

std::vector<Draw> draw_units(std::span<const int> unit_of_row, int count, uint64_t seed) {
  std::map<int, std::vector<size_t>> units;
  for (size_t r = 0; r < unit_of_row.size(); ++r) units[unit_of_row[r]].push_back(r);
  TENON_CHECK(units.size() > 1, "one unit cannot be drawn and left out");
  std::vector<const std::vector<size_t>*> all;
  for (const auto& [unit, rows] : units) all.push_back(&rows);
  std::vector<Draw> draws(static_cast<size_t>(count));
  for (size_t k = 0; k < draws.size(); ++k) {
    std::mt19937_64 dice(seed * 1000003 + k);
    Draw& draw = draws[k];
    while (draw.left_out.empty()) {
      draw = {};
      std::vector<bool> taken(all.size());
      for (size_t i = 0; i < all.size(); ++i) {
        const size_t u = draw_below(dice, all.size());
        taken[u] = true;
        draw.rows.insert(draw.rows.end(), all[u]->begin(), all[u]->end());
      }
      for (size_t u = 0; u < all.size(); ++u)
        if (!taken[u]) draw.left_out.insert(draw.left_out.end(), all[u]->begin(), all[u]->end());
    }
    std::ranges::sort(draw.rows);
  }
  return draws;
}

}  // namespace tenon
