/* The program NAME: runs its model on .npy files, times it. One thread. */
#include "../dispatch/levels.h"
#include "measure.h"
#include "npy.h"
#include "text.h"

int main(int argc, char** argv);

#if defined(__x86_64__)
__asm__(".globl _start\n_start: xor %ebp, %ebp\n mov %rsp, %rdi\n and $-16, %rsp\n call tn_start\n");
#elif defined(__aarch64__)
__asm__(".globl _start\n_start: mov x29, #0\n mov x30, #0\n mov x0, sp\n bl tn_start\n");
#elif defined(__riscv)
__asm__(".globl _start\n_start: mv a0, sp\n call tn_start\n");
#endif

_Noreturn void tn_start(long* stack);
_Noreturn void tn_start(long* stack) { leave(main((int)stack[0], (char**)(stack + 1))); }

typedef struct options {
  const char* output;
  const char* weights;
#ifdef TN_DISPATCH
  const char* level;
#endif
  int64_t bench, random; /* -1: not asked for */
  measuring measure;
} options;

static const int64_t kUnknown = INT64_MIN;

static const char* text_at(uint32_t offset) { return tn_at(offset); }

/* Zeros, aligned to a page. Nothing is given back: the program runs once. */
static void* allocate(size_t bytes) {
  void* at = map(bytes, -1);
  if (!at) die("out of memory", NULL);
  return at;
}

static void usage(const char* program) {
  const tn_descriptor* d = &tn_model_descriptor;
  line out = {.used = 0};
  put(&out, "usage: ");
  put(&out, program);
  put(&out, " --input NAME=FILE.npy ... [--output DIR] [--dim NAME=N] [--random SEED] [--bench RUNS]");
  put(&out, " [--measure FILE.json --turns N --calls N --kernels N [--cpu N] [--expect NAME=FILE.npy ...] [--against PROGRAM ARG...]]");
#ifdef TN_DISPATCH
  put(&out, " [--level NAME]");
#endif
  put(&out, d->embedded || d->weights_bytes == 0 ? "\n" : " [--weights FILE]\n");
  for (uint32_t i = 0; i < d->inputs + d->outputs; ++i) {
    put(&out, i < d->inputs ? "  input   " : "  output  ");
    put(&out, text_at(tn_ports()[i].name));
    put(&out, "\n");
    flush(&out, STDOUT);
  }
  put(&out, "The full signature, as JSON: --describe\n");
  flush(&out, STDOUT);
}

/* The file of NAME=FILE is read as that port's, of those from `first` on. */
static void read_port(array* arrays, uint32_t first, uint32_t count, const char* name_and_file) {
  for (uint32_t i = 0; i < count; ++i) {
    const char* name = text_at(tn_ports()[first + i].name);
    if (starts(name_and_file, name) && name_and_file[length(name)] == '=') {
      arrays[i] = read_npy(name_and_file + length(name) + 1);
      return;
    }
  }
  die(name_and_file, first == 0 ? ": no such input" : ": no such output", NULL);
}

static int64_t number(const char* text, int64_t least, int64_t most, const char* what) {
  const char* end;
  const int64_t value = parse_integer(text, &end);
  if (end == text || *end || value < least || value > most) die(text, ": not ", what, NULL);
  return value;
}

static void set_symbol(int64_t* symbols, const char* name_and_value) {
  for (uint32_t i = 0; i < tn_model_descriptor.symbols; ++i) {
    const char* name = text_at(tn_symbols()[i].name);
    const char* end;
    if (!starts(name_and_value, name) || name_and_value[length(name)] != '=') continue;
    symbols[i] = parse_integer(name_and_value + length(name) + 1, &end);
    if (*end == 0) return;
  }
  die(name_and_value, ": not `SYMBOL=NUMBER` of this model", NULL);
}

/* Small values that suit every type: floats in [-1, 1), bytes of 0 and 1 for the rest. */
static const void* random_data(const tn_port* port, size_t bytes, uint64_t seed) {
  uint8_t* data = allocate(bytes);
  size_t width = port->bits / 8 ? port->bits / 8 : 1;
  for (size_t i = 0; i < bytes; i += width) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    if (port->descr[1] == 'f' && width == 4)
      *(float*)(data + i) = (float)(int32_t)(seed >> 32) * 0x1p-31f;
    else if (port->descr[1] == 'f' && width == 8)
      *(double*)(data + i) = (double)(int32_t)(seed >> 32) * 0x1p-31;
    else
      data[i] = seed >> 63;
  }
  return data;
}

static void check(tn_status status) {
  if (status != TN_OK) die(tn_model_status_str(status), NULL);
}

static size_t port_bytes(const tn_port* port, const int64_t* dims) {
  int64_t bits = port->bits;
  for (uint32_t i = 0; i < port->rank; ++i)
    if (dims[i] < 0 || __builtin_mul_overflow(bits, dims[i], &bits)) die(text_at(port->name), ": too large", NULL);
  return ((size_t)bits + 7) / 8;
}

