/* A model that calls oneDNN: what NAME_bind makes and NAME_unbind frees. NAME_model points at it, where other models
 * point at their weights. */
#ifndef TENON_ONEDNN_BOUND_H
#define TENON_ONEDNN_BOUND_H

#include "../model.h"

typedef struct tn_onednn tn_onednn;

tn_status tn_onednn_bind(tn_onednn** made, const uint8_t* weights);
void tn_onednn_free(tn_onednn* made);
const uint8_t* tn_onednn_weights(const tn_onednn* bound);
/* One call at a time: TN_E_BUSY where another one runs. */
tn_status tn_onednn_enter(tn_onednn* bound);
void tn_onednn_leave(tn_onednn* bound);

/* For generated code: call number `site` of the model, on its operands in order. */
int32_t tn_onednn_run(const tn_call* call, uint32_t site, void* const* operands);

void tn_model_unbind(tn_model* model);

static inline tn_onednn* tn_onednn_of(const tn_model* model) { return (tn_onednn*)(uintptr_t)model->weights; }

#endif
