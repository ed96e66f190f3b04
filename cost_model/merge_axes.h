#pragma once

#include "tenon/features.h"

namespace tenon {

// Makes one axis of two where one loop goes through both: every access steps along the outer one as the inner one's extent says. The
// axis of the lanes stays by itself where sums are taken.
void merge_axes(StatementFacts& s);

}  // namespace tenon