/* Symbols that the command line leaves open are read off the inputs' shapes. */
static void solve_symbols(int64_t* symbols, const array* given) {
  for (uint32_t i = 0; i < tn_model_descriptor.symbols; ++i) {
    const tn_symbol* s = &tn_symbols()[i];
    const array* input = s->input >= 0 && given[s->input].data ? &given[s->input] : NULL;
    if (symbols[i] == kUnknown && input && s->element >= 0) {
      const tn_port* port = &tn_ports()[s->input];
      if (input->bytes < ((size_t)s->element + 1) * port->bits / 8) die(text_at(port->name), ": too few elements", NULL);
      symbols[i] = tn_element(port, input->data, s->element);
    } else if (symbols[i] == kUnknown && input && (uint32_t)s->axis < input->rank) {
      symbols[i] = input->dims[s->axis];
    }
    if (symbols[i] == kUnknown) die("--dim ", text_at(s->name), "=N is needed", NULL);
  }
}

#ifdef TN_DISPATCH
static unsigned find_level(const char* wanted) {
  for (unsigned level = 0; tn_model_level_name(level); ++level)
    if (equal(tn_model_level_name(level), wanted)) return level;
  die(wanted, ": no such level", NULL);
}
#endif

static void bind_weights(tn_model* model, const options* o) {
  const tn_descriptor* d = &tn_model_descriptor;
  size_t bytes = 0;
  const void* weights = NULL;
  if (!d->embedded && d->weights_bytes > 0) {
    if (!o->weights) die("--weights FILE is needed", NULL);
    weights = map_file(o->weights, &bytes);
  }
#ifdef TN_DISPATCH
  if (o->level) {
    check(tn_model_bind_level(model, weights, bytes, find_level(o->level)));
    return;
  }
#endif
  check(tn_model_bind(model, weights, bytes));
}

static void report_times(int64_t* times, int64_t runs) {
  for (int64_t i = 1; i < runs; ++i)
    for (int64_t k = i; k > 0 && times[k] < times[k - 1]; --k) {
      int64_t swapped = times[k];
      times[k] = times[k - 1];
      times[k - 1] = swapped;
    }
  line out = {.used = 0};
  put(&out, "{\"runs\": ");
  put_integer(&out, runs);
  put(&out, ", \"threads\": 1, \"median_ms\": ");
  put_milliseconds(&out, times[runs / 2]);
  put(&out, ", \"min_ms\": ");
  put_milliseconds(&out, times[0]);
  put(&out, ", \"p10_ms\": ");
  put_milliseconds(&out, times[runs / 10]);
  put(&out, ", \"p90_ms\": ");
  put_milliseconds(&out, times[runs - 1 - runs / 10]);
  put(&out, "}\n");
  flush(&out, STDOUT);
}

static void write_outputs(const options* o, void* const* outputs, const int64_t* shape) {
  const tn_port* port = tn_ports() + tn_model_descriptor.inputs;
  sys(SYS_mkdirat, AT_FDCWD, (long)o->output, 0777, 0, 0, 0);
  for (uint32_t i = 0; i < tn_model_descriptor.outputs; shape += port->rank, ++i, ++port) {
    line path = {.used = 0};
    put(&path, o->output);
    put(&path, "/");
    size_t start = path.used;
    put(&path, text_at(port->name));
    for (size_t k = start; k < path.used; ++k) /* a name is no path */
      if (path.text[k] == '/') path.text[k] = '_';
    put(&path, ".npy");
    if (path.used >= sizeof path.text) die("path too long", NULL);
    path.text[path.used] = 0;
    write_npy(path.text, port->descr, shape, port->rank, outputs[i], port_bytes(port, shape));
  }
}

