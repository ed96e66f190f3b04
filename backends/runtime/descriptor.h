/* What the runtime knows of its model: one constant, written by the driver and read here. It holds offsets
 * from its own start instead of pointers, so that an artifact needs no relocation at load time. */
#ifndef TENON_DESCRIPTOR_H
#define TENON_DESCRIPTOR_H

#include "tenon_abi.h"

enum { TN_ABI_VERSION = 1, TN_ALIGN = 64, TN_BUILD_ID_BYTES = 32 };

typedef enum tn_status {
#define STATUS(name, text) TN_##name,
#include "status.def"
#undef STATUS
} tn_status;

typedef struct tn_symbol {
  int64_t lo, hi;       /* inclusive */
  int32_t input, axis;  /* an input dim that is this symbol, or -1 */
  uint32_t name;
  int32_t element;      /* axis -1: the element of the input, or -1 */
} tn_symbol;

typedef struct tn_port {
  uint32_t name;
  uint32_t rank;
  uint32_t bits;   /* per element */
  char descr[8];   /* NumPy's, "<f4" */
} tn_port;

typedef struct tn_descriptor {
  uint8_t build_id[TN_BUILD_ID_BYTES];
  uint64_t weights_bytes;                 /* without the header */
  uint32_t embedded;                      /* the weights are part of the artifact */
  uint32_t serial;                        /* the caller's parallel_for is not used */
  uint32_t inputs, outputs, symbols, features;  /* counts */
  uint32_t dims;                          /* sum of the ports' ranks */
  uint32_t ports_at, symbols_at, features_at;   /* tn_port[inputs + outputs], tn_symbol[], uint32_t[] */
  uint32_t name, build_id_text, signature;      /* strings */
  uint32_t onednn_calls, onednn_at;       /* tn_onednn_call[] */
} tn_descriptor;

/* A call into oneDNN, in the order of the host program. */
typedef struct tn_onednn_call {
  uint32_t words_at;    /* int64_t[]: include/tenon/onednn_words.h */
  uint32_t offsets_at;  /* int64_t per tensor: in the weights, or negative: given when it runs */
} tn_onednn_call;

/* The first bytes of a weights file, and of embedded weights. */
typedef struct tn_weights {
  char magic[8];  /* "TENONW1" */
  uint64_t bytes; /* that follow this header */
  uint8_t build_id[TN_BUILD_ID_BYTES];
  uint8_t padding[16];
} tn_weights;

#endif
