/* A round is one parallel_for. Each worker has a share of its chunks, the same part of the tasks in every round, so
 * that what it wrote in one is in its cache in the next; who is done with his own takes from the others. Chunks are
 * claimed by counting the share's `work` down, which also holds the number of the round: a claim that succeeds is one
 * of the round that is running, so what the round is about can be read after it, and a thread that wakes late finds
 * nothing to claim. A claim takes a part of what is left, so that a share of hundreds of short tasks needs a dozen claims and
 * its last ones are single tasks, which is what a worker waits for at the end of a round. Threads look for work for about 50 us
 * and then sleep on a futex. */
#include "pool.h"

#include <stdatomic.h>

#include "../sys.h"

/* The two symbols that an artifact with a pool leaves undefined; pthread_t is a word on Linux. */
__attribute__((visibility("default"))) extern int pthread_create(uintptr_t* thread, const void* attributes,
                                                                 void* (*start)(void*), void* argument);
__attribute__((visibility("default"))) extern int pthread_join(uintptr_t thread, void** result);

typedef void task_function(void* context, size_t i, unsigned worker);

typedef struct seat {
  tn_pool* pool;
  uintptr_t thread;
  unsigned worker;
  _Alignas(TN_ALIGN) _Atomic uint64_t work; /* round << 32 | chunks of the worker's share that nobody has claimed */
} seat;

struct tn_pool {
  _Alignas(TN_ALIGN) _Atomic uint32_t bell; /* futex of the threads: rung for each round, and to end */
  _Atomic uint32_t sleepers, stop;
  _Alignas(TN_ALIGN) _Atomic uint32_t done; /* futex of the caller: chunks that have been run */
  _Atomic uint32_t waiting;                 /* whether the caller sleeps, or is about to */
  _Atomic uint32_t busy;                    /* a round is running */
  uint64_t round;
  /* The round's; written before the seats' `work` is, read after a claim. */
  _Alignas(TN_ALIGN) task_function* task;
  void* context;
  size_t count;
  uint32_t chunks;
  unsigned width;
  seat seats[]; /* of every worker; the caller's, worker 0, has no thread */
};

/* Of what is left a worker claims a quarter of its own share, half of another's: that has fallen behind. */
enum { MAX_WIDTH = 4096, CHUNKS_PER_WORKER = 1 << 16, OWN_PART = 4, OTHERS_PART = 2, SPIN_NS = 50000, SPIN_STEPS = 64 };
enum { WAIT_PRIVATE = 128, WAKE_PRIVATE = 129, EVERYONE = 0x7fffffff };

static void futex_wait(_Atomic uint32_t* word, uint32_t while_it_is) {
  sys(SYS_futex, (long)word, WAIT_PRIVATE, (long)while_it_is, 0, 0, 0);
}
static void futex_wake(_Atomic uint32_t* word) { sys(SYS_futex, (long)word, WAKE_PRIVATE, EVERYONE, 0, 0, 0); }

static void relax(void) {
#if defined(__x86_64__)
  __asm__ volatile("pause");
#elif defined(__aarch64__)
  __asm__ volatile("isb");
#else
  __asm__ volatile(".4byte 0x0100000f"); /* pause, a hint that old processors ignore */
#endif
}

/* Whether *word has become (or, with `until_equal` 0, ceased to be) `value` within the time to spin. Whoever else wants
 * the processor goes first: where others keep processors busy it may be the very thread that this one waits for. */
static int spin(_Atomic uint32_t* word, uint32_t value, int until_equal) {
  int64_t end = now_ns() + SPIN_NS;
  do {
    for (int k = 0; k < SPIN_STEPS; ++k, relax())
      if ((atomic_load(word) == value) == until_equal) return 1;
    sys(SYS_sched_yield, 0, 0, 0, 0, 0, 0);
  } while (now_ns() < end);
  return 0;
}

/* First chunk of a worker's share. */
static uint32_t share_begin(uint32_t chunks, unsigned width, unsigned worker) {
  return (uint32_t)((uint64_t)chunks * worker / width);
}

/* First task of a chunk: chunks are as long as each other but for one task. */
static size_t chunk_begin(const tn_pool* pool, uint32_t chunk) {
  size_t each = pool->count / pool->chunks, longer = pool->count % pool->chunks;
  return chunk * each + (chunk < longer ? chunk : longer);
}

/* Claims some chunks of `owner`'s share and runs them; how many. */
static uint32_t run_chunks_of(tn_pool* pool, unsigned owner, unsigned worker) {
  _Atomic uint64_t* work = &pool->seats[owner].work;
  uint32_t parts = owner == worker ? OWN_PART : OTHERS_PART, claimed;
  uint64_t seen = atomic_load(work);
  do {
    if ((uint32_t)seen == 0) return 0;
    claimed = ((uint32_t)seen + parts - 1) / parts;
  } while (!atomic_compare_exchange_weak(work, &seen, seen - claimed));
  uint32_t first = share_begin(pool->chunks, pool->width, owner + 1) - (uint32_t)seen;
  size_t end = chunk_begin(pool, first + claimed);
  for (size_t i = chunk_begin(pool, first); i < end; ++i) pool->task(pool->context, i, worker);
  return claimed;
}

