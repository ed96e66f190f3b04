/* How far an output lies from what was expected. */
#ifndef TENON_DIFFERENCE_H
#define TENON_DIFFERENCE_H

#include "../descriptor.h"
#include "npy.h"

/* The largest |output - expected|. NaN equals NaN, and infinities themselves. Infinite where only one is a number or the shapes
 * differ, and for types that it does not know: 8-bit floats, and those narrower than a byte. `expected` is in f64 where the port's type is a float's,
 * else in the port's type. */
double greatest_difference(const tn_port* port, const void* output, const int64_t* shape, const array* expected);

#endif
