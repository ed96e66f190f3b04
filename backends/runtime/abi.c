/* The public functions of an artifact: they check what the caller gives and call generated code. */
#include "dispatch/levels.h"

uint32_t tn_model_abi(void) { return TN_ABI_VERSION; }
const char* tn_model_build_id(void) { return tn_at(tn_model_descriptor.build_id_text); }
const char* tn_model_describe(void) { return tn_at(tn_model_descriptor.signature); }

const char* tn_model_status_str(tn_status status) {
  /* One string instead of a table: pointers would need relocations. */
#define STATUS(name, text) text "\0"
  static const char texts[] =
#include "status.def"
      ;
#undef STATUS
  const char* text = texts;
  for (uint32_t i = 0; i < (uint32_t)status && *text; ++i)
    while (*text++) {
    }
  return *text ? text : "unknown status";
}

#ifndef TN_DISPATCH
tn_status tn_model_check(void) {
  const uint32_t* features = tn_at(tn_model_descriptor.features_at);
  for (uint32_t i = 0; i < tn_model_descriptor.features; ++i)
    if (!tn_has_feature(features[i])) return TN_E_CPU;
  return TN_OK;
}
#endif

static int same_build(const uint8_t* id) {
  uint8_t difference = 0;
  for (size_t i = 0; i < TN_BUILD_ID_BYTES; ++i) difference |= id[i] ^ tn_model_descriptor.build_id[i];
  return difference == 0;
}

tn_status tn_model_bind(tn_model* model, const void* weights, size_t bytes) {
  if (!model) return TN_E_ARGUMENT;
  model->weights = NULL;
  const tn_descriptor* d = &tn_model_descriptor;
  tn_status status = tn_model_check();
  if (status != TN_OK) return status;
  const tn_weights* header = weights;
  if (d->embedded) {
    if (weights) return TN_E_WEIGHTS;
    header = &tn_model_weights;
  } else if (d->weights_bytes == 0 && !weights) {
    return tn_set(model, (const uint8_t*)d); /* never read, but not null */
  } else {
    if (!weights || bytes < sizeof *header + d->weights_bytes) return TN_E_WEIGHTS;
    if ((uintptr_t)weights % TN_ALIGN != 0) return TN_E_ARGUMENT;
  }
  if (header->bytes != d->weights_bytes || !same_build(header->build_id)) return TN_E_WEIGHTS;
  return tn_set(model, (const uint8_t*)(header + 1));
}

static tn_status check_dims(const tn_dims* dims) {
  const tn_descriptor* d = &tn_model_descriptor;
  if (d->symbols == 0) return TN_OK;
  if (!dims) return TN_E_ARGUMENT;
  if (dims->size < sizeof(tn_dims) + d->symbols * sizeof(int64_t)) return TN_E_ABI;
  const tn_symbol* symbol = tn_symbols();
  for (uint32_t i = 0; i < d->symbols; ++i)
    if (dims->values[i] < symbol[i].lo || dims->values[i] > symbol[i].hi) return TN_E_SHAPE;
  return TN_OK;
}

static const int64_t* values_of(const tn_dims* dims) {
  return tn_model_descriptor.symbols ? dims->values : NULL;
}

/* Elements of a port, or -1 where a dim is negative or the bytes do not fit. */
static int64_t elements(const tn_port* port, const int64_t* dims) {
  int64_t count = 1, bytes = 0;
  for (uint32_t i = 0; i < port->rank; ++i)
    if (dims[i] < 0 || __builtin_mul_overflow(count, dims[i], &count)) return -1;
  return __builtin_mul_overflow(count, (int64_t)port->bits, &bytes) ? -1 : count;
}

tn_status tn_model_port_shapes(const tn_dims* dims, int64_t* shapes) {
  tn_status status = check_dims(dims);
  if (status != TN_OK) return status;
  if (!shapes) return TN_E_ARGUMENT;
  tn_model_shapes(values_of(dims), shapes);
  return TN_OK;
}

