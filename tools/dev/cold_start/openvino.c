/* openvino LIBRARY MODEL COUNT RESULTS STARTED, through its C library. */
#include <dlfcn.h>

#include "common.h"

static void* library;
static void* find(const char* name) {
  void* f = dlsym(library, name);
  if (!f) die(name);
  return f;
}
static void check(int status) {
  if (status != 0) die(((const char* (*)(int))find("ov_get_error_info"))(status));
}

int main(int argc, char** argv) {
  if (argc != 6) die("openvino LIBRARY MODEL COUNT RESULTS STARTED");
  const size_t count = strtoull(argv[3], NULL, 10), results = strtoull(argv[4], NULL, 10);
  library = dlopen(argv[1], RTLD_NOW);
  if (!library) die(dlerror());
  void *core, *compiled, *request, *input, *output;
  check(((int (*)(void**))find("ov_core_create"))(&core));
  check(((int (*)(const void*, const char*, const char*, size_t, void**, ...))find("ov_core_compile_model_from_file"))(
      core, argv[2], "CPU", 6, &compiled, "INFERENCE_NUM_THREADS", "1", "NUM_STREAMS", "1", "INFERENCE_PRECISION_HINT", "f32"));
  check(((int (*)(const void*, void**))find("ov_compiled_model_create_infer_request"))(compiled, &request));
  check(((int (*)(const void*, void**))find("ov_infer_request_get_input_tensor"))(request, &input));
  float* image = NULL;
  check(((int (*)(const void*, void**))find("ov_tensor_data"))(input, (void**)&image));
  fill(image, count);
  int64_t marks[3] = {now_ns()};
  float* result = NULL;
  long faults = 0;
  for (int call = 1; call < 3; ++call) {
    check(((int (*)(void*))find("ov_infer_request_infer"))(request));
    check(((int (*)(const void*, void**))find("ov_infer_request_get_output_tensor"))(request, &output));
    check(((int (*)(const void*, void**))find("ov_tensor_data"))(output, (void**)&result));
    marks[call] = now_ns();
    if (call == 1) faults = minor_faults();
  }
  report(argv[5], marks, result, results, faults);
  fflush(stdout);
  _Exit(0);
}
