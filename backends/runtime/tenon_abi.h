/* What generated code and the C11 runtime of an artifact say to each other. Internal to an artifact: the
 * public ABI is the generated header. */
#ifndef TENON_ABI_H
#define TENON_ABI_H

#include <stddef.h>
#include <stdint.h>

/* The caller's environment; same layout as NAME_env in the generated header. NULL: serial, no events. */
typedef struct tn_env {
  uint32_t size;
  unsigned width; /* workers: tasks run with worker < width */
  void* user;
  /* Runs task(context, i, worker) for 0 <= i < count, in any order, then returns. */
  void (*parallel_for)(void* user, void (*task)(void* context, size_t i, unsigned worker), void* context,
                       size_t count);
  /* Before (end = 0) and after (end = 1) each call of a kernel; `call` counts host calls in program order. */
  void (*event)(void* user, uint32_t call, int end);
} tn_env;

typedef struct tn_call {
  const void* const* inputs; /* in signature order */
  void* const* outputs;
  const uint8_t* weights;    /* PackedConstant::offset counts from here; 64-byte aligned */
  uint8_t* workspace;        /* Module::workspace_bytes, then width * Module::scratch_bytes; 64-byte aligned */
  const int64_t* symbols;    /* Module::symbols */
  const tn_env* env;
  struct tn_onednn* onednn;  /* of a model that calls it */
} tn_call;

/* Emitted by backends/llvm into the model's objects, hidden visibility, NAME being Module::name:
 *   int32_t NAME_host(const tn_call*);                          0, or a tn_status
 *   int64_t NAME_workspace_bytes(const int64_t* symbols);       shared part, a multiple of 64; negative: the
 *                                                               model does not take these dims
 *   int64_t NAME_scratch_bytes(const int64_t* symbols);         per worker, a multiple of 64
 *   void    NAME_shapes(const int64_t* symbols, int64_t* dims); dims of all inputs, then outputs, in order
 */

#endif
