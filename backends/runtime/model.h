/* Names that become the model's when an artifact is packaged: tn_model_X is NAME_X there. */
#ifndef TENON_MODEL_H
#define TENON_MODEL_H

#include "descriptor.h"

typedef struct tn_model {
  const uint8_t* weights;
} tn_model;

typedef struct tn_dims {
  uint32_t size;
  int64_t values[];
} tn_dims;

/* As in the generated header: pointers of inputs, pointers of outputs, capacities (elements) and then shapes
 * of outputs. */
typedef struct tn_io {
  uint32_t size;
  void* pointers[];
} tn_io;

/* Generated code. */
extern int32_t tn_model_host(const tn_call* call);
extern int64_t tn_model_workspace_bytes(const int64_t* symbols);
extern int64_t tn_model_scratch_bytes(const int64_t* symbols);
extern void tn_model_shapes(const int64_t* symbols, int64_t* dims);
/* Written by the driver. */
extern const tn_descriptor tn_model_descriptor;
extern const tn_weights tn_model_weights;

/* The public functions; docs/abi.md. */
uint32_t tn_model_abi(void);
const char* tn_model_build_id(void);
const char* tn_model_describe(void);
const char* tn_model_status_str(tn_status status);
tn_status tn_model_check(void);
tn_status tn_model_bind(tn_model* model, const void* weights, size_t bytes);
tn_status tn_model_port_shapes(const tn_dims* dims, int64_t* shapes);
tn_status tn_model_workspace(const tn_dims* dims, unsigned width, size_t* bytes);
tn_status tn_model_run(const tn_model* model, const tn_dims* dims, tn_io* io, void* workspace,
                       size_t workspace_bytes, const tn_env* env);

static inline const void* tn_at(uint32_t offset) { return (const char*)&tn_model_descriptor + offset; }
static inline const tn_port* tn_ports(void) { return tn_at(tn_model_descriptor.ports_at); }
static inline const tn_symbol* tn_symbols(void) { return tn_at(tn_model_descriptor.symbols_at); }

/* The integer at `element`, as a symbol: beyond 2^31 no extent is legal, and a bound means "to the end". */
static inline int64_t tn_element(const tn_port* port, const void* data, int32_t element) {
  const int64_t limit = (int64_t)1 << 31;
  int64_t value = port->bits == 64 ? ((const int64_t*)data)[element] : ((const int32_t*)data)[element];
  return value < -limit ? -limit : value > limit ? limit : value;
}

/* cpu.c: whether the processor has feature number `id` of cpu_features.def. */
int tn_has_feature(uint32_t id);

#endif