static void execute(const options* o, const array* given, const array* expected, int64_t* symbols) {
  const tn_descriptor* d = &tn_model_descriptor;
  const tn_port* port = tn_ports();
  solve_symbols(symbols, given);
  int64_t dims[d->dims + 1];
  tn_model_shapes(symbols, dims);

  tn_dims* bound = allocate(sizeof(tn_dims) + d->symbols * sizeof(int64_t));
  bound->size = (uint32_t)(sizeof(tn_dims) + d->symbols * sizeof(int64_t));
  for (uint32_t i = 0; i < d->symbols; ++i) bound->values[i] = symbols[i];

  /* The structure of the public header: pointers, capacities, shapes. */
  size_t io_bytes = sizeof(tn_io) + (d->inputs + 2 * (size_t)d->outputs) * 8 + d->dims * sizeof(int64_t);
  tn_io* io = allocate(io_bytes);
  io->size = (uint32_t)io_bytes;
  size_t* capacity = (size_t*)(io->pointers + d->inputs + d->outputs);
  const int64_t* extent = dims;
  for (uint32_t i = 0; i < d->inputs + d->outputs; extent += port->rank, ++i, ++port) {
    size_t bytes = port_bytes(port, extent);
    if (i >= d->inputs) {
      io->pointers[i] = allocate(bytes);
      capacity[i - d->inputs] = bytes * 8 / port->bits;
    } else if (given[i].data) {
      int fits = given[i].rank == port->rank && given[i].bytes == bytes;
      for (uint32_t k = 0; fits && k < port->rank; ++k) fits = given[i].dims[k] == extent[k];
      if (!fits || !equal(given[i].descr + 1, port->descr + 1))
        die(text_at(port->name), ": the file's shape or type does not fit", NULL);
      io->pointers[i] = (void*)(uintptr_t)given[i].data;
    } else if (o->random >= 0) {
      io->pointers[i] = (void*)(uintptr_t)random_data(port, bytes, (uint64_t)o->random + i);
    } else {
      die("--input ", text_at(port->name), "=FILE.npy is needed", NULL);
    }
  }

  tn_model model;
  bind_weights(&model, o);
  size_t workspace_bytes;
  check(tn_model_workspace(bound, 1, &workspace_bytes));
  void* workspace = allocate(workspace_bytes);
  if (o->measure.file) {
    const ready loaded = {&model, bound, io, workspace, workspace_bytes};
    measure(&o->measure, &loaded, expected, io->pointers + d->inputs, (const int64_t*)(capacity + d->outputs));
    return;
  }
  int64_t runs = o->bench > 0 ? o->bench : 1;
  int64_t* times = allocate((size_t)runs * sizeof *times);
  for (int64_t i = o->bench > 0 ? -1 : 0; i < runs; ++i) { /* the first of a bench warms up */
    int64_t start = now_ns();
    check(tn_model_run(&model, bound, io, workspace, workspace_bytes, NULL));
    if (i >= 0) times[i] = now_ns() - start;
  }
  if (o->output) write_outputs(o, io->pointers + d->inputs, (const int64_t*)(capacity + d->outputs));
  if (o->bench > 0) report_times(times, runs);
}

/* An option that measuring takes; whether it is one. */
static int read_measuring(measuring* m, const char* option, const char* value) {
  const int64_t kMostTurns = 100000, kMostCalls = 1000, kMostKernels = 100000, kMostCpu = 8191, kMostDescriptor = 1 << 20;
  if (equal(option, "--measure")) m->file = value;
  else if (equal(option, "--turns")) m->turns = number(value, 1, kMostTurns, "a number of turns");
  else if (equal(option, "--calls")) m->calls = number(value, 1, kMostCalls, "a number of calls");
  else if (equal(option, "--kernels")) m->kernels = number(value, 0, kMostKernels, "a number of kernels");
  else if (equal(option, "--cpu")) m->cpu = number(value, -1, kMostCpu, "a processor");
  else if (equal(option, "--take")) m->take = number(value, 0, kMostDescriptor, "a descriptor");
  else if (equal(option, "--pass")) m->pass = number(value, 0, kMostDescriptor, "a descriptor");
  else return 0;
  return 1;
}

int main(int argc, char** argv) {
  const tn_descriptor* d = &tn_model_descriptor;
  options o = {.bench = -1, .random = -1, .measure = {.turns = 25, .calls = 3, .cpu = kAnywhere, .environment = argv + argc + 1, .take = -1, .pass = -1}};
  array* given = allocate(d->inputs * sizeof *given);
  array* expected = allocate(d->outputs * sizeof *expected);
  int64_t* symbols = allocate(d->symbols * sizeof *symbols);
  for (uint32_t i = 0; i < d->symbols; ++i) symbols[i] = kUnknown;
  for (int i = 1; i < argc; i += 2) {
    const char* option = argv[i];
    if (equal(option, "--help")) {
      usage(argv[0]);
      return 0;
    }
    if (equal(option, "--describe")) {
      write_all(STDOUT, tn_model_describe(), length(tn_model_describe()));
      return 0;
    }
    const char* value = i + 1 < argc ? argv[i + 1] : NULL;
    if (!value) die(option, ": unknown, or without its value; see --help", NULL);
    if (equal(option, "--against")) { /* all that is left */
      o.measure.against = argv + i + 1;
      break;
    }
    if (read_measuring(&o.measure, option, value)) continue;
    if (equal(option, "--input")) {
      read_port(given, 0, d->inputs, value);
    } else if (equal(option, "--expect")) {
      read_port(expected, d->inputs, d->outputs, value);
    } else if (equal(option, "--output")) {
      o.output = value;
    } else if (equal(option, "--weights")) {
      o.weights = value;
#ifdef TN_DISPATCH
    } else if (equal(option, "--level")) {
      o.level = value;
#endif
    } else if (equal(option, "--dim")) {
      set_symbol(symbols, value);
    } else if (equal(option, "--bench")) {
      o.bench = number(value, 1, 1000000, "a number of runs");
    } else if (equal(option, "--random")) {
      o.random = number(value, 0, INT64_MAX, "a seed");
    } else {
      die(option, ": unknown option; see --help", NULL);
    }
  }
  execute(&o, given, expected, symbols);
  return 0;
}
