/* The calls of a model into oneDNN. Primitives, weights in the library's own layouts and scratch memory are made when
 * weights are bound; a run sets pointers and executes. */
#include "bound.h"
#include "dnnl.h"
#include "tenon/onednn_words.h"

#pragma GCC visibility push(default)
extern void* calloc(size_t count, size_t size);
extern void free(void* memory);
/* Where the library brings OpenMP. */
extern int omp_get_max_threads(void) __attribute__((weak));
extern void omp_set_num_threads(int threads) __attribute__((weak));
#pragma GCC visibility pop

enum { TENSORS = 3 + TN_MOST_POSTS + 1, WEIGHTS = 1 };

typedef struct tn_copy {
  dnnl_primitive_t run;
  dnnl_memory_t scratch;
} tn_copy;

typedef struct tn_site {
  dnnl_primitive_t run;
  dnnl_memory_t own[TENSORS];  /* as the model has them */
  dnnl_memory_t src, dst;      /* where they are not in own[]: in the layout that the primitive reads or writes */
  dnnl_memory_t scratch;
  tn_copy before, after;
  dnnl_exec_arg_t arguments[TENSORS + 1];
  int count, tensors;
} tn_site;

struct tn_onednn {
  const uint8_t* weights;
  int busy;
  dnnl_engine_t engine;
  dnnl_stream_t stream;
  dnnl_memory_t scratch;  /* as large as any primitive wants */
  size_t scratch_bytes;
  uint32_t sites;
  tn_site site[];
};

static const tn_onednn_call* calls(void) { return tn_at(tn_model_descriptor.onednn_at); }

/* OpenMP's threads are the calling thread alone, and are then as they were. */
static int alone(void) {
  if (!omp_get_max_threads || !omp_set_num_threads) return 0;
  int threads = omp_get_max_threads();
  if (threads > 1) omp_set_num_threads(1);
  return threads;
}
static void as_before(int threads) {
  if (threads > 1) omp_set_num_threads(threads);
}

static float number(int64_t bits) {
  union {
    int32_t bits;
    float value;
  } word = {.bits = (int32_t)bits};
  return word.value;
}

/* A call's words, taken apart. */
typedef struct tn_parsed {
  int kind, rank, bias, posts, tensors;
  int64_t groups;
  const int64_t *strides, *dilations, *before, *after, *post, *shapes;
} tn_parsed;

static tn_parsed parse(const int64_t* words) {
  tn_parsed p = {.kind = (int)words[0], .rank = (int)words[1], .bias = (int)words[2], .groups = words[3], .posts = (int)words[4]};
  const int64_t* at = words + TN_WORDS_HEAD;
  if (p.kind == TN_CONVOLUTION) {
    int spatial = p.rank - 2;
    p.strides = at, p.dilations = at + spatial, p.before = at + 2 * spatial, p.after = at + 3 * spatial;
    at += 4 * spatial;
  }
  p.post = at;
  p.shapes = at + p.posts * TN_WORDS_POST;
  p.tensors = 3 + p.bias;
  for (int k = 0; k < p.posts; ++k) p.tensors += TN_IS_BINARY(p.post[k * TN_WORDS_POST]);
  return p;
}
static const int64_t* dims_of(const tn_parsed* p, int tensor) { return p->shapes + 2 * tensor * p->rank; }

/* The layout of a tensor in the model; `any`: its shape alone, for the library to choose. */
static int describe(const tn_parsed* p, int tensor, int any, dnnl_memory_desc_t* desc) {
  int64_t dims[TN_MOST_RANK + 1], strides[TN_MOST_RANK + 1];
  const int64_t* given = dims_of(p, tensor);
  int rank = p->rank, at = 0;
  if (tensor == WEIGHTS && p->kind == TN_CONVOLUTION && p->groups > 1) {
    dims[0] = p->groups, strides[0] = given[0] / p->groups * given[rank];
    dims[1] = given[0] / p->groups, strides[1] = given[rank];
    at = 1;
  }
  for (int d = at; d < rank; ++d) dims[d + at] = given[d], strides[d + at] = given[rank + d];
  rank += at;
  if (p->bias && tensor == 2 && p->kind == TN_CONVOLUTION) dims[0] = given[1], strides[0] = 1, rank = 1;
  return any ? dnnl_memory_desc_create_with_tag(desc, rank, dims, TN_DNNL_F32, TN_DNNL_ANY)
             : dnnl_memory_desc_create_with_strides(desc, rank, dims, TN_DNNL_F32, strides);
}

