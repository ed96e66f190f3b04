#ifndef TENON_LEVEL_ROW_H
#define TENON_LEVEL_ROW_H

#include <stdint.h>

/* With TN_DISPATCH `features` and `features_at` of the descriptor are of these: the levels, from the least to
 * the best. */
typedef struct tn_level {
  uint32_t name;                  /* the target's, "x86-64-v3" */
  uint32_t features, features_at; /* uint32_t[] */
} tn_level;

#endif
