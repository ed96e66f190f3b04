// Threads that run an artifact's tasks: the caller's side of NAME_env::parallel_for.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

namespace tenon {

class TaskPool {
 public:
  using Task = void (*)(void* context, size_t i, unsigned worker);

  explicit TaskPool(unsigned width) {
    for (unsigned w = 1; w < width; ++w) threads_.emplace_back([this, w](std::stop_token stop) { serve(stop, w); });
  }
  ~TaskPool() {
    for (std::jthread& thread : threads_) thread.request_stop();
    wake_.notify_all();
  }
  unsigned width() const { return static_cast<unsigned>(threads_.size()) + 1; }

  void parallel_for(Task task, void* context, size_t count) {
    {
      std::scoped_lock lock(mutex_);
      task_ = task;
      context_ = context;
      count_ = count;
      next_ = 0;
      busy_ = threads_.size();
      ++round_;
    }
    wake_.notify_all();
    work(0);
    std::unique_lock lock(mutex_);
    done_.wait(lock, [this] { return busy_ == 0; });
  }

 private:
  void work(unsigned worker) {
    for (size_t i; (i = next_++) < count_;) task_(context_, i, worker);
  }
  void serve(std::stop_token stop, unsigned worker) {
    for (uint64_t seen = 0;;) {
      {
        std::unique_lock lock(mutex_);
        if (!wake_.wait(lock, stop, [&] { return round_ != seen; })) return;
        seen = round_;
      }
      work(worker);
      std::scoped_lock lock(mutex_);
      if (--busy_ == 0) done_.notify_one();
    }
  }

  std::mutex mutex_;
  std::condition_variable_any wake_, done_;
  Task task_ = nullptr;
  void* context_ = nullptr;
  size_t count_ = 0, busy_ = 0;
  uint64_t round_ = 0;
  std::atomic<size_t> next_ = 0;
  std::vector<std::jthread> threads_;  // last: they stop before what they use goes
};

}  // namespace tenon