/* Runs the chunks of the worker's own share, then those that are left of the others', and adds once, at the end, how
 * many it ran: workers would fight over a counter of each chunk. */
static void run_chunks(tn_pool* pool, unsigned worker) {
  uint32_t ran = 0;
  for (unsigned k = 0, owner = worker; k < pool->width; ++k, owner = owner + 1 == pool->width ? 0 : owner + 1)
    for (uint32_t more; (more = run_chunks_of(pool, owner, worker)) != 0;) ran += more;
  if (ran == 0) return;
  uint32_t chunks = pool->chunks; /* of the round that this ran chunks of: it cannot end before the next line */
  /* With all chunks done the caller may go on: nothing of the round is read after this. */
  if (atomic_fetch_add(&pool->done, ran) + ran == chunks && atomic_load(&pool->waiting)) futex_wake(&pool->done);
}

static void* serve(void* argument) {
  const seat* own = argument;
  tn_pool* pool = own->pool;
  const uint64_t all = ~(uint64_t)0;
  const int block = 0;
  sys(SYS_rt_sigprocmask, block, (long)&all, 0, sizeof all, 0, 0); /* signals are the caller's business */
  for (;;) {
    uint32_t heard = atomic_load(&pool->bell);
    run_chunks(pool, own->worker);
    if (atomic_load(&pool->stop)) return NULL;
    if (spin(&pool->bell, heard, 0)) continue;
    atomic_fetch_add(&pool->sleepers, 1);
    futex_wait(&pool->bell, heard); /* returns at once if the bell has been rung */
    atomic_fetch_sub(&pool->sleepers, 1);
  }
}

static void ring(tn_pool* pool) {
  atomic_fetch_add(&pool->bell, 1);
  if (atomic_load(&pool->sleepers)) futex_wake(&pool->bell);
}

void tn_model_pool_parallel_for(void* user, task_function* task, void* context, size_t count) {
  tn_pool* pool = user;
  if (pool->width == 1 || count < 2 || atomic_exchange(&pool->busy, 1)) {
    for (size_t i = 0; i < count; ++i) task(context, i, 0);
    return;
  }
  size_t most = (size_t)pool->width * CHUNKS_PER_WORKER;
  uint32_t chunks = (uint32_t)(count < most ? count : most);
  pool->task = task;
  pool->context = context;
  pool->count = count;
  pool->chunks = chunks;
  atomic_store(&pool->done, 0);
  atomic_store(&pool->waiting, 0);
  ++pool->round;
  for (unsigned w = 0; w < pool->width; ++w)
    atomic_store(&pool->seats[w].work, pool->round << 32 | (share_begin(chunks, pool->width, w + 1) - share_begin(chunks, pool->width, w)));
  ring(pool);
  run_chunks(pool, 0);
  if (!spin(&pool->done, chunks, 1)) {
    atomic_store(&pool->waiting, 1);
    for (uint32_t done; (done = atomic_load(&pool->done)) != chunks;) futex_wait(&pool->done, done);
  }
  atomic_store(&pool->busy, 0);
}

size_t tn_model_pool_size(unsigned width) {
  if (width > MAX_WIDTH) return 0;
  size_t bytes = sizeof(tn_pool) + width * sizeof(seat);
  return (bytes + TN_ALIGN - 1) / TN_ALIGN * TN_ALIGN;
}

static void stop(tn_pool* pool, unsigned threads) {
  atomic_store(&pool->stop, 1);
  ring(pool);
  for (unsigned w = 1; w <= threads; ++w) pthread_join(pool->seats[w].thread, NULL);
}

tn_status tn_model_pool_init(void* memory, size_t bytes, unsigned width, tn_pool** pool) {
  if (!pool) return TN_E_ARGUMENT;
  *pool = NULL;
  if (!memory || (uintptr_t)memory % TN_ALIGN != 0 || width == 0 || width > MAX_WIDTH || bytes < tn_model_pool_size(width))
    return TN_E_ARGUMENT;
  tn_pool* made = memory;
  atomic_init(&made->bell, 0);
  atomic_init(&made->sleepers, 0);
  atomic_init(&made->stop, 0);
  atomic_init(&made->done, 0);
  atomic_init(&made->waiting, 0);
  atomic_init(&made->busy, 0);
  made->round = 0;
  made->width = width;
  for (unsigned w = 0; w < width; ++w) {
    made->seats[w].pool = made;
    made->seats[w].worker = w;
    atomic_init(&made->seats[w].work, 0);
  }
  for (unsigned w = 1; w < width; ++w)
    if (pthread_create(&made->seats[w].thread, NULL, serve, &made->seats[w]) != 0) {
      stop(made, w - 1);
      return TN_E_THREADS;
    }
  *pool = made;
  return TN_OK;
}

void tn_model_pool_destroy(tn_pool* pool) {
  if (pool) stop(pool, pool->width - 1);
}
