/* launch PROGRAM WORDS...: starts the program with the time at which it does so behind its words. */
#define _GNU_SOURCE
#include <spawn.h>
#include <sys/wait.h>

#include "common.h"

extern char** environ;

int main(int argc, char** argv) {
  char started[32];
  char** words = calloc((size_t)argc + 1, sizeof *words);
  if (argc < 2 || !words) die("launch PROGRAM WORDS...");
  memcpy(words, argv + 1, (size_t)(argc - 1) * sizeof *words);
  words[argc - 1] = started;
  pid_t child;
  snprintf(started, sizeof started, "%lld", (long long)now_ns());
  if (posix_spawn(&child, words[0], NULL, NULL, words, environ) != 0) die("cannot be started");
  int status = 1;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