tn_status tn_model_workspace(const tn_dims* dims, unsigned width, size_t* bytes) {
  tn_status status = check_dims(dims);
  if (status != TN_OK) return status;
  if (!bytes) return TN_E_ARGUMENT;
#ifdef TN_DISPATCH
  return tn_memory(values_of(dims), width, bytes);
#else
  int64_t shared = tn_model_workspace_bytes(values_of(dims));
  int64_t scratch = tn_model_scratch_bytes(values_of(dims));
  int64_t total = 0;
  if (shared < 0 || scratch < 0 || __builtin_mul_overflow(scratch, (int64_t)(width ? width : 1), &total) ||
      __builtin_add_overflow(total, shared, &total))
    return TN_E_SHAPE;
  *bytes = (size_t)total;
  return TN_OK;
#endif
}

/* Checks the buffers and writes the outputs' shapes. */
static tn_status check_io(const int64_t* symbols, tn_io* io) {
  const tn_descriptor* d = &tn_model_descriptor;
  int64_t dims[d->dims + 1];
  tn_model_shapes(symbols, dims);
  const size_t* capacity = (const size_t*)(io->pointers + d->inputs + d->outputs);
  int64_t* shape = (int64_t*)(((uintptr_t)(capacity + d->outputs) + 7) & ~(uintptr_t)7);
  const tn_port* port = tn_ports();
  const int64_t* extent = dims;
  tn_status status = TN_OK;
  for (uint32_t i = 0; i < d->inputs + d->outputs; extent += port->rank, ++i, ++port) {
    int64_t count = elements(port, extent);
    if (count < 0) return TN_E_SHAPE;
    if (i >= d->inputs) {
      for (uint32_t k = 0; k < port->rank; ++k) *shape++ = extent[k];
      if (capacity[i - d->inputs] < (size_t)count) status = TN_E_CAPACITY;
    }
    uintptr_t align = port->bits < 16 ? 1 : port->bits > 64 ? 8 : port->bits / 8;
    if ((uintptr_t)io->pointers[i] % align != 0 || (!io->pointers[i] && count > 0)) return TN_E_ARGUMENT;
  }
  return status;
}

/* Whether the dims say what the inputs hold, where a symbol is an element of an input. */
static int same_elements(const int64_t* symbols, const tn_io* io) {
  for (uint32_t i = 0; i < tn_model_descriptor.symbols; ++i) {
    const tn_symbol* s = &tn_symbols()[i];
    if (s->element >= 0 && symbols[i] != tn_element(&tn_ports()[s->input], io->pointers[s->input], s->element)) return 0;
  }
  return 1;
}

static size_t io_bytes(void) {
  const tn_descriptor* d = &tn_model_descriptor;
  size_t shapes = 0;
  for (uint32_t i = 0; i < d->outputs; ++i) shapes += tn_ports()[d->inputs + i].rank;
  size_t heads = sizeof(tn_io) + (d->inputs + d->outputs) * sizeof(void*) + d->outputs * sizeof(size_t);
  return ((heads + 7) & ~(size_t)7) + shapes * sizeof(int64_t);
}

tn_status tn_model_run(const tn_model* model, const tn_dims* dims, tn_io* io, void* workspace,
                       size_t workspace_bytes, const tn_env* env) {
  if (!model || !io) return TN_E_ARGUMENT;
  if (!model->weights) return TN_E_WEIGHTS;
  if (io->size < io_bytes() || (env && env->size < sizeof *env)) return TN_E_ABI;
  tn_env alone;
  if (env && tn_model_descriptor.serial) {
    alone = (tn_env){.size = sizeof alone, .width = 1, .user = env->user, .event = env->event};
    env = &alone;
  }
  unsigned width = env && env->parallel_for ? env->width : 1;
  if (width == 0) return TN_E_ARGUMENT;
  size_t needed = 0;
  tn_status status = tn_model_workspace(dims, width, &needed);
  if (status != TN_OK) return status;
  status = check_io(values_of(dims), io);
  if (status != TN_OK) return status;
  if (!same_elements(values_of(dims), io)) return TN_E_SHAPE;
  if (needed > 0 && (workspace_bytes < needed || !workspace || (uintptr_t)workspace % TN_ALIGN != 0))
    return TN_E_WORKSPACE;
  tn_call call = {
      .inputs = (const void* const*)io->pointers,
      .outputs = (void* const*)io->pointers + tn_model_descriptor.inputs,
      .weights = tn_weights_of(model),
      .workspace = workspace,
      .symbols = values_of(dims),
      .env = env,
      .onednn = tn_onednn_of(model),
  };
  return (tn_status)tn_host(model, &call);
}
