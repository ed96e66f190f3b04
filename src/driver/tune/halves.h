// Of several candidates that are measured together and fail, the one at fault is looked for in halves.
#pragma once

#include <iterator>
#include <vector>

namespace tenon {

// Takes it out of the batch, which keeps the first.
template <class T>
std::vector<T> take_second_half(std::vector<T>& batch) {
  const auto half = batch.begin() + static_cast<std::ptrdiff_t>(batch.size() / 2);
  std::vector<T> second(std::make_move_iterator(half), std::make_move_iterator(batch.end()));
  batch.erase(half, batch.end());
  return second;
}

}  // namespace tenon
