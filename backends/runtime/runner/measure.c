#include "measure.h"

#include "clock.h"
#include "difference.h"
#include "text.h"

/* Times of one call of the model: its total, then each kernel's. */
typedef struct timing {
  int64_t* kernels;
  int64_t count, begin;
  read_clock* clock;
} timing;

static void event(void* user, uint32_t call, int end) {
  timing* t = user;
  const int64_t now = ns_by(t->clock);
  if (!end) t->begin = now;
  else if (call < t->count) t->kernels[call] += now - t->begin;
}

/* The least time of a chain of multiplications that waits for nothing but the multiplier: what the clock does. */
static int64_t canary_ns(read_clock* clock) {
  enum { kSteps = 1 << 19, kTries = 3 };
  int64_t least = INT64_MAX;
  for (int try = 0; try < kTries; ++try) {
    uint64_t value = (uint64_t)try + 1;
    const int64_t begin = ns_by(clock);
    for (int k = 0; k < kSteps; ++k) {
      value = value * 6364136223846793005u + 1442695040888963407u;
      __asm__ volatile("" : "+r"(value));
    }
    const int64_t took = ns_by(clock) - begin;
    if (took < least) least = took;
  }
  return least;
}

static int64_t involuntary_switches(void) {
  enum { kWords = 18, kInvoluntary = 17 }; /* struct rusage */
  long usage[kWords] = {0};
  sys(SYS_getrusage, 0, (long)usage, 0, 0, 0, 0);
  return usage[kInvoluntary];
}

/* Where it runs now; -1: wherever the system likes. */
static int64_t pin(int64_t cpu) {
  enum { kWords = 128, kBits = 64 };
  uint64_t set[kWords] = {0};
  if (cpu == kAnywhere) return -1;
  const long bytes = sys(SYS_sched_getaffinity, 0, sizeof set, (long)set, 0, 0, 0);
  if (cpu < 0 && bytes > 0)
    for (int64_t c = 0; c < kWords * kBits; ++c)
      if (set[c / kBits] >> c % kBits & 1) cpu = c;
  if (cpu < 0 || cpu >= kWords * kBits) return -1;
  for (int k = 0; k < kWords; ++k) set[k] = 0;
  set[cpu / kBits] = (uint64_t)1 << cpu % kBits;
  return sys(SYS_sched_setaffinity, 0, sizeof set, (long)set, 0, 0, 0) < 0 ? -1 : cpu;
}

static void give_turn(int64_t to) {
  if (to >= 0 && !write_all((int)to, "t", 1)) die("the program that it is measured against ended early", NULL);
}
static void await_turn(int64_t from) {
  char token;
  if (from >= 0 && sys(SYS_read, from, (long)&token, 1, 0, 0, 0) != 1) die("the program that it is measured against ended early", NULL);
}

/* Starts the other program, which gets its turns from us; its number. */
static long start_other(const measuring* how, int64_t* take, int64_t* pass) {
  enum { kChildEnds = 17 };                            /* SIGCHLD */
  const uint64_t broken_pipe = (uint64_t)1 << (13 - 1); /* blocked: a write to who is gone fails instead */
  sys(SYS_rt_sigprocmask, 0, (long)&broken_pipe, 0, sizeof broken_pipe, 0, 0);
  int to[2], from[2];
  if (sys(SYS_pipe2, (long)to, 0, 0, 0, 0, 0) < 0 || sys(SYS_pipe2, (long)from, 0, 0, 0, 0, 0) < 0) die("no pipe can be made", NULL);
  const long child = sys(SYS_clone, kChildEnds, 0, 0, 0, 0, 0);
  if (child < 0) die("no process can be made", NULL);
  if (child == 0) {
    sys(SYS_close, to[1], 0, 0, 0, 0, 0), sys(SYS_close, from[0], 0, 0, 0, 0, 0);
    size_t words = 0;
    while (how->against[words]) ++words;
    char* command[words + 5];
    for (size_t k = 0; k < words; ++k) command[k] = how->against[k];
    line numbers = {.used = 0};
    char* texts[2];
    for (int k = 0; k < 2; ++k) {
      texts[k] = numbers.text + numbers.used;
      put_integer(&numbers, k ? from[1] : to[0]);
      numbers.text[numbers.used++] = 0;
    }
    command[words] = "--take", command[words + 1] = texts[0], command[words + 2] = "--pass", command[words + 3] = texts[1], command[words + 4] = NULL;
    sys(SYS_execve, (long)command[0], (long)command, (long)how->environment, 0, 0, 0);
    die(command[0], ": cannot be started", NULL);
  }
  sys(SYS_close, to[0], 0, 0, 0, 0, 0), sys(SYS_close, from[1], 0, 0, 0, 0, 0);
  *pass = to[1], *take = from[0];
  return child;
}

