// A small model with a free dim.
#pragma once

#include "cases.h"

namespace tenon::testing {

// Rows of words through two products, what is between them reduced by rows, and beside it something whose extents are numbers.
inline GraphMaker words() {
  GraphMaker g{"words"};
  const ValueId x = g.node(Op::dot, {g.input("x", {"S", "64"}), g.constant({64, 96})});
  const ValueId y = g.node(Op::dot, {g.node(Op::softmax, {x}, Attrs().set<Attr::axis>(1)), g.constant({96, 48})});
  g.output(y);
  g.output(g.node(Op::abs, {g.input("fixed", {"3", "5"})}));
  return g;
}

}  // namespace tenon::testing
