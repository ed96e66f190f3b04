// The threads of --threads pool, compiled for this machine; once more under ThreadSanitizer.
#include <gtest/gtest.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <new>
#include <thread>
#include <vector>

extern "C" {
#include "../../backends/runtime/pool/pool.h"
}

namespace {

class Pool {
 public:
  explicit Pool(unsigned width) : memory_(operator new(tn_model_pool_size(width), std::align_val_t{TN_ALIGN})) {
    status = tn_model_pool_init(memory_, tn_model_pool_size(width), width, &pool);
  }
  ~Pool() {
    tn_model_pool_destroy(pool);
    operator delete(memory_, std::align_val_t{TN_ALIGN});
  }
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  template <class Body>
  void run(size_t count, Body body) {
    auto task = [](void* context, size_t i, unsigned worker) { (*static_cast<Body*>(context))(i, worker); };
    tn_model_pool_parallel_for(pool, task, &body, count);
  }

  tn_status status;
  tn_pool* pool = nullptr;

 private:
  void* memory_;
};

class Widths : public testing::TestWithParam<unsigned> {};

TEST_P(Widths, EveryTaskRunsOnceOnAWorkerOfItsOwn) {
  const unsigned width = GetParam();
  Pool pool(width);
  ASSERT_EQ(pool.status, TN_OK);
  for (size_t count : {size_t{0}, size_t{1}, size_t{2}, size_t{31}, size_t{32}, size_t{33}, size_t{1000}}) {
    for (int round = 0; round < 50; ++round) {
      std::vector<int> runs(count);                     // a task run twice would be a race
      std::vector<std::atomic<int>> inside(width);
      std::atomic<bool> wrong = false;
      pool.run(count, [&](size_t i, unsigned worker) {
        if (worker >= width || inside[worker]++ != 0) wrong = true;
        ++runs[i];
        inside[worker]--;
      });
      ASSERT_FALSE(wrong);
      ASSERT_EQ(std::ranges::count(runs, 1), static_cast<std::ptrdiff_t>(count));
    }
  }
}

// More than 2^16 tasks per worker: chunks are longer than one task, some by one.
TEST_P(Widths, ChunksOfManyTasks) {
  Pool pool(GetParam());
  std::vector<int> runs(GetParam() * (size_t{1} << 16) * 3 / 2 + 7);
  pool.run(runs.size(), [&](size_t i, unsigned) { ++runs[i]; });
  EXPECT_EQ(std::ranges::count(runs, 1), static_cast<std::ptrdiff_t>(runs.size()));
}

TEST_P(Widths, ThreadsWakeFromSleep) {
  Pool pool(GetParam());
  ASSERT_EQ(pool.status, TN_OK);
  for (int round = 0; round < 20; ++round) {
    std::this_thread::sleep_for(std::chrono::microseconds(round % 2 ? 2000 : 60));
    std::atomic<size_t> sum = 0;
    pool.run(64, [&](size_t i, unsigned) { sum += i; });
    ASSERT_EQ(sum, 64u * 63 / 2);
  }
}

// Two workers on one processor, as where another process keeps the other one busy: a caller that only spun would keep the
// worker that it waits for from running, for all of its 50 us.
TEST(Pool, WhoWaitsLetsOthersRun) {
  cpu_set_t before, one;
  ASSERT_EQ(sched_getaffinity(0, sizeof before, &before), 0);
  CPU_ZERO(&one);
  for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; ++cpu)
    if (CPU_ISSET(cpu, &before)) CPU_SET(cpu, &one);
  ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
  using Clock = std::chrono::steady_clock;
  std::vector<Clock::duration> waits;
  {
    Pool pool(2);
    for (int round = 0; round < 300; ++round) {
      std::atomic<bool> started = false;
      std::atomic<Clock::rep> from = 0;
      pool.run(2, [&](size_t, unsigned worker) {
        if (worker == 1) {
          started = true;
          sched_yield();  // to the caller, whose task then ends and who waits for this one
          return;
        }
        while (!started) sched_yield();
        from = Clock::now().time_since_epoch().count();
      });
      waits.push_back(Clock::now().time_since_epoch() - Clock::duration(from));
    }
  }
  std::ranges::sort(waits);  // the longest are those of a machine that does other things as well
  EXPECT_LT(waits[waits.size() / 10], std::chrono::microseconds(40));
  sched_setaffinity(0, sizeof before, &before);
}

TEST_P(Widths, SlowTasksLetTheCallerSleep) {
  Pool pool(GetParam());
  ASSERT_EQ(pool.status, TN_OK);
  std::atomic<int> ran = 0;
  pool.run(GetParam(), [&](size_t, unsigned worker) {
    std::this_thread::sleep_for(std::chrono::milliseconds(worker == 0 ? 1 : 5));
    ++ran;
  });
  EXPECT_EQ(ran, static_cast<int>(GetParam()));
}

INSTANTIATE_TEST_SUITE_P(All, Widths, testing::Values(1u, 2u, 3u, 4u), testing::PrintToStringParamName());

TEST(Pool, TakesSeveralCallersAndNestedCalls) {
  Pool pool(3);
  ASSERT_EQ(pool.status, TN_OK);
  std::atomic<size_t> sum = 0;
  auto call = [&] {
    for (int round = 0; round < 200; ++round)
      pool.run(8, [&](size_t, unsigned) { pool.run(4, [&](size_t i, unsigned) { sum += i; }); });
  };
  std::jthread a(call), b(call);
  call();
  a.join();
  b.join();
  EXPECT_EQ(sum, 3u * 200 * 8 * 6);
}

TEST(Pool, WorkReachesOtherThreads) {
  Pool pool(2);
  ASSERT_EQ(pool.status, TN_OK);
  // Each of two tasks waits for the other, so two threads must be at work.
  std::atomic<int> here = 0;
  pool.run(2, [&](size_t, unsigned) {
    ++here;
    while (here < 2) std::this_thread::yield();
  });
  EXPECT_EQ(here, 2);
}

TEST(Pool, RefusesBadArguments) {
  alignas(TN_ALIGN) unsigned char memory[4096];
  tn_pool* pool = nullptr;
  const size_t bytes = tn_model_pool_size(2);
  ASSERT_LE(bytes, sizeof memory);
  EXPECT_EQ(bytes % TN_ALIGN, 0u);
  EXPECT_EQ(tn_model_pool_size(1u << 20), 0u);
  EXPECT_EQ(tn_model_pool_init(memory, bytes, 2, nullptr), TN_E_ARGUMENT);
  EXPECT_EQ(tn_model_pool_init(nullptr, bytes, 2, &pool), TN_E_ARGUMENT);
  EXPECT_EQ(tn_model_pool_init(memory + 1, bytes, 2, &pool), TN_E_ARGUMENT);
  EXPECT_EQ(tn_model_pool_init(memory, bytes - 1, 2, &pool), TN_E_ARGUMENT);
  EXPECT_EQ(tn_model_pool_init(memory, bytes, 0, &pool), TN_E_ARGUMENT);
  EXPECT_EQ(tn_model_pool_init(memory, bytes, 1u << 20, &pool), TN_E_ARGUMENT);
  EXPECT_EQ(pool, nullptr);
  tn_model_pool_destroy(nullptr);
}

}  // namespace
