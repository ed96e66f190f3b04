/* One artifact with the code of several processors: which of them runs. */
#include "levels.h"

static const tn_level* row(unsigned level) {
  return level < tn_model_descriptor.features ? (const tn_level*)tn_at(tn_model_descriptor.features_at) + level : NULL;
}

const char* tn_model_level_name(unsigned level) { return row(level) ? tn_at(row(level)->name) : NULL; }

tn_status tn_model_check_level(unsigned level) {
  const tn_level* l = row(level);
  if (!l) return TN_E_ARGUMENT;
  const uint32_t* features = tn_at(l->features_at);
  for (uint32_t i = 0; i < l->features; ++i)
    if (!tn_has_feature(features[i])) return TN_E_CPU;
  return TN_OK;
}

/* Past the last one: none runs here. */
unsigned tn_best_level(void) {
  unsigned level = tn_model_descriptor.features;
  while (level > 0)
    if (tn_model_check_level(--level) == TN_OK) return level;
  return tn_model_descriptor.features;
}

tn_status tn_model_check(void) { return row(tn_best_level()) ? TN_OK : TN_E_CPU; }

tn_status tn_model_bind_level(tn_model* model, const void* weights, size_t bytes, unsigned level) {
  if (!model) return TN_E_ARGUMENT;
  model->weights = NULL;
  tn_status status = tn_model_check_level(level);
  if (status == TN_OK) status = tn_model_bind(model, weights, bytes);
  if (status == TN_OK) model->weights = tn_at_level(tn_weights_of(model), level);
  return status;
}

unsigned tn_model_level(const tn_model* model) {
  return model && model->weights ? tn_level_of(model) : tn_model_descriptor.features;
}

tn_status tn_memory(const int64_t* symbols, unsigned width, size_t* bytes) {
  size_t most = 0;
  for (unsigned level = 0; level < tn_model_descriptor.features; ++level) {
    int64_t shared = tn_model_level_workspace_bytes(level, symbols);
    int64_t scratch = tn_model_level_scratch_bytes(level, symbols);
    int64_t each = 0;
    if (shared < 0 || scratch < 0 || __builtin_mul_overflow(scratch, (int64_t)(width ? width : 1), &each) ||
        __builtin_add_overflow(each, shared, &each))
      return TN_E_SHAPE;
    if ((size_t)each > most) most = (size_t)each;
  }
  *bytes = most;
  return TN_OK;
}
