/* An artifact with the code of several processors: which of them a bound model runs. Without TN_DISPATCH there
 * is one, and all of this is nothing. */
#ifndef TENON_LEVELS_H
#define TENON_LEVELS_H

#include "../model.h"
#include "level_row.h"

#ifdef TN_DISPATCH
/* Generated code of one of several levels, and the functions about them; dispatch/levels.c. */
extern int32_t tn_model_level_host(uint32_t level, const tn_call* call);
extern int64_t tn_model_level_workspace_bytes(uint32_t level, const int64_t* symbols);
extern int64_t tn_model_level_scratch_bytes(uint32_t level, const int64_t* symbols);
const char* tn_model_level_name(unsigned level);
tn_status tn_model_check_level(unsigned level);
tn_status tn_model_bind_level(tn_model* model, const void* weights, size_t bytes, unsigned level);
unsigned tn_model_level(const tn_model* model);
unsigned tn_best_level(void);
tn_status tn_memory(const int64_t* symbols, unsigned width, size_t* bytes); /* enough for any level */

/* A bound model remembers its level in the low bits of its pointer, which is a multiple of TN_ALIGN: the
 * structure is the same with and without levels. */
static inline const uint8_t* tn_at_level(const uint8_t* weights, unsigned level) { return weights + level; }
static inline unsigned tn_level_of(const tn_model* model) { return (uintptr_t)model->weights % TN_ALIGN; }
static inline const uint8_t* tn_bound(const uint8_t* weights) { return tn_at_level(weights, tn_best_level()); }
static inline const uint8_t* tn_weights_of(const tn_model* model) { return model->weights - tn_level_of(model); }
static inline int32_t tn_host(const tn_model* model, const tn_call* call) {
  return tn_model_level_host(tn_level_of(model), call);
}
static inline tn_status tn_set(tn_model* model, const uint8_t* weights) {
  model->weights = tn_bound(weights);
  return TN_OK;
}
#define tn_onednn_of(model) NULL
#elif defined(TN_ONEDNN)
#include "../onednn/bound.h"
#define tn_weights_of(model) tn_onednn_weights(tn_onednn_of(model))
static inline tn_status tn_set(tn_model* model, const uint8_t* weights) {
  tn_onednn* made = NULL;
  tn_status status = tn_onednn_bind(&made, weights);
  model->weights = (const uint8_t*)made;
  return status;
}
static inline int32_t tn_host(const tn_model* model, const tn_call* call) {
  tn_status status = tn_onednn_enter(tn_onednn_of(model));
  if (status != TN_OK) return (int32_t)status;
  int32_t result = tn_model_host(call);
  tn_onednn_leave(tn_onednn_of(model));
  return result;
}
#else
static inline tn_status tn_set(tn_model* model, const uint8_t* weights) {
  model->weights = weights;
  return TN_OK;
}
#define tn_weights_of(model) ((model)->weights)
#define tn_host(model, call) tn_model_host(call)
#define tn_onednn_of(model) NULL
#endif

#endif
