// Bagging: which rows each booster grows from, and which it never sees.
#pragma once

#include <cstdint>
#include <random>
#include <span>
#include <vector>

#include "tenon/trees.h"

namespace tenon {

// A number below `count`, by multiply-shift: what distributions give differs from library to library.
inline size_t draw_below(std::mt19937_64& dice, size_t count) { return static_cast<size_t>(((dice() >> 32) * count) >> 32); }

struct Draw {
  std::vector<size_t> rows, left_out;  // rows: sorted, those of a unit that is drawn twice twice
};
// Units are drawn with replacement, as many as there are. Some unit is left out of every draw; there are at least two.
std::vector<Draw> draw_units(std::span<const int> unit_of_row, int count, uint64_t seed);

// What the boosters that did not see a row say of it.
struct Unseen {
  double mean = 0;
  double variance = 0;  // of what they say, without bias; 0: fewer than two
  int boosters = 0;
};
// `cells(row)`, `margin(row)`: what booster k, of draw k, is asked.
template <class Cells, class Margin>
std::vector<Unseen> predict_unseen(std::span<const Draw> draws, std::span<const Booster> boosters, size_t rows, Cells cells, Margin margin) {
  std::vector<Unseen> all(rows);
  for (size_t k = 0; k < boosters.size(); ++k)
    for (const size_t r : draws[k].left_out) {
      Unseen& u = all[r];  // Welford's way
      const double y = boosters[k].predict(cells(r), margin(r)), before = y - u.mean;
      u.mean += before / ++u.boosters;
      u.variance += before * (y - u.mean);
    }
  for (Unseen& u : all) u.variance = u.boosters > 1 ? u.variance / (u.boosters - 1) : 0;
  return all;
}

}  // namespace tenon
