/* Measuring: every kernel of every call, in turns with another program of the same model. */
#ifndef TENON_MEASURE_H
#define TENON_MEASURE_H

#include "../model.h"
#include "npy.h"

/* A model that is ready to run. */
typedef struct ready {
  const tn_model* model;
  const tn_dims* dims;
  tn_io* io;
  void* workspace;
  size_t workspace_bytes;
} ready;

typedef struct measuring {
  const char* file;    /* that the report goes to; NULL: nothing is measured */
  int64_t turns;       /* each of one call that warms up and `calls` that are timed */
  int64_t calls;
  int64_t kernels;     /* calls of kernels that the manifest lists */
  int64_t cpu;         /* to run on; -1: the last that is allowed; kAnywhere */
  char** against;      /* the other program, its arguments, NULL; NULL: alone */
  char** environment;
  int64_t take, pass;  /* descriptors by which the other program, which leads, gives the turn and gets it back; -1: none does */
} measuring;

enum { kAnywhere = -2 };

/* The report: JSON, docs/tuning.md. `expected`: one per output, without data where nothing is expected; `shapes`: of all outputs, as the
 * model writes them. Leaves the program with a message where something fails, the other program included. */
void measure(const measuring* how, const ready* model, const array* expected, void* const* outputs, const int64_t* shapes);

#endif
