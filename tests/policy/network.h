// A small network whose regions are partly of one kind.
#pragma once

#include "../loops/cases.h"
#include "tenon/ops.h"

namespace tenon {

// Equal convolutions after one that differs.
inline testing::GraphMaker network() {
  testing::GraphMaker g{"net"};
  ValueId x = g.node(Op::abs, {g.node(Op::conv, {g.input("x", {"1", "16", "28", "28"}), g.constant({24, 16, 3, 3})}, g.conv({1, 1}, {1, 1}))});
  for (int layer = 0; layer < 3; ++layer) x = g.node(Op::abs, {g.node(Op::conv, {x, g.constant({24, 24, 3, 3})}, g.conv({1, 1}, {1, 1}))});
  g.output(g.node(Op::conv, {x, g.constant({10, 24, 1, 1})}, g.conv({1, 1}, {0, 0})));
  return g;
}

}  // namespace tenon
