/* Which instruction sets the processor has, without a C library: cpuid on x86, identification registers on
 * AArch64 (Linux lets programs read them), the hwprobe system call on RISC-V. */
#include "model.h"

typedef struct feature {
  uint8_t source, shift, bits, least;
  uint32_t xcr0;
} feature;

#if defined(__x86_64__)

enum { L1_ECX, L7_EBX, L7_ECX, L7_EDX, L71_EAX, X1_ECX };

static void cpuid(uint32_t leaf, uint32_t sub, uint32_t out[4]) {
  __asm__("cpuid" : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3]) : "a"(leaf), "c"(sub));
}

static uint64_t read_source(int source) {
  static const struct {
    uint32_t leaf, sub, word;
  } where[] = {{1, 0, 2}, {7, 0, 1}, {7, 0, 2}, {7, 0, 3}, {7, 1, 0}, {0x80000001u, 0, 2}};
  uint32_t out[4];
  cpuid(where[source].leaf & 0x80000000u, 0, out); /* the highest leaf */
  if (out[0] < where[source].leaf) return 0;
  cpuid(where[source].leaf, where[source].sub, out);
  return out[where[source].word];
}

/* State that the operating system saves. Linux wants to be asked for the AMX tiles first. */
static int saves_state(uint32_t mask) {
  uint32_t out[4], low, high;
  if (mask == 0) return 1;
  cpuid(1, 0, out);
  if (!(out[2] >> 27 & 1)) return 0;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  if ((low & mask) != mask) return 0;
  if (mask & 0x40000) {
    long status;
    __asm__ volatile("syscall" : "=a"(status) : "a"(158L), "D"(0x1023L), "S"(18L) : "rcx", "r11", "memory");
    return status == 0;
  }
  return 1;
}

#define FEATURE_x86_64(...) {__VA_ARGS__},
#define FEATURE_aarch64(...) {0},
#define FEATURE_riscv64(...) {0},

#elif defined(__aarch64__)

enum { PFR0, ISAR0, ISAR1 };

static uint64_t read_source(int source) {
  uint64_t value;
  switch (source) {
    case PFR0: __asm__("mrs %0, ID_AA64PFR0_EL1" : "=r"(value)); break;
    case ISAR0: __asm__("mrs %0, ID_AA64ISAR0_EL1" : "=r"(value)); break;
    default: __asm__("mrs %0, ID_AA64ISAR1_EL1" : "=r"(value)); break;
  }
  return value;
}

#define FEATURE_x86_64(...) {0},
#define FEATURE_aarch64(...) {__VA_ARGS__},
#define FEATURE_riscv64(...) {0},

#elif defined(__riscv)

enum { IMA_EXT_0 };

/* Kernels before 6.4 cannot say, and know no vector unit to hide: what they cannot say counts as there. */
static uint64_t read_source(int source) {
  struct {
    int64_t key;
    uint64_t value;
  } pair = {4 + source, 0};
  register long number __asm__("a7") = 258;
  register void* pairs __asm__("a0") = &pair;
  register long count __asm__("a1") = 1, cpus __asm__("a2") = 0, set __asm__("a3") = 0, flags __asm__("a4") = 0;
  __asm__ volatile("ecall" : "+r"(pairs) : "r"(number), "r"(count), "r"(cpus), "r"(set), "r"(flags) : "memory");
  return (long)pairs != 0 || pair.key < 0 ? ~UINT64_C(0) : pair.value;
}

#define FEATURE_x86_64(...) {0},
#define FEATURE_aarch64(...) {0},
#define FEATURE_riscv64(...) {__VA_ARGS__},

#endif

#if !defined(__x86_64__)
static int saves_state(uint32_t mask) { return mask == 0; }
#endif

int tn_has_feature(uint32_t id) {
#define FEATURE(arch, name, source, shift, bits, least, xcr0) FEATURE_##arch(source, shift, bits, least, xcr0)
  static const feature table[] = {
#include "cpu_features.def"
  };
#undef FEATURE
  const feature* f = &table[id];
  uint64_t field = read_source(f->source) >> f->shift & ((UINT64_C(1) << f->bits) - 1);
  /* AArch64 marks a missing unit with all ones. */
  return field >= f->least && !(f->bits == 4 && field == 15) && saves_state(f->xcr0);
}
