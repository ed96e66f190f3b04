/* NumPy's .npy files. */
#ifndef TENON_NPY_H
#define TENON_NPY_H

#include <stddef.h>
#include <stdint.h>

enum { MAX_RANK = 32 };

typedef struct array {
  char descr[8]; /* "<f4" */
  uint32_t rank;
  int64_t dims[MAX_RANK];
  const uint8_t* data; /* 64-byte aligned */
  size_t bytes;
} array;

/* Both leave the program with a message where the file does not serve. */
array read_npy(const char* path);
void write_npy(const char* path, const char* descr, const int64_t* dims, uint32_t rank, const void* data, size_t bytes);
/* A whole file, mapped. */
const uint8_t* map_file(const char* path, size_t* bytes);

#endif
