/* ours STARTED, linked with the artifact; with -DSHARED ours LIBRARY STARTED, which opens it. The artifact has one input
 * and one output, and its dims are bound; -DMODEL=NAME, -DINPUT=, -DOUTPUT=: the fields. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common.h"
#ifdef SHARED
#include <dlfcn.h>
#endif

#define JOIN(a, b) a##b
#define OF(model, name) JOIN(model, name)
#define M(name) OF(MODEL, name)
#define FIELD_CAPACITY OF(OUTPUT, _capacity)
#include HEADER

enum { HUGE_PAGE = 2 << 20 };

/* Where -DHUGE_PAGES asks for them, memory that the kernel may back with large pages. */
static void* room_for(size_t bytes) {
#ifdef HUGE_PAGES
  const size_t whole = (bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
  void* memory = aligned_alloc(HUGE_PAGE, whole);
  madvise(memory, whole, MADV_HUGEPAGE);
  return memory;
#else
  return aligned_alloc(64, (bytes + 63) / 64 * 64);
#endif
}

/* -DWEIGHTS=FILE: mapped, with all of its pages. */
static const void* weights_of(size_t* bytes) {
  *bytes = 0;
#ifdef WEIGHTS
  int file = open(WEIGHTS, O_RDONLY);
  off_t length = lseek(file, 0, SEEK_END);
  void* data = mmap(NULL, (size_t)length, PROT_READ, MAP_PRIVATE | MAP_POPULATE, file, 0);
  if (data == MAP_FAILED) die(WEIGHTS);
  *bytes = (size_t)length;
  return data;
#else
  return NULL;
#endif
}

int main(int argc, char** argv) {
#ifdef SHARED
  if (argc != 3) die("ours LIBRARY STARTED");
  void* library = dlopen(argv[1], RTLD_NOW);
  if (!library) die(dlerror());
#define FIND(name) __typeof__(&M(name)) name = (__typeof__(&M(name)))dlsym(library, PREFIX #name)
  FIND(_bind);
  FIND(_workspace);
  FIND(_run);
#else
  if (argc != 2) die("ours STARTED");
#define _bind M(_bind)
#define _workspace M(_workspace)
#define _run M(_run)
#endif
  M(_model) model;
  size_t bytes = 0;
  const void* weights = weights_of(&bytes);
  if (_bind(&model, weights, bytes) != 0 || _workspace(NULL, 1, &bytes) != 0) die("bind");
#ifdef POPULATE /* bytes of the weights: all pages of them at once */
  const uintptr_t page = 4096, first = (uintptr_t)model.weights / page * page;
  madvise((void*)first, (uintptr_t)model.weights + POPULATE - first, MADV_POPULATE_READ);
#endif
  void* workspace = room_for(bytes);
  static float image[COUNT], result[RESULTS];
  fill(image, COUNT);
  M(_io) io = {.size = sizeof io, .INPUT = image, .OUTPUT = result, .FIELD_CAPACITY = RESULTS};
  int64_t marks[3] = {now_ns()};
  long faults = 0;
  for (int call = 1; call < 3; ++call) {
    if (_run(&model, NULL, &io, workspace, bytes, NULL) != 0) die("run");
    marks[call] = now_ns();
    if (call == 1) faults = minor_faults();
  }
  report(argv[argc - 1], marks, result, RESULTS, faults);
  return 0;
}
