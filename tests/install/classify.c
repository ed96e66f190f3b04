/* Classifies the images of a .npy file, all in one call: classify_c IMAGES.npy LABELS.npy */
#include <stdio.h>
#include <stdlib.h>

#include "digits.h"

enum { IMAGES = 360, PIXELS = 64, CLASSES = 10 };

/* The data of a version 1 .npy file: what follows its header. */
static void* load(const char* path, size_t bytes) {
  unsigned char head[10];
  FILE* file = fopen(path, "rb");
  void* data = malloc(bytes);
  if (!file || !data || fread(head, 1, sizeof head, file) != sizeof head ||
      fseek(file, 10 + head[8] + 256 * head[9], SEEK_SET) != 0 || fread(data, 1, bytes, file) != bytes)
    exit(2);
  fclose(file);
  return data;
}

int main(int argc, char** argv) {
  static float probability[IMAGES * CLASSES];
  digits_model model;
  digits_dims dims = {sizeof dims, IMAGES};
  digits_io io = {sizeof io};
  size_t bytes = 0;
  int right = 0;
  if (argc != 3 || digits_bind(&model, NULL, 0) != DIGITS_OK || digits_workspace(&dims, 1, &bytes) != DIGITS_OK) return 2;
  io.image = load(argv[1], sizeof(float) * IMAGES * PIXELS);
  io.probability = probability;
  io.probability_capacity = IMAGES * CLASSES;
  const int64_t* labels = load(argv[2], sizeof *labels * IMAGES);
  unsigned char* memory = malloc(bytes + DIGITS_ALIGN);
  void* workspace = memory + (DIGITS_ALIGN - (uintptr_t)memory % DIGITS_ALIGN) % DIGITS_ALIGN;
  digits_status status = digits_run(&model, &dims, &io, workspace, bytes, NULL);
  if (status != DIGITS_OK) {
    puts(digits_status_str(status));
    return 1;
  }
  for (int i = 0; i < IMAGES; ++i) {
    int best = 0;
    for (int k = 1; k < CLASSES; ++k)
      if (probability[i * CLASSES + k] > probability[i * CLASSES + best]) best = k;
    right += best == labels[i];
  }
  printf("%d of %d right\n", right, IMAGES);
  return 0;
}
