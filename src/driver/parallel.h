// Loops over independent work.
#pragma once

#include <algorithm>
#include <atomic>
#include <functional>
#include <thread>
#include <vector>

namespace tenon {

// --jobs: 0 is one per core.
inline int worker_count(int jobs) {
  return jobs > 0 ? jobs : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

// body(i) for all i, in order of start, on up to `workers` threads.
inline void for_each(size_t count, int workers, const std::function<void(size_t)>& body) {
  std::atomic<size_t> next = 0;
  auto work = [&] {
    for (size_t i; (i = next++) < count;) body(i);
  };
  std::vector<std::jthread> threads;
  for (int k = 1; k < std::min(workers, static_cast<int>(count)); ++k) threads.emplace_back(work);
  work();
}

}  // namespace tenon
