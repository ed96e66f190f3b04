/* Threads for NAME_env::parallel_for, in memory of the caller's. docs/abi.md. */
#ifndef TENON_POOL_H
#define TENON_POOL_H

#include "../descriptor.h"

typedef struct tn_pool tn_pool;

/* Bytes for `width` workers, one of which is the thread that calls parallel_for; 0: too many. */
size_t tn_model_pool_size(unsigned width);
/* Starts width - 1 threads. `memory` is aligned to TN_ALIGN and stays the pool's until it is destroyed. */
tn_status tn_model_pool_init(void* memory, size_t bytes, unsigned width, tn_pool** pool);
/* Ends the threads. No call may be running on the pool. NULL: nothing happens. */
void tn_model_pool_destroy(tn_pool* pool);
/* For NAME_env::parallel_for, `pool` being NAME_env::user. Where the pool is busy with another call, the tasks
 * run on the calling thread alone. */
void tn_model_pool_parallel_for(void* pool, void (*task)(void* context, size_t i, unsigned worker), void* context,
                                size_t count);

#endif
