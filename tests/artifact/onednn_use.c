/* A model that calls oneDNN, from C: one call at a time, the caller's thread alone, bound twice and freed.
 * Prints the outputs' first values and "right". */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "digits.h"

enum { IMAGES = 4, PIXELS = 64, DIGITS = 10 };

static digits_model model;
static digits_io io;
static void* workspace;
static size_t bytes;
static digits_status inner = DIGITS_OK;

static int threads(void) {
  int count = 0;
  DIR* folder = opendir("/proc/self/task");
  for (struct dirent* entry; folder && (entry = readdir(folder));) count += entry->d_name[0] != '.';
  if (folder) closedir(folder);
  return count;
}

/* While the model runs, it is called again. */
static void again(void* user, uint32_t call, int end) {
  (void)user;
  if (call == 0 && !end) inner = digits_run(&model, NULL, &io, workspace, bytes, NULL);
}

static int fail(const char* what, int status) {
  printf("%s: %s\n", what, digits_status_str((digits_status)status));
  return 1;
}

int main(void) {
  static float image[IMAGES * PIXELS], first[IMAGES * DIGITS], second[IMAGES * DIGITS];
  for (int i = 0; i < IMAGES * PIXELS; ++i) image[i] = (float)(i * 7 % 17) / 16;
  for (int round = 0; round < 2; ++round) {
    float* out = round ? second : first;
    digits_status status = digits_bind(&model, NULL, 0);
    if (status) return fail("bind", status);
    if ((status = digits_workspace(NULL, 1, &bytes))) return fail("workspace", status);
    workspace = aligned_alloc(DIGITS_ALIGN, (bytes + DIGITS_ALIGN) / DIGITS_ALIGN * DIGITS_ALIGN);
    io = (digits_io){.size = sizeof io, .image = image, .probability = out, .probability_capacity = IMAGES * DIGITS};
    digits_env env = {.size = sizeof env, .width = 1, .event = again};
    if ((status = digits_run(&model, NULL, &io, workspace, bytes, &env))) return fail("run", status);
    if (inner != DIGITS_E_BUSY) return fail("a call inside a call", inner);
    if ((status = digits_run(&model, NULL, &io, workspace, bytes, NULL))) return fail("run once more", status);
    free(workspace);
    digits_unbind(&model);
    if (digits_run(&model, NULL, &io, workspace, bytes, NULL) != DIGITS_E_WEIGHTS) return fail("after unbind", 0);
    digits_unbind(&model);
  }
  if (threads() != 1) return fail("threads were started", 0);
  for (int i = 0; i < IMAGES * DIGITS; ++i)
    if (first[i] != second[i]) return fail("bits differ", 0);
  for (int i = 0; i < IMAGES * DIGITS; ++i) printf("%.6f ", (double)first[i]);
  puts("right");
  return 0;
}