static void put_times(line* out, int fd, const int64_t* times, int64_t count, int64_t stride) {
  put(out, "[");
  for (int64_t k = 0; k < count; ++k) {
    if (k > 0) put(out, ",");
    put_integer(out, times[k * stride]);
    drain(out, fd);
  }
  put(out, "]");
}

void measure(const measuring* how, const ready* model, const array* expected, void* const* outputs, const int64_t* shapes) {
  const int64_t runs = how->turns * how->calls, row = how->kernels + 1;
  int64_t* times = map((size_t)(runs + 1) * (size_t)row * sizeof *times, -1); /* the last: of calls that warm up */
  if (!times) die("out of memory", NULL);
  const int leads = how->against != NULL;
  const int64_t cpu = pin(how->cpu);
  int64_t take = how->take, pass = how->pass;
  const long other = leads ? start_other(how, &take, &pass) : 0;
  read_clock* clock = find_clock(how->environment);
  timing kernels = {.count = how->kernels, .clock = clock};
  tn_env env = {.size = sizeof env, .width = 1, .user = &kernels, .event = event};

  const int64_t canary = canary_ns(clock), switches = involuntary_switches();
  for (int64_t turn = 0; turn < how->turns; ++turn) {
    if (!leads) await_turn(take);
    for (int64_t call = -1; call < how->calls; ++call) {
      int64_t* to = times + (call < 0 ? runs : turn * how->calls + call) * row;
      kernels.kernels = to + 1;
      const int64_t begin = ns_by(clock);
      const tn_status status = tn_model_run(model->model, model->dims, model->io, model->workspace, model->workspace_bytes, &env);
      to[0] = ns_by(clock) - begin;
      if (status != TN_OK) die(tn_model_status_str(status), NULL);
    }
    give_turn(pass);
    if (leads) await_turn(take);
  }
  const int64_t switched = involuntary_switches() - switches, canary_after = canary_ns(clock);
  int ended = 0;
  if (leads && (sys(SYS_wait4, other, (long)&ended, 0, 0, 0, 0) != other || ended != 0)) die("the program that it is measured against failed", NULL);

  const int fd = (int)sys(SYS_openat, AT_FDCWD, (long)how->file, O_WRONLY_CREATE, 0666, 0, 0);
  if (fd < 0) die(how->file, ": cannot be written", NULL);
  line out = {.used = 0};
  put(&out, "{\"cpu\":");
  put_integer(&out, cpu);
  put(&out, ",\"switches\":");
  put_integer(&out, switched);
  put(&out, ",\"canary_ns\":");
  put_times(&out, fd, (const int64_t[]){canary, canary_after}, 2, 1);
  put(&out, ",\"differences\":[");
  const tn_port* port = tn_ports() + tn_model_descriptor.inputs;
  for (uint32_t k = 0; k < tn_model_descriptor.outputs; shapes += port->rank, ++k, ++port) {
    if (k > 0) put(&out, ",");
    put_number(&out, expected[k].data ? greatest_difference(port, outputs[k], shapes, &expected[k]) : __builtin_inf());
    drain(&out, fd);
  }
  put(&out, "],\"total_ns\":");
  put_times(&out, fd, times, runs, row);
  put(&out, ",\"kernel_ns\":[");
  for (int64_t k = 0; k < how->kernels; ++k) {
    put(&out, k > 0 ? ",\n" : "\n");
    put_times(&out, fd, times + 1 + k, runs, row);
  }
  put(&out, "]}\n");
  flush(&out, fd);
  sys(SYS_close, fd, 0, 0, 0, 0, 0);
}