static int attributes(const tn_parsed* p, const dnnl_memory_desc_t* descs, dnnl_primitive_attr_t* attr) {
  dnnl_post_ops_t posts = NULL;
  int bad = dnnl_primitive_attr_create(attr) || dnnl_primitive_attr_set_scratchpad_mode(*attr, TN_DNNL_SCRATCHPAD_USER) ||
            dnnl_primitive_attr_set_fpmath_mode(*attr, TN_DNNL_FPMATH_STRICT) || dnnl_post_ops_create(&posts);
  int tensor = 2 + p->bias;
  for (int k = 0; k < p->posts && !bad; ++k) {
    const int64_t* post = p->post + k * TN_WORDS_POST;
    bad = TN_IS_BINARY(post[0]) ? dnnl_post_ops_append_binary(posts, (int)post[0], descs[tensor++])
                                : dnnl_post_ops_append_eltwise(posts, (int)post[0], number(post[1]), number(post[2]));
  }
  bad = bad || dnnl_primitive_attr_set_post_ops(*attr, posts);
  if (posts) dnnl_post_ops_destroy(posts);
  return bad;
}

/* `src`, `weights` and `dst` in the layouts that are wanted. */
static dnnl_primitive_desc_t primitive_desc(const tn_onednn* b, const tn_parsed* p, const dnnl_memory_desc_t* descs, dnnl_memory_desc_t src,
                                            dnnl_memory_desc_t weights, dnnl_memory_desc_t dst, dnnl_primitive_attr_t attr) {
  dnnl_primitive_desc_t made = NULL;
  dnnl_memory_desc_t bias = p->bias ? descs[2] : NULL;
  int64_t dilates[TN_MOST_RANK];
  int bad;
  if (p->kind == TN_CONVOLUTION) {
    for (int d = 0; d < p->rank - 2; ++d) dilates[d] = p->dilations[d] - 1;
    bad = dnnl_convolution_forward_primitive_desc_create(&made, b->engine, TN_DNNL_INFERENCE, TN_DNNL_DIRECT, src, weights, bias, dst,
                                                         p->strides, dilates, p->before, p->after, attr);
  } else {
    bad = dnnl_matmul_primitive_desc_create(&made, b->engine, src, weights, bias, dst, attr);
  }
  return bad ? NULL : made;
}

static int is_reference(dnnl_primitive_desc_t desc) {
  const char* name = NULL;
  return dnnl_primitive_desc_query(desc, TN_DNNL_IMPL_INFO, 0, &name) || !name || (name[0] == 'r' && name[1] == 'e' && name[2] == 'f');
}

/* Memory for what the primitive wants on the side; its place is given when all are known. */
static int want_scratch(tn_onednn* b, dnnl_primitive_desc_t desc, dnnl_memory_t* memory) {
  const_dnnl_memory_desc_t wanted = dnnl_primitive_desc_query_md(desc, TN_DNNL_SCRATCHPAD_MD, 0);
  size_t bytes = wanted ? dnnl_memory_desc_get_size(wanted) : 0;
  if (bytes == 0) return 0;
  if (bytes > b->scratch_bytes) {
    if (b->scratch) dnnl_memory_destroy(b->scratch);
    b->scratch = NULL;
    b->scratch_bytes = bytes;
    if (dnnl_memory_create(&b->scratch, wanted, b->engine, TN_DNNL_ALLOCATE)) return 1;
  }
  return dnnl_memory_create(memory, wanted, b->engine, NULL);
}

static int make_copy(tn_onednn* b, const_dnnl_memory_desc_t from, const_dnnl_memory_desc_t to, tn_copy* copy) {
  dnnl_primitive_attr_t attr = NULL;
  dnnl_primitive_desc_t desc = NULL;
  int bad = dnnl_primitive_attr_create(&attr) || dnnl_primitive_attr_set_scratchpad_mode(attr, TN_DNNL_SCRATCHPAD_USER) ||
            dnnl_reorder_primitive_desc_create(&desc, from, b->engine, to, b->engine, attr) || want_scratch(b, desc, &copy->scratch) ||
            dnnl_primitive_create(&copy->run, desc);
  if (desc) dnnl_primitive_desc_destroy(desc);
  if (attr) dnnl_primitive_attr_destroy(attr);
  return bad;
}

static int execute_copy(const tn_onednn* b, const tn_copy* copy, dnnl_memory_t from, dnnl_memory_t to) {
  dnnl_exec_arg_t arguments[] = {{TN_DNNL_ARG_SRC, from}, {TN_DNNL_ARG_DST, to}, {TN_DNNL_ARG_SCRATCHPAD, copy->scratch}};
  return dnnl_primitive_execute(copy->run, b->stream, copy->scratch ? 3 : 2, arguments);
}

static void free_copy(tn_copy* copy) {
  if (copy->run) dnnl_primitive_destroy(copy->run);
  if (copy->scratch) dnnl_memory_destroy(copy->scratch);
  *copy = (tn_copy){0};
}

