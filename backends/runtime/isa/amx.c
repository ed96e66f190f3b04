/* Models of AMX: eight tiles of 16 rows of 64 bytes and the configuration that says how much of each is used. One
 * machine state per kernel, so a modelled kernel runs on one thread at a time. A use that the processor would refuse
 * traps. */
#include "isa.h"

enum { TILES = 8, ROWS = 16, ROW_BYTES = 64 };

static struct {
  int configured;
  uint8_t rows[TILES];
  uint16_t row_bytes[TILES];
  uint8_t data[TILES][ROWS][ROW_BYTES];
} amx;

static void clear(int tile) {
  for (int r = 0; r < ROWS; ++r)
    for (int c = 0; c < ROW_BYTES; ++c) amx.data[tile][r][c] = 0;
}

void tn_isa_x86_tilerelease(void) {
  amx.configured = 0;
  for (int t = 0; t < TILES; ++t) amx.rows[t] = 0, amx.row_bytes[t] = 0, clear(t);
}

/* 64 bytes: palette 1, start row 0, 14 of zero, 16 times bytes per row, 16 times rows. */
void tn_isa_x86_ldtilecfg(const uint8_t* config) {
  tn_isa_x86_tilerelease();
  if (config[0] != 1 || config[1] != 0) __builtin_trap();
  for (int t = 0; t < TILES; ++t) {
    amx.row_bytes[t] = (uint16_t)(config[16 + 2 * t] | config[17 + 2 * t] << 8);
    amx.rows[t] = config[48 + t];
    if (amx.row_bytes[t] > ROW_BYTES || amx.rows[t] > ROWS || !amx.row_bytes[t] != !amx.rows[t]) __builtin_trap();
  }
  amx.configured = 1;
}

static int used(uint32_t tile) {
  if (!amx.configured || tile >= TILES || !amx.rows[tile]) __builtin_trap();
  return (int)tile;
}

void tn_isa_x86_tilezero(uint32_t tile) { clear(used(tile)); }

void tn_isa_x86_tileloadd64(uint32_t tile, const uint8_t* from, int64_t stride) {
  const int t = used(tile);
  clear(t);
  for (int r = 0; r < amx.rows[t]; ++r)
    for (int c = 0; c < amx.row_bytes[t]; ++c) amx.data[t][r][c] = from[r * stride + c];
}

void tn_isa_x86_tilestored64(uint32_t tile, uint8_t* to, int64_t stride) {
  const int t = used(tile);
  for (int r = 0; r < amx.rows[t]; ++r)
    for (int c = 0; c < amx.row_bytes[t]; ++c) to[r * stride + c] = amx.data[t][r][c];
}

/* C[m][n] += sum over the words k of A[m][k] and B[k][n]. */
static void check_shapes(int c, int a, int b) {
  if (c == a || c == b || a == b || amx.rows[c] != amx.rows[a] || amx.row_bytes[c] != amx.row_bytes[b] ||
      amx.row_bytes[a] != 4 * amx.rows[b])
    __builtin_trap();
}

static void bytes(uint32_t ct, uint32_t at, uint32_t bt, int a_signed, int b_signed) {
  const int c = used(ct), a = used(at), b = used(bt);
  check_shapes(c, a, b);
  for (int m = 0; m < amx.rows[c]; ++m)
    for (int n = 0; n < amx.row_bytes[c] / 4; ++n) {
      uint32_t sum;
      __builtin_memcpy(&sum, &amx.data[c][m][4 * n], sizeof sum);
      for (int k = 0; k < amx.row_bytes[a]; ++k) {
        const uint8_t x = amx.data[a][m][k], y = amx.data[b][k / 4][4 * n + k % 4];
        sum += (uint32_t)((a_signed ? (int8_t)x : x) * (b_signed ? (int8_t)y : y));
      }
      __builtin_memcpy(&amx.data[c][m][4 * n], &sum, sizeof sum);
    }
}
void tn_isa_x86_tdpbssd(uint32_t c, uint32_t a, uint32_t b) { bytes(c, a, b, 1, 1); }
void tn_isa_x86_tdpbsud(uint32_t c, uint32_t a, uint32_t b) { bytes(c, a, b, 1, 0); }
void tn_isa_x86_tdpbusd(uint32_t c, uint32_t a, uint32_t b) { bytes(c, a, b, 0, 1); }
void tn_isa_x86_tdpbuud(uint32_t c, uint32_t a, uint32_t b) { bytes(c, a, b, 0, 0); }

static float half_of(const uint8_t* word, int odd) {
  uint16_t bits;
  __builtin_memcpy(&bits, word + 2 * odd, sizeof bits);
  return tn_bf16(bits);
}

/* Even and odd products are summed apart and then added to C; subnormals are zero, rounding is to nearest even. */
void tn_isa_x86_tdpbf16ps(uint32_t ct, uint32_t at, uint32_t bt) {
  const int c = used(ct), a = used(at), b = used(bt);
  check_shapes(c, a, b);
  for (int m = 0; m < amx.rows[c]; ++m)
    for (int n = 0; n < amx.row_bytes[c] / 4; ++n) {
      float part[2] = {0, 0}, sum;
      __builtin_memcpy(&sum, &amx.data[c][m][4 * n], sizeof sum);
      for (int k = 0; k < amx.row_bytes[a] / 4; ++k)
        for (int odd = 0; odd < 2; ++odd)
          part[odd] = tn_flushed((float)((double)half_of(&amx.data[a][m][4 * k], odd) * (double)half_of(&amx.data[b][k][4 * n], odd) +
                                         (double)part[odd]));
      sum = tn_flushed(tn_flushed(sum) + tn_flushed(part[0] + part[1]));
      __builtin_memcpy(&amx.data[c][m][4 * n], &sum, sizeof sum);
    }
}
