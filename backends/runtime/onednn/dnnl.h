/* What is called of oneDNN's C interface, version 3: declared here, so that neither Tenon's build nor its users need the
 * library's headers. Names and numbers are those of dnnl.h, dnnl_common.h and dnnl_types.h of version 3.2; they are part of
 * the library's stable interface. */
#ifndef TENON_DNNL_H
#define TENON_DNNL_H

#include <stddef.h>
#include <stdint.h>

typedef struct dnnl_engine* dnnl_engine_t;
typedef struct dnnl_stream* dnnl_stream_t;
typedef struct dnnl_memory* dnnl_memory_t;
typedef struct dnnl_memory_desc* dnnl_memory_desc_t;
typedef const struct dnnl_memory_desc* const_dnnl_memory_desc_t;
typedef struct dnnl_primitive* dnnl_primitive_t;
typedef struct dnnl_primitive_desc* dnnl_primitive_desc_t;
typedef struct dnnl_primitive_attr* dnnl_primitive_attr_t;
typedef struct dnnl_post_ops* dnnl_post_ops_t;

typedef struct dnnl_exec_arg_t {
  int arg;
  dnnl_memory_t memory;
} dnnl_exec_arg_t;

typedef struct dnnl_version_t {
  int major, minor, patch;
  const char* hash;
  unsigned cpu_runtime, gpu_runtime;
} dnnl_version_t;

enum {
  TN_DNNL_MAJOR = 3,
  TN_DNNL_SEQUENTIAL = 1, TN_DNNL_OPENMP = 2,  /* dnnl_version_t's cpu_runtime */
  TN_DNNL_CPU = 1, TN_DNNL_IN_ORDER = 1, TN_DNNL_F32 = 3, TN_DNNL_ANY = 1,
  TN_DNNL_INFERENCE = 96, TN_DNNL_DIRECT = 1, TN_DNNL_SCRATCHPAD_USER = 1, TN_DNNL_FPMATH_STRICT = 0,
  TN_DNNL_IMPL_INFO = 8, TN_DNNL_SRC_MD = 129, TN_DNNL_WEIGHTS_MD = 131, TN_DNNL_DST_MD = 133, TN_DNNL_SCRATCHPAD_MD = 136,
  TN_DNNL_ARG_SRC = 1, TN_DNNL_ARG_DST = 17, TN_DNNL_ARG_WEIGHTS = 33, TN_DNNL_ARG_BIAS = 41, TN_DNNL_ARG_SCRATCHPAD = 80,
  TN_DNNL_ARG_POST = 32768, TN_DNNL_ARG_SRC_1 = 2
};
#define TN_DNNL_ALLOCATE ((void*)(size_t)-1)

#pragma GCC visibility push(default)
const dnnl_version_t* dnnl_version(void);
int dnnl_engine_create(dnnl_engine_t* engine, int kind, size_t index);
int dnnl_engine_destroy(dnnl_engine_t engine);
int dnnl_stream_create(dnnl_stream_t* stream, dnnl_engine_t engine, unsigned flags);
int dnnl_stream_wait(dnnl_stream_t stream);
int dnnl_stream_destroy(dnnl_stream_t stream);
int dnnl_memory_desc_create_with_strides(dnnl_memory_desc_t* desc, int rank, const int64_t* dims, int type, const int64_t* strides);
int dnnl_memory_desc_create_with_tag(dnnl_memory_desc_t* desc, int rank, const int64_t* dims, int type, int tag);
int dnnl_memory_desc_destroy(dnnl_memory_desc_t desc);
int dnnl_memory_desc_equal(const_dnnl_memory_desc_t a, const_dnnl_memory_desc_t b);
size_t dnnl_memory_desc_get_size(const_dnnl_memory_desc_t desc);
int dnnl_memory_create(dnnl_memory_t* memory, const_dnnl_memory_desc_t desc, dnnl_engine_t engine, void* handle);
int dnnl_memory_get_data_handle(dnnl_memory_t memory, void** handle);
int dnnl_memory_set_data_handle(dnnl_memory_t memory, void* handle);
int dnnl_memory_destroy(dnnl_memory_t memory);
int dnnl_primitive_attr_create(dnnl_primitive_attr_t* attr);
int dnnl_primitive_attr_set_scratchpad_mode(dnnl_primitive_attr_t attr, int mode);
int dnnl_primitive_attr_set_fpmath_mode(dnnl_primitive_attr_t attr, int mode);
int dnnl_primitive_attr_set_post_ops(dnnl_primitive_attr_t attr, dnnl_post_ops_t posts);
int dnnl_primitive_attr_destroy(dnnl_primitive_attr_t attr);
int dnnl_post_ops_create(dnnl_post_ops_t* posts);
int dnnl_post_ops_append_eltwise(dnnl_post_ops_t posts, int algorithm, float alpha, float beta);
int dnnl_post_ops_append_binary(dnnl_post_ops_t posts, int algorithm, const_dnnl_memory_desc_t desc);
int dnnl_post_ops_destroy(dnnl_post_ops_t posts);
int dnnl_convolution_forward_primitive_desc_create(dnnl_primitive_desc_t* made, dnnl_engine_t engine, int prop_kind, int algorithm,
                                                   const_dnnl_memory_desc_t src, const_dnnl_memory_desc_t weights,
                                                   const_dnnl_memory_desc_t bias, const_dnnl_memory_desc_t dst, const int64_t* strides,
                                                   const int64_t* dilates, const int64_t* before, const int64_t* after,
                                                   dnnl_primitive_attr_t attr);
int dnnl_matmul_primitive_desc_create(dnnl_primitive_desc_t* made, dnnl_engine_t engine, const_dnnl_memory_desc_t src,
                                      const_dnnl_memory_desc_t weights, const_dnnl_memory_desc_t bias, const_dnnl_memory_desc_t dst,
                                      dnnl_primitive_attr_t attr);
int dnnl_reorder_primitive_desc_create(dnnl_primitive_desc_t* made, const_dnnl_memory_desc_t src, dnnl_engine_t src_engine,
                                       const_dnnl_memory_desc_t dst, dnnl_engine_t dst_engine, dnnl_primitive_attr_t attr);
int dnnl_primitive_desc_query(dnnl_primitive_desc_t desc, int what, int index, void* result);
const_dnnl_memory_desc_t dnnl_primitive_desc_query_md(dnnl_primitive_desc_t desc, int what, int index);
int dnnl_primitive_desc_destroy(dnnl_primitive_desc_t desc);
int dnnl_primitive_create(dnnl_primitive_t* primitive, dnnl_primitive_desc_t desc);
int dnnl_primitive_execute(dnnl_primitive_t primitive, dnnl_stream_t stream, int count, const dnnl_exec_arg_t* arguments);
int dnnl_primitive_destroy(dnnl_primitive_t primitive);
#pragma GCC visibility pop

#endif