static int use_scratch(const tn_onednn* b, dnnl_memory_t memory) {
  void* place = NULL;
  return memory && (dnnl_memory_get_data_handle(b->scratch, &place) || dnnl_memory_set_data_handle(memory, place));
}

/* The constant weights as the primitive reads them, made once. */
static int pack_weights(tn_onednn* b, tn_site* s, const_dnnl_memory_desc_t own, const_dnnl_memory_desc_t wanted) {
  if (dnnl_memory_desc_equal(own, wanted)) return 0;
  tn_copy copy = {0};
  dnnl_memory_t packed = NULL;
  int bad = dnnl_memory_create(&packed, wanted, b->engine, TN_DNNL_ALLOCATE) || make_copy(b, own, wanted, &copy) || use_scratch(b, copy.scratch) ||
            execute_copy(b, &copy, s->own[WEIGHTS], packed) || dnnl_stream_wait(b->stream);
  free_copy(&copy);
  if (bad) {
    if (packed) dnnl_memory_destroy(packed);
    return 1;
  }
  dnnl_memory_destroy(s->own[WEIGHTS]);
  s->own[WEIGHTS] = packed;
  return 0;
}

static void pass(tn_site* s, int argument, dnnl_memory_t memory) {
  if (memory) s->arguments[s->count++] = (dnnl_exec_arg_t){argument, memory};
}

/* Everything that the primitive `desc` needs. */
static int prepare(tn_onednn* b, tn_site* s, const tn_parsed* p, const dnnl_memory_desc_t* descs, dnnl_primitive_desc_t desc, int packs) {
  const int last = p->tensors - 1;
  const_dnnl_memory_desc_t src = dnnl_primitive_desc_query_md(desc, TN_DNNL_SRC_MD, 0), dst = dnnl_primitive_desc_query_md(desc, TN_DNNL_DST_MD, 0);
  if (!dnnl_memory_desc_equal(src, descs[0]) &&
      (dnnl_memory_create(&s->src, src, b->engine, TN_DNNL_ALLOCATE) || make_copy(b, descs[0], src, &s->before))) return 1;
  if (!dnnl_memory_desc_equal(dst, descs[last]) &&
      (dnnl_memory_create(&s->dst, dst, b->engine, TN_DNNL_ALLOCATE) || make_copy(b, dst, descs[last], &s->after))) return 1;
  if (packs && pack_weights(b, s, descs[WEIGHTS], dnnl_primitive_desc_query_md(desc, TN_DNNL_WEIGHTS_MD, 0))) return 1;
  if (want_scratch(b, desc, &s->scratch) || dnnl_primitive_create(&s->run, desc)) return 1;
  pass(s, TN_DNNL_ARG_SRC, s->src ? s->src : s->own[0]);
  pass(s, TN_DNNL_ARG_WEIGHTS, s->own[WEIGHTS]);
  if (p->bias) pass(s, TN_DNNL_ARG_BIAS, s->own[2]);
  int tensor = 2 + p->bias;
  for (int k = 0; k < p->posts; ++k)
    if (TN_IS_BINARY(p->post[k * TN_WORDS_POST])) pass(s, (TN_DNNL_ARG_POST * (k + 1)) | TN_DNNL_ARG_SRC_1, s->own[tensor++]);
  pass(s, TN_DNNL_ARG_DST, s->dst ? s->dst : s->own[last]);
  pass(s, TN_DNNL_ARG_SCRATCHPAD, s->scratch);
  return 0;
}

static int bind_site(tn_onednn* b, tn_site* s, const tn_onednn_call* call) {
  const tn_parsed p = parse(tn_at(call->words_at));
  const int64_t* offsets = tn_at(call->offsets_at);
  const int last = p.tensors - 1, packs = offsets[WEIGHTS] >= 0;
  dnnl_memory_desc_t descs[TENSORS] = {0}, any_src = NULL, any_weights = NULL, any_dst = NULL;
  dnnl_primitive_attr_t attr = NULL;
  s->tensors = p.tensors;
  int bad = 0;
  for (int k = 0; k < p.tensors && !bad; ++k)
    bad = describe(&p, k, 0, &descs[k]) ||
          dnnl_memory_create(&s->own[k], descs[k], b->engine, offsets[k] < 0 ? NULL : (void*)(uintptr_t)(b->weights + offsets[k]));
  bad = bad || describe(&p, 0, 1, &any_src) || describe(&p, WEIGHTS, 1, &any_weights) || describe(&p, last, 1, &any_dst) || attributes(&p, descs, &attr);
  if (!bad) {
    dnnl_memory_desc_t weights = packs ? any_weights : descs[WEIGHTS];
    dnnl_primitive_desc_t desc = primitive_desc(b, &p, descs, descs[0], weights, descs[last], attr);
    /* No fast code for the layouts as they are: copies around the library's own. */
    if (!desc || is_reference(desc)) {
      dnnl_primitive_desc_t other = primitive_desc(b, &p, descs, any_src, weights, any_dst, attr);
      if (desc && other && is_reference(other)) {
        dnnl_primitive_desc_destroy(other);
      } else if (other) {
        if (desc) dnnl_primitive_desc_destroy(desc);
        desc = other;
      }
    }
    bad = !desc || prepare(b, s, &p, descs, desc, packs);
    if (desc) dnnl_primitive_desc_destroy(desc);
  }
  if (attr) dnnl_primitive_attr_destroy(attr);
  for (int k = 0; k < p.tensors; ++k)
    if (descs[k]) dnnl_memory_desc_destroy(descs[k]);
  if (any_src) dnnl_memory_desc_destroy(any_src);
  if (any_weights) dnnl_memory_desc_destroy(any_weights);
  if (any_dst) dnnl_memory_desc_destroy(any_dst);
  return bad;
}

