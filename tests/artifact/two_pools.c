/* Two models, first and second, with a pool each, at the same time: their outputs are the same bits for every
 * width, and tasks do run on other threads. two_pools IMAGES.npy */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "first.h"
#include "second.h"

enum { IMAGES = 360, PIXELS = 64, CLASSES = 10, WIDTHS = 4, ROUNDS = 20 };

static float images[IMAGES * PIXELS];

#define MODEL(name, NAME)                                                                                      \
  static unsigned name##_workers; /* bit mask of those that ran a task */                                      \
  static void name##_task(void* context, size_t i, unsigned worker);                                           \
  typedef struct name##_inner {                                                                                \
    void (*task)(void*, size_t, unsigned);                                                                     \
    void* context;                                                                                             \
  } name##_inner;                                                                                              \
  static void name##_task(void* context, size_t i, unsigned worker) {                                          \
    name##_inner* inner = context;                                                                             \
    __atomic_fetch_or(&name##_workers, 1u << worker, __ATOMIC_RELAXED);                                        \
    inner->task(inner->context, i, worker);                                                                    \
  }                                                                                                            \
  static void name##_for(void* user, void (*task)(void*, size_t, unsigned), void* context, size_t count) {     \
    name##_inner inner = {task, context};                                                                      \
    name##_pool_parallel_for(user, name##_task, &inner, count);                                                \
  }                                                                                                            \
  static void* name##_main(void* unused) {                                                                     \
    static float outputs[WIDTHS + 1][IMAGES * CLASSES];                                                        \
    name##_model model;                                                                                        \
    if (name##_bind(&model, NULL, 0) != NAME##_OK) exit(2);                                                    \
    for (unsigned width = 0; width <= WIDTHS; ++width) {                                                       \
      name##_dims dims = {sizeof dims, IMAGES};                                                                \
      name##_io io;                                                                                            \
      name##_pool* pool = NULL;                                                                                \
      void* memory = NULL;                                                                                     \
      size_t bytes = 0;                                                                                        \
      memset(&io, 0, sizeof io);                                                                               \
      io.size = sizeof io;                                                                                     \
      io.image = images;                                                                                       \
      io.probability = outputs[width];                                                                         \
      io.probability_capacity = IMAGES * CLASSES;                                                              \
      if (width > 0) {                                                                                         \
        size_t size = name##_pool_size(width);                                                                 \
        memory = aligned_alloc(NAME##_ALIGN, size);                                                            \
        if (name##_pool_init(memory, size, width, &pool) != NAME##_OK) exit(3);                                \
      }                                                                                                        \
      name##_env env = {sizeof env, width, pool, name##_for, NULL};                                            \
      name##_workspace(&dims, width ? width : 1, &bytes);                                                      \
      void* workspace = aligned_alloc(NAME##_ALIGN, (bytes + NAME##_ALIGN - 1) / NAME##_ALIGN * NAME##_ALIGN); \
      for (int round = 0; round < ROUNDS; ++round) {                                                           \
        memset(outputs[width], 0, sizeof outputs[width]);                                                      \
        if (name##_run(&model, &dims, &io, workspace, bytes, width ? &env : NULL) != NAME##_OK) exit(4);       \
        if (memcmp(outputs[0], outputs[width], sizeof outputs[0]) != 0) exit(5);                               \
      }                                                                                                        \
      name##_pool_destroy(pool);                                                                               \
      free(memory);                                                                                            \
      free(workspace);                                                                                         \
    }                                                                                                          \
    return unused;                                                                                             \
  }

MODEL(first, FIRST)
MODEL(second, SECOND)

int main(int argc, char** argv) {
  unsigned char head[10];
  FILE* file = argc == 2 ? fopen(argv[1], "rb") : NULL;
  if (!file || fread(head, 1, 10, file) != 10 || fseek(file, 10 + head[8] + 256 * head[9], SEEK_SET) != 0 ||
      fread(images, 1, sizeof images, file) != sizeof images)
    return 6;
  pthread_t other;
  pthread_create(&other, NULL, second_main, NULL);
  first_main(NULL);
  pthread_join(other, NULL);
  printf("%d %d\n", first_workers > 1, second_workers > 1);
  return 0;
}
