/* onnxruntime LIBRARY MODEL INPUT OUTPUT COUNT RESULTS STARTED, through the C interface of the library: its table of
 * functions has a fixed order, of which these are the numbers. */
#include <dlfcn.h>

#include "common.h"

enum {
  GetErrorMessage = 2, CreateEnv = 3, CreateSession = 7, Run = 9, CreateSessionOptions = 10, SetIntraOpNumThreads = 24,
  CreateTensorWithData = 49, GetTensorMutableData = 51, CreateCpuMemoryInfo = 69
};
typedef struct {
  const void* const* (*get_api)(uint32_t version);
  const char* (*version)(void);
} api_base;

static const void* const* api;
static void check(void* status) {
  if (status) die(((const char* (*)(const void*))api[GetErrorMessage])(status));
}

int main(int argc, char** argv) {
  if (argc != 8) die("onnxruntime LIBRARY MODEL INPUT OUTPUT COUNT RESULTS STARTED");
  const size_t count = strtoull(argv[5], NULL, 10), results = strtoull(argv[6], NULL, 10);
  void* library = dlopen(argv[1], RTLD_NOW);
  if (!library) die(dlerror());
  const api_base* (*base)(void);
  *(void**)&base = dlsym(library, "OrtGetApiBase");
  if (!base || !(api = base()->get_api(16))) die("no interface");
  void *env, *options, *session, *memory, *tensor;
  check(((void* (*)(int, const char*, void**))api[CreateEnv])(3, "cold", &env));
  check(((void* (*)(void**))api[CreateSessionOptions])(&options));
  check(((void* (*)(void*, int))api[SetIntraOpNumThreads])(options, 1));
  check(((void* (*)(void*, const char*, void*, void**))api[CreateSession])(env, argv[2], options, &session));
  check(((void* (*)(int, int, void**))api[CreateCpuMemoryInfo])(0, 0, &memory));
  float* image = malloc(count * sizeof *image);
  fill(image, count);
  const int64_t dims[] = {1, 3, 224, 224};
  check(((void* (*)(void*, void*, size_t, const int64_t*, size_t, int, void**))api[CreateTensorWithData])(
      memory, image, count * sizeof *image, dims, 4, 1, &tensor));
  int64_t marks[3] = {now_ns()};
  float* result = NULL;
  long faults = 0;
  for (int call = 1; call < 3; ++call) {
    const char* const inputs[] = {argv[3]};
    const char* const outputs[] = {argv[4]};
    const void* const given[] = {tensor};
    void* made[] = {NULL};
    check(((void* (*)(void*, void*, const char* const*, const void* const*, size_t, const char* const*, size_t, void**))api[Run])(
        session, NULL, inputs, given, 1, outputs, 1, made));
    check(((void* (*)(void*, void**))api[GetTensorMutableData])(made[0], (void**)&result));
    marks[call] = now_ns();
    if (call == 1) faults = minor_faults();
  }
  report(argv[7], marks, result, results, faults);
  fflush(stdout);
  _Exit(0);
}
