// Measuring on one processor.
#pragma once

namespace tenon {

// The calling thread, from now on; negative: to the last processor that it may use. Nothing happens where it may not use that one.
void pin(int cpu);

}  // namespace tenon
