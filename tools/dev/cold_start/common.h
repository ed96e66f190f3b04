/* What the host programs of cold_start.py share. Each gets the time at which it was started as its last argument. */
#ifndef COLD_START_COMMON_H
#define COLD_START_COMMON_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

static inline int64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static inline void die(const char* what) {
  fprintf(stderr, "%s\n", what);
  exit(1);
}

static inline void fill(float* values, size_t count) {
  for (size_t i = 0; i < count; ++i) values[i] = (float)(i % 255) / 255.0f;
}

static inline long anonymous_kb(void) {
  char line[256];
  long kb = -1;
  FILE* file = fopen("/proc/self/status", "r");
  while (file && fgets(line, sizeof line, file))
    if (sscanf(line, "RssAnon: %ld", &kb) == 1) break;
  if (file) fclose(file);
  return kb;
}

/* Marks are taken before the first call, after it, and after the second one. */
static inline void report(const char* started, const int64_t* marks, const float* result, size_t count, long faults) {
  double sum = 0;
  for (size_t i = 0; i < count; ++i) sum += result[i];
  const int64_t start = strtoll(started, NULL, 10);
  printf("{\"ready_ms\": %.4f, \"first_ms\": %.4f, \"second_ms\": %.4f, \"anonymous_kb\": %ld, \"minor_faults\": %ld, \"sum\": %.9g}\n",
         (double)(marks[0] - start) * 1e-6, (double)(marks[1] - marks[0]) * 1e-6, (double)(marks[2] - marks[1]) * 1e-6,
         anonymous_kb(), faults, sum);
}

static inline long minor_faults(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_minflt;
}

#endif