static tn_status bind_all(tn_onednn* b) {
  if (dnnl_engine_create(&b->engine, TN_DNNL_CPU, 0) || dnnl_stream_create(&b->stream, b->engine, TN_DNNL_IN_ORDER)) return TN_E_PROVIDER;
  for (uint32_t i = 0; i < b->sites; ++i)
    if (bind_site(b, &b->site[i], &calls()[i])) return TN_E_PROVIDER;
  for (uint32_t i = 0; i < b->sites; ++i) {
    tn_site* s = &b->site[i];
    if (use_scratch(b, s->scratch) || use_scratch(b, s->before.scratch) || use_scratch(b, s->after.scratch)) return TN_E_PROVIDER;
  }
  return TN_OK;
}

tn_status tn_onednn_bind(tn_onednn** made, const uint8_t* weights) {
  const dnnl_version_t* version = dnnl_version();
  if (version->major != TN_DNNL_MAJOR || (version->cpu_runtime != TN_DNNL_SEQUENTIAL && version->cpu_runtime != TN_DNNL_OPENMP))
    return TN_E_LIBRARY;
  const uint32_t sites = tn_model_descriptor.onednn_calls;
  tn_onednn* b = calloc(1, sizeof *b + sites * sizeof(tn_site));
  if (!b) return TN_E_PROVIDER;
  b->weights = weights;
  b->sites = sites;
  const int threads = alone();
  tn_status status = bind_all(b);
  as_before(threads);
  if (status == TN_OK) *made = b;
  else tn_onednn_free(b);
  return status;
}

void tn_onednn_free(tn_onednn* b) {
  if (!b) return;
  for (uint32_t i = 0; i < b->sites; ++i) {
    tn_site* s = &b->site[i];
    if (s->run) dnnl_primitive_destroy(s->run);
    free_copy(&s->before);
    free_copy(&s->after);
    for (int k = 0; k < s->tensors; ++k)
      if (s->own[k]) dnnl_memory_destroy(s->own[k]);
    if (s->src) dnnl_memory_destroy(s->src);
    if (s->dst) dnnl_memory_destroy(s->dst);
    if (s->scratch) dnnl_memory_destroy(s->scratch);
  }
  if (b->scratch) dnnl_memory_destroy(b->scratch);
  if (b->stream) dnnl_stream_destroy(b->stream);
  if (b->engine) dnnl_engine_destroy(b->engine);
  free(b);
}

void tn_model_unbind(tn_model* model) {
  if (!model) return;
  tn_onednn_free(tn_onednn_of(model));
  model->weights = NULL;
}

const uint8_t* tn_onednn_weights(const tn_onednn* bound) { return bound->weights; }

tn_status tn_onednn_enter(tn_onednn* bound) { return __atomic_exchange_n(&bound->busy, 1, __ATOMIC_ACQUIRE) ? TN_E_BUSY : TN_OK; }
void tn_onednn_leave(tn_onednn* bound) { __atomic_store_n(&bound->busy, 0, __ATOMIC_RELEASE); }

int32_t tn_onednn_run(const tn_call* call, uint32_t site, void* const* operands) {
  tn_onednn* b = call->onednn;
  tn_site* s = &b->site[site];
  const int64_t* offsets = tn_at(calls()[site].offsets_at);
  for (int k = 0; k < s->tensors; ++k)
    if (offsets[k] < 0 && dnnl_memory_set_data_handle(s->own[k], operands[k])) return TN_E_PROVIDER;
  const int threads = alone();
  int bad = (s->before.run && execute_copy(b, &s->before, s->own[0], s->src)) ||
            dnnl_primitive_execute(s->run, b->stream, s->count, s->arguments) ||
            (s->after.run && execute_copy(b, &s->after, s->dst, s->own[s->tensors - 1])) || dnnl_stream_wait(b->stream);
  as_before(threads);
  return bad ? TN_E_PROVIDER : TN_OK;
}
